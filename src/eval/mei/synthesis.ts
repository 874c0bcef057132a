/**
 * @file Gradient ascent on images (evaluation specification, section 14): every image of a batch for a goal of its own. Knows
 * nothing of twins.
 */

import { gradientsOf, noGrad, ops, scope, stack, type Tensor, tensor } from "../../torch/index.ts";
import type { Constraint } from "./constraints.ts";
import type { Preconditioner } from "./gradient-blur.ts";
import type { Transform } from "./jitter.ts";
import type { Penalty } from "./penalties.ts";
import { Adam, type UpdateRule } from "./updates.ts";

/** What images `[batch, channels, ...]` achieve: `[batch]`, each element depending on its own image alone. */
export type Activation = (images: Tensor) => Tensor;

export interface SynthesisOptions {
  /** {@link Adam} when absent; disposed of with the synthesis. */
  update?: UpdateRule | undefined;
  /** Longest gradient of an image, Euclidean; longer ones are shortened. null: any. */
  maxGradNorm?: number | null | undefined;
  /** What is done to images before they are shown. Penalties see them without it. */
  transform?: Transform | undefined;
  penalty?: Penalty | undefined;
  preconditioner?: Preconditioner | undefined;
  constraint?: Constraint | undefined;
}

/** Why an image was not improved any further. */
export interface Stop {
  /** Before whose step, from 0. */
  iteration: number;
  reason: string;
}

/** Images on their way up. */
export class Synthesis implements Disposable {
  /** `[batch, channels, ...]`; another tensor after every step. */
  images: Tensor;
  /** Activations of the images as they were shown before every step, image after image. */
  readonly traces: number[][];
  /** By image; null while it is improved. An image that was stopped is the last one without trouble. */
  readonly stops: (Stop | null)[];
  private readonly activation: Activation;
  private readonly options: SynthesisOptions;
  private readonly update: UpdateRule;
  private iteration = 0;

  /** @param start `[batch, channels, ...]`, copied */
  constructor(activation: Activation, start: Tensor, options: SynthesisOptions = {}) {
    this.activation = activation;
    this.options = options;
    this.update = options.update ?? new Adam();
    this.images = scope(() => start.detach().clone()).keep();
    this.traces = Array.from({ length: start.size(0) }, () => []);
    this.stops = this.traces.map(() => null);
  }

  /** Whether no image is improved any more. */
  get stopped(): boolean {
    return this.stops.every((stop) => stop !== null);
  }

  /** Improves every image that was not stopped by one step. Waits for the device. */
  step(): void {
    const { iteration, images } = this;
    const next = scope(() => {
      const { transform, penalty, preconditioner, constraint, maxGradNorm = 5 } = this.options;
      const leaf = images.detach().setRequiresGrad();
      const activations = this.activation(transform ? transform(leaf, iteration) : leaf);
      const losses = penalty ? penalty(leaf).sub(activations) : activations.neg();
      const [raw] = gradientsOf([losses.sum()], [leaf]);
      return noGrad(() => {
        const slope = raw ?? ops.zeros_like(images);
        const gradient = preconditioner ? preconditioner(slope, iteration) : slope;
        const norms = gradient.flatten(1).norm(1);
        this.watch(stack([activations.detach(), losses.detach(), norms]).toTypedArray());
        const step = maxGradNorm === null ? gradient : gradient.mul(perImage(shortening(norms, maxGradNorm), gradient));
        const moved = this.update.next(images, step, iteration);
        const constrained = constraint ? constraint(moved) : moved;
        if (this.stops.every((stop) => stop === null)) return constrained;
        const improved = tensor(
          Uint8Array.from(this.stops, (stop) => Number(stop === null)),
          [this.stops.length],
          {
            dtype: "bool",
            device: images.device,
          },
        );
        return ops.where.self(perImage(improved, images), constrained, images);
      });
    });
    this.images = next.keep();
    images.dispose();
    this.iteration += 1;
  }

  /** Activations of the images as they are, without transform: `[batch]`. */
  activations(): Float64Array {
    const values = noGrad(() => scope(() => this.activation(this.images).toTypedArray()));
    return Float64Array.from(values as Float64Array);
  }

  /** Notes activations, and stops images whose losses or gradients do not lead anywhere. */
  private watch(values: ArrayLike<number | bigint>): void {
    const batch = this.stops.length;
    for (const [i, stop] of this.stops.entries()) {
      if (stop !== null) continue;
      const [activation, loss, norm] = [values[i], values[batch + i], values[2 * batch + i]].map(Number);
      this.traces[i]!.push(activation!);
      const reason = troubleOf(loss!, norm!);
      if (reason !== null) this.stops[i] = { iteration: this.iteration, reason };
    }
  }

  [Symbol.dispose](): void {
    this.images.dispose();
    this.update[Symbol.dispose]();
  }
}

function troubleOf(loss: number, norm: number): string | null {
  if (!Number.isFinite(loss)) return `the loss is ${loss}`;
  if (!Number.isFinite(norm)) return "the gradient is not finite";
  return norm === 0 ? "the gradient is 0: the image makes no difference" : null;
}

function shortening(norms: Tensor, longest: number): Tensor {
  return norms.add(1e-6).pow(-1).mul(longest).clamp(null, 1);
}

/** `[batch]` as `[batch, 1, ...]` with as many axes as the images. */
function perImage(values: Tensor, images: Tensor): Tensor {
  return values.reshape([-1, ...Array<number>(images.ndim - 1).fill(1)]);
}

/** Images after a number of steps, or as many as one of them could still be improved. The caller disposes of the result. */
export function synthesise(
  activation: Activation,
  start: Tensor,
  { iterations = 1000, ...options }: SynthesisOptions & { iterations?: number } = {},
): Synthesis {
  const synthesis = new Synthesis(activation, start, options);
  for (let i = 0; i < iterations && !synthesis.stopped; i++) synthesis.step();
  return synthesis;
}
