/**
 * @file Steps down a gradient. Images of a batch are independent of each other.
 */

import { ops, type Tensor } from "../../torch/index.ts";

/** A rule for the next images; may remember earlier gradients. */
export interface UpdateRule extends Disposable {
  /** The next images; those given are left as they are. */
  next(images: Tensor, gradient: Tensor, iteration: number): Tensor;
}

/** Adam (Kingma & Ba 2015) with its usual constants. */
export class Adam implements UpdateRule {
  readonly learningRate: number;
  private first: Tensor | null = null;
  private second: Tensor | null = null;

  constructor(learningRate = 0.01) {
    this.learningRate = learningRate;
  }

  next(images: Tensor, gradient: Tensor, iteration: number): Tensor {
    this.first ??= ops.zeros_like(images).keep();
    this.second ??= ops.zeros_like(images).keep();
    const { first, second } = this;
    const [beta1, beta2, eps] = [0.9, 0.999, 1e-8];
    first.mul_(beta1).add_(gradient.mul(1 - beta1));
    second.mul_(beta2).add_(gradient.square().mul(1 - beta2));
    const t = iteration + 1;
    const size = second
      .sqrt()
      .div(Math.sqrt(1 - beta2 ** t))
      .add(eps);
    return images.sub(first.div(size).mul(this.learningRate / (1 - beta1 ** t)));
  }

  [Symbol.dispose](): void {
    this.first?.dispose();
    this.second?.dispose();
  }
}

/** Plain steps along the gradient. */
export class GradientDescent implements UpdateRule {
  readonly learningRate: number;

  constructor(learningRate: number) {
    this.learningRate = learningRate;
  }

  next(images: Tensor, gradient: Tensor): Tensor {
    return images.sub(gradient.mul(this.learningRate));
  }

  [Symbol.dispose](): void {}
}

/**
 * Steps of one size along the gradient, whatever its length; the size falls evenly to 0. Under a fixed contrast this leads to
 * an image along its own gradient, which is the most exciting one of that contrast. (Adam's steps, alike in all pixels, lead
 * to the gradient's signs.)
 */
export class NormalizedDescent implements UpdateRule {
  readonly size: number;
  readonly iterations: number;

  /** @param size root mean square of the first step */
  constructor(size: number, iterations: number) {
    this.size = size;
    this.iterations = iterations;
  }

  next(images: Tensor, gradient: Tensor, iteration: number): Tensor {
    const axes = Array.from({ length: images.ndim - 1 }, (_, axis) => axis + 1);
    const rms = gradient.square().mean(axes, true).sqrt();
    const size = this.size * (1 - iteration / this.iterations);
    return images.sub(gradient.mul(ops.masked_fill.Scalar(rms, rms.eq(0), 1).pow(-1).mul(size)));
  }

  [Symbol.dispose](): void {}
}
