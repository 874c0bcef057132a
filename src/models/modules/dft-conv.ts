/**
 * @file Convolution with large spatial kernels by way of Fourier transforms.
 *
 * A convolution is a product at every spatial frequency: where k x k taps take k^2 multiplications per pixel and pair of
 * channels, the product takes a single complex one. The transforms are matrix products with sines and cosines; for the few
 * dozen pixels of a frame that beats the fast Fourier transform, which has too little arithmetic to keep a processor busy.
 *
 * Pixels lead and samples come last on the way, so that every step is one matrix product on memory as it lies. An image is
 * real, its frequencies come in conjugate pairs: of those along rows only the first half is kept.
 */

import { cat, ops, scope, type Tensor, tensor } from "../../torch/index.ts";

/** Fewer taps than this, rows times columns, are as fast without. */
const SMALLEST_KERNEL = 36;
/** With fewer multiply-adds than this, transforming the weights takes longer than what it saves. */
const SMALLEST_COST = 4e9;

/**
 * Whether transforms pay for a convolution of `x` `[batch, channels, T, H, W]` by `weight` `[out, channels, kT, kH, kW]`
 * with stride 1. On a GPU the library's own kernels are hard to beat.
 */
export function dftPays(x: Tensor, weight: Tensor): boolean {
  const [batch, , frames, height, width] = x.shape as Shape;
  const [, , kT, kH, kW] = weight.shape as Shape;
  const outputs = batch * (frames - kT + 1) * (height - kH + 1) * (width - kW + 1);
  return x.device === "cpu" && kH * kW >= SMALLEST_KERNEL && outputs * weight.numel >= SMALLEST_COST;
}

type Shape = [number, number, number, number, number];

/** Samples that are transformed at a time: spectra are several times larger than images. */
const CHUNK = 8;

/** Valid convolutions by transforms; keeps the matrices of the sizes it has met. */
export class DftConvolution {
  readonly #matrices = new Map<string, Tensor>();

  /** `[batch, channels, T, H, W]` by `[out, channels, kT, kH, kW]` to `[batch, out, T - kT + 1, H - kH + 1, W - kW + 1]`. */
  forward(x: Tensor, weight: Tensor): Tensor {
    const kernels = this.#kernels(weight, x.size(3), x.size(4));
    const chunks: Tensor[] = [];
    for (let start = 0; start < x.size(0); start += CHUNK) {
      const samples = x.slice(0, start, start + CHUNK);
      chunks.push(scope(() => this.#convolve(samples, kernels, weight.shape as Shape)));
    }
    return cat(chunks).contiguous();
  }

  /** Spectra of the weights, per temporal tap: `[frequencies, (re, im) out, (re, im) channels]`. */
  #kernels(weight: Tensor, height: number, width: number): Tensor[] {
    const [out, channels, kT, kH, kW] = weight.shape as Shape;
    const half = halfOf(height);
    const taps = weight.permute([3, 4, 2, 0, 1]).reshape([kH, -1]);
    const spectra = perBlock(
      this.#matrix("kernel", width, kW, weight),
      this.#matrix("half", height, kH, weight).matmul(taps),
      half,
    )
      .view([half * width, 2, 2, kT, out, channels])
      .permute([3, 0, 1, 4, 2, 5])
      .reshape([kT, half * width, 2 * out, 2 * channels]);
    return ops.unbind.int(spectra, 0);
  }

  #convolve(x: Tensor, kernels: readonly Tensor[], [out, , kT, kH, kW]: Shape): Tensor {
    const [batch, channels, frames, height, width] = x.shape as Shape;
    const [outFrames, outHeight, outWidth] = [frames - kT + 1, height - kH + 1, width - kW + 1];
    const half = halfOf(height);

    // [H, W, channels, T, batch] -> [frequencies, (re, im) channels, T batch]
    const pixels = x.permute([3, 4, 1, 2, 0]).reshape([height, -1]);
    const spectra = perBlock(
      this.#matrix("full", width, width, x),
      this.#matrix("half", height, height, x).matmul(pixels),
      half,
    ).view([half * width, 2 * channels, frames * batch]);

    let products: Tensor | undefined;
    for (const [k, kernel] of kernels.entries()) {
      const seen = spectra.slice(2, k * batch, (k + outFrames) * batch);
      products = products ? ops.baddbmm(products, kernel, seen) : ops.bmm(kernel, seen);
    }

    // [frequencies, (re, im) out, T' batch] -> [H', W', out, T', batch] -> [batch, out, T', H', W']
    const columns = perBlock(this.#matrix("inverseFull", width, outWidth, x), products!, half);
    return this.#matrix("inverseHalf", height, outHeight, x)
      .matmul(columns.view([2 * half, -1]))
      .view([outHeight * outWidth, -1])
      .transpose(0, 1)
      .contiguous()
      .view([out, outFrames, batch, outHeight, outWidth])
      .permute([2, 0, 1, 3, 4]);
  }

  /** Between `pixels` samples and the frequencies of `size`, in the element type of `like`. */
  #matrix(kind: MatrixKind, size: number, pixels: number, { dtype }: Tensor): Tensor {
    const key = `${kind} ${size} ${pixels} ${dtype}`;
    let matrix = this.#matrices.get(key);
    if (!matrix) {
      const rows = MATRICES[kind](size, pixels);
      matrix = tensor(Float64Array.from(rows.flat()), [rows.length, rows[0]!.length]).to({ dtype }).keep();
      this.#matrices.set(key, matrix);
    }
    return matrix;
  }
}

/** Frequencies that say everything about a real signal of `size` samples. */
const halfOf = (size: number) => Math.floor(size / 2) + 1;

/** Applies `matrix` to each of `count` blocks of rows of `x`: `[count, rows of the matrix, ...]`. */
function perBlock(matrix: Tensor, x: Tensor, count: number): Tensor {
  return ops.bmm(matrix.unsqueeze(0).expand([count, ...matrix.shape]), x.reshape([count, matrix.size(1), -1]));
}

// --- matrices --------------------------------------------------------------------------------------------------------

type Rows = number[][];

const angle = (frequency: number, pixel: number, size: number) => (2 * Math.PI * ((frequency * pixel) % size)) / size;
const cosines = (f: number, size: number, pixels: number, scale = 1) =>
  Array.from({ length: pixels }, (_, n) => scale * Math.cos(angle(f, n, size)));
const sines = (f: number, size: number, pixels: number, scale = 1) =>
  Array.from({ length: pixels }, (_, n) => scale * Math.sin(angle(f, n, size)));
const range = (length: number) => Array.from({ length }, (_, i) => i);
const transposed = (rows: Rows): Rows => rows[0]!.map((_, column) => rows.map((row) => row[column]!));

/** Real part and imaginary part of frequency `f` of a complex signal, given as real parts followed by imaginary parts. */
const realPart = (f: number, size: number, pixels: number) => [...cosines(f, size, pixels), ...sines(f, size, pixels)];
const imaginaryPart = (f: number, size: number, pixels: number, sign = 1) => [
  ...sines(f, size, pixels, -sign),
  ...cosines(f, size, pixels, sign),
];

/** Transforms of `pixels` samples to the frequencies of `size`, and back. */
const MATRICES = {
  /** Of a real signal, the first half of the frequencies: rows (frequency; re, im). */
  half: (size: number, pixels: number): Rows =>
    range(halfOf(size)).flatMap((f) => [cosines(f, size, pixels), sines(f, size, pixels, -1)]),
  /** Of a complex signal (re, im; pixel), all frequencies: rows (frequency; re, im). */
  full: (size: number, pixels: number): Rows =>
    range(size).flatMap((f) => [realPart(f, size, pixels), imaginaryPart(f, size, pixels)]),
  /** As the 2 x 2 matrix by which the conjugate multiplies a complex number: rows (frequency; re, im; re, im). */
  kernel: (size: number, pixels: number): Rows =>
    range(size).flatMap((f) => [
      realPart(f, size, pixels),
      imaginaryPart(f, size, pixels),
      imaginaryPart(f, size, pixels, -1),
      realPart(f, size, pixels),
    ]),
  /** Back from `full`: rows (re, im; pixel), columns (frequency; re, im). */
  inverseFull: (size: number, pixels: number): Rows =>
    transposed(
      range(size).flatMap((f) => [
        [...cosines(f, size, pixels, 1 / size), ...sines(f, size, pixels, 1 / size)],
        [...sines(f, size, pixels, -1 / size), ...cosines(f, size, pixels, 1 / size)],
      ]),
    ),
  /** Back from `half`: rows pixel, columns (frequency; re, im). Frequencies with a conjugate partner count twice. */
  inverseHalf: (size: number, pixels: number): Rows =>
    transposed(
      range(halfOf(size)).flatMap((f) => {
        const weight = (f === 0 || 2 * f === size ? 1 : 2) / size;
        return [cosines(f, size, pixels, weight), sines(f, size, pixels, -weight)];
      }),
    ),
};
type MatrixKind = keyof typeof MATRICES;
