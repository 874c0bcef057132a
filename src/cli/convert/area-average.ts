/**
 * @file Smaller pictures by averaging areas: every pixel of the result is the mean of the patch it covers, pixels at the
 * rim of the patch counting with the part that lies inside.
 */

/** The source pixels under one pixel of the result, along one axis; weights sum to 1. */
interface Window {
  readonly start: number;
  readonly weights: Float64Array;
}

/** Averages pictures of one size down to another. */
export class AreaAverage {
  private readonly rowWindows: readonly Window[];
  private readonly columnWindows: readonly Window[];
  private readonly columns: number;

  /**
   * @param from rows and columns of the source
   * @param to rows and columns of the result
   * @throws RangeError when the result is empty or larger than the source
   */
  constructor(from: readonly [number, number], to: readonly [number, number]) {
    this.rowWindows = windows(from[0], to[0]);
    this.columnWindows = windows(from[1], to[1]);
    this.columns = from[1];
  }

  /** Averages one picture, both row-major. `round` is applied to every mean before it is stored. */
  apply(source: ArrayLike<number>, result: Uint8Array | Float32Array, round: (mean: number) => number): void {
    let next = 0;
    for (const rows of this.rowWindows) {
      for (const columns of this.columnWindows) {
        let sum = 0;
        for (let i = 0; i < rows.weights.length; i++) {
          const start = (rows.start + i) * this.columns + columns.start;
          let rowSum = 0;
          for (let j = 0; j < columns.weights.length; j++) rowSum += source[start + j]! * columns.weights[j]!;
          sum += rowSum * rows.weights[i]!;
        }
        result[next++] = round(sum);
      }
    }
  }
}

function windows(from: number, to: number): Window[] {
  if (!(to >= 1 && to <= from)) throw new RangeError(`Cannot average ${from} pixels down to ${to}`);
  // In units of 1/to source pixels every edge is a whole number, so that coverage is exact.
  return Array.from({ length: to }, (_, i) => {
    const [first, end] = [i * from, (i + 1) * from];
    const start = Math.floor(first / to);
    const count = Math.ceil(end / to) - start;
    const weights = Float64Array.from({ length: count }, (_, k) => {
      const left = Math.max(first, (start + k) * to);
      const right = Math.min(end, (start + k + 1) * to);
      return (right - left) / from;
    });
    return { start, weights };
  });
}
