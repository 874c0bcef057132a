/**
 * @file Whitening a movie in the frequency domain (data specification, section 8.4), after Olshausen & Field 1997.
 */
import { UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";
import { fourierFrequencies, fourierPlan } from "./fft.ts";

/** Parameters under their names in configurations. */
export interface WhiteningParams {
  /** Cut-off frequency in cycles per sample. */
  readonly f_0: number;
  /** Steepness of the cut-off. */
  readonly n: number;
}

/**
 * Multiplies the spectrum over time, rows and columns of the whole movie by `q · exp(−(q / f_0)ⁿ)`, q being the length
 * of the frequency vector in cycles per sample. Works on 16 bytes per pixel and frame.
 *
 * @param x [frames, height, width] or [frames, 1, height, width], float32
 * @returns the same shape, float32
 * @throws UserError for other shapes, and when memory does not suffice
 */
export function whitened(x: NdArray & { data: Float32Array }, { f_0, n }: WhiteningParams): NdArray {
  const axes = x.shape.length === 4 && x.shape[1] === 1 ? x.shape.toSpliced(1, 1) : x.shape;
  if (axes.length !== 3) {
    throw new UserError(
      `fftwhitening takes [frames, height, width] or [frames, 1, height, width]: got [${x.shape.join(", ")}]`,
    );
  }
  const [re, im] = workspace(x);
  transformAxes(re, im, axes, false);
  const [alongTime, alongRows, alongColumns] = axes.map(fourierFrequencies) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  let at = 0;
  for (const time of alongTime) {
    for (const row of alongRows) {
      for (const column of alongColumns) {
        const q = Math.sqrt(time * time + row * row + column * column);
        const gain = (q * Math.exp(-((q / f_0) ** n))) / re.length;
        re[at]! *= gain;
        im[at]! *= gain;
        at++;
      }
    }
  }
  transformAxes(re, im, axes, true);
  return { dtype: "float32", shape: x.shape, data: Float32Array.from(re) };
}

function workspace({ data }: { data: Float32Array }): [re: Float64Array, im: Float64Array] {
  try {
    return [Float64Array.from(data), new Float64Array(data.length)];
  } catch (cause) {
    throw new UserError(`Cannot whiten ${data.length} values: the ${16 * data.length} bytes of workspace do not fit`, {
      hint: "Whiten shorter recordings, or use a machine with more memory.",
      cause,
    });
  }
}

/** Transforms along every axis, line by line. */
function transformAxes(re: Float64Array, im: Float64Array, axes: readonly number[], inverse: boolean): void {
  let stride = re.length;
  for (const length of axes) {
    const outer = stride;
    stride /= length;
    const plan = fourierPlan(length);
    const lineRe = new Float64Array(length);
    const lineIm = new Float64Array(length);
    for (let block = 0; block < re.length; block += outer) {
      for (let start = block; start < block + stride; start++) {
        for (let i = 0; i < length; i++) {
          lineRe[i] = re[start + i * stride]!;
          lineIm[i] = im[start + i * stride]!;
        }
        plan.transform(lineRe, lineIm, inverse);
        for (let i = 0; i < length; i++) {
          re[start + i * stride] = lineRe[i]!;
          im[start + i * stride] = lineIm[i]!;
        }
      }
    }
  }
}
