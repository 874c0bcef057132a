/**
 * @file A whole series with its history at once (data specification, section 19): for reverse correlation and linear models,
 * which look at every frame rather than at drawn samples.
 */
import { UserError } from "../errors.ts";
import { arrayBytes, type NdArray, zerosArray } from "../formats/array.ts";
import { rowLength } from "./column.ts";

/**
 * Every run of `lags` frames, in the order of time: **oldest first**, unlike a served sample, whose lag 0 comes first.
 *
 * @param series [frames, channels, ...]
 * @param blocks stretches [start, end) that are embedded by themselves and joined; by default all frames are one. A stretch
 *   shorter than `lags` gives nothing
 * @returns [windows, channels, lags, ...]; window w of a stretch ends at its frame w + lags - 1
 * @throws UserError for a series without a channel axis, fewer than one lag, or stretches outside the series
 */
export function timeEmbedding(
  series: NdArray,
  lags: number,
  blocks: readonly (readonly [start: number, end: number])[] = [[0, series.shape[0] ?? 0]],
): NdArray {
  const [frames, channels, ...rest] = series.shape;
  if (frames === undefined || channels === undefined) {
    throw new UserError(
      `Cannot embed an array of shape [${series.shape.join(", ")}]: expected [frames, channels, ...]`,
    );
  }
  if (!(Number.isInteger(lags) && lags >= 1))
    throw new UserError(`Cannot embed ${lags} lags: expected a whole number from 1`);
  const outside = blocks.find(([start, end]) => !(start >= 0 && start <= end && end <= frames));
  if (outside) throw new UserError(`Cannot embed frames ${outside[0]} to ${outside[1]}: there are ${frames}`);

  const windows = blocks.flatMap(([start, end]) =>
    Array.from({ length: Math.max(0, end - start - lags + 1) }, (_, w) => start + w),
  );
  const out = zerosArray(series.dtype, [windows.length, channels, lags, ...rest]);
  const bytes = rowLength([1, ...rest]) * out.data.BYTES_PER_ELEMENT;
  const from = arrayBytes(series);
  const to = arrayBytes(out);
  let at = 0;
  for (const window of windows) {
    for (let channel = 0; channel < channels; channel++) {
      for (let lag = 0; lag < lags; lag++, at += bytes) {
        const start = ((window + lag) * channels + channel) * bytes;
        to.set(from.subarray(start, start + bytes), at);
      }
    }
  }
  return out;
}
