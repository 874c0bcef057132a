/**
 * @file Fine detail and coarse structure of every frame, as the magno- and parvocellular pathways see it (model
 * specification, section 5.2, `split_MP`).
 *
 * Coarse is one step down and up a binomial pyramid. Both are linear and treat rows and columns alike, so that a frame X
 * becomes `L X L'` with one fixed matrix L per axis length.
 */

import { cat, type Tensor, tensor } from "../../torch/index.ts";

const BINOMIAL = [1, 4, 6, 4, 1].map((weight) => weight / 16);

/** Shortest axis that can be padded by reflection on the way down and up. */
export const SMALLEST_SPLIT_SIZE = 3;

/** Splits `[batch, 1, T, H, W]` into two channels `[batch, 2, T, H, W]`: detail (what coarse lacks), coarse. */
export class MagnoParvoSplit {
  readonly #matrices = new Map<string, Tensor>();

  forward(x: Tensor): Tensor {
    const rows = this.#matrix(x.size(3), x);
    const columns = this.#matrix(x.size(4), x);
    const coarse = rows.matmul(x.matmul(columns.transpose(0, 1)));
    return cat([x.sub(coarse), coarse], 1);
  }

  #matrix(length: number, { device, dtype }: Tensor): Tensor {
    const key = `${length} ${device} ${dtype}`;
    let matrix = this.#matrices.get(key);
    if (!matrix) {
      matrix = tensor(lowPassMatrix(length), [length, length]).to({ device, dtype }).keep();
      this.#matrices.set(key, matrix);
    }
    return matrix;
  }
}

/** Row-major `[length, length]`: column j is what one step down and up makes of a single bright pixel j. */
export function lowPassMatrix(length: number): Float64Array {
  const matrix = new Float64Array(length * length);
  for (let j = 0; j < length; j++) {
    const pixel = new Array<number>(length).fill(0);
    pixel[j] = 1;
    for (const [i, value] of upsample(downsample(pixel), length).entries()) matrix[i * length + j] = 2 * value;
  }
  return matrix;
}

/** Blurs and keeps every other sample. */
function downsample(samples: readonly number[]): number[] {
  const padded = reflect(samples, 2);
  return Array.from({ length: Math.ceil(samples.length / 2) }, (_, i) => binomial(padded, 2 * i));
}

/** Puts zeros between the samples and blurs, to `length` samples. */
function upsample(samples: readonly number[], length: number): number[] {
  const spread = reflect(samples, 1).flatMap((sample) => [sample, 0]);
  return Array.from({ length }, (_, i) => binomial(spread, i));
}

function binomial(samples: readonly number[], start: number): number {
  return BINOMIAL.reduce((sum, weight, m) => sum + weight * samples[start + m]!, 0);
}

function reflect(samples: readonly number[], count: number): number[] {
  const last = samples.length - 1;
  const before = Array.from({ length: count }, (_, i) => samples[count - i]!);
  const after = Array.from({ length: count }, (_, i) => samples[last - 1 - i]!);
  return [...before, ...samples, ...after];
}
