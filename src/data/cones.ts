/**
 * @file Cone photoreceptors with dynamic adaptation: a fast filter divided by a slow one, after Clark et al. 2013
 * (data specification, section 8.3).
 */
import { UserError } from "../errors.ts";
import { type NdArray, zerosArray } from "../formats/array.ts";
import { type ConeParams, coneFilters } from "../signal/cone-filters.ts";

/**
 * Response of one cone per pixel; what precedes the recording counts as zero.
 *
 * @param x intensities, [frames, height, width], float32
 * @returns [frames, 1, height, width]
 * @throws UserError for other shapes
 */
export function coneResponse(x: NdArray & { data: Float32Array }, params: ConeParams): NdArray {
  if (x.shape.length !== 3) {
    throw new UserError(`dacones takes [frames, height, width]: got [${x.shape.join(", ")}]`);
  }
  const [frames, height, width] = x.shape as [number, number, number];
  const pixels = height * width;
  const { fast, slow } = coneFilters(params);
  const beta = Math.max(params.beta, 0);
  const out = zerosArray("float32", [frames, 1, height, width]);
  const response = new Float64Array(pixels);
  const adaptation = new Float64Array(pixels);
  for (let t = 0; t < frames; t++) {
    response.fill(0);
    adaptation.fill(0);
    for (let lag = 0; lag < Math.min(fast.length, t + 1); lag++) {
      const start = (t - lag) * pixels;
      for (let p = 0; p < pixels; p++) {
        response[p]! += fast[lag]! * x.data[start + p]!;
        adaptation[p]! += slow[lag]! * x.data[start + p]!;
      }
    }
    for (let p = 0; p < pixels; p++) {
      out.data[t * pixels + p] = (params.alpha * response[p]!) / Math.max(1 + beta * adaptation[p]!, 1e-6);
    }
  }
  return out;
}
