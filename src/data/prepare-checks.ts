/**
 * @file What is checked before training on prepared samples: a single value that is not a number would spoil every
 * parameter of the model.
 */
import { UserError } from "../errors.ts";
import { rowLength } from "./column.ts";
import type { Recording } from "./recording.ts";
import type { SampleSet } from "./samples.ts";

/** Keys a model reads. Spike counts are checked separately because masks may exclude them. */
const INPUT_KEYS = ["stim", "behavior", "history"];

/**
 * Makes sure that no served input is NaN, nor any spike count that its mask includes.
 *
 * @throws UserError that names session, type, key and the first such frame
 */
export function refuseMissingValues(samples: SampleSet): void {
  samples.recordings.forEach((recording, number) => {
    const frames = samples.framesOf(number);
    for (const key of ["robs", ...INPUT_KEYS]) {
      const lags = samples.lags.get(key)?.lags;
      if (lags === undefined) continue;
      const missing = framesWithNaN(recording, key);
      if (missing.size === 0) continue;
      const hit = frames.filter((frame) => lags.some((lag) => missing.has(frame - lag)));
      if (hit.length === 0) continue;
      const first = Math.min(...lags.map((lag) => hit[0]! - lag).filter((frame) => missing.has(frame)));
      throw new UserError(
        `Cannot use session "${samples.session}", type "${recording.type}": "${key}" is not a number (NaN) in frame ` +
          `${first}, which is served; ${hit.length} of ${frames.length} samples are affected`,
        {
          hint: "Mark such frames as invalid (dpi_valid 0) so that datafilters exclude them, or repair the recording.",
        },
      );
    }
  });
}

/**
 * Makes sure that time runs forward within every trial; a recording without `t_bins` passes.
 *
 * @throws UserError that names the first frame that is not later than the one before
 */
export function refuseBackwardTimes(recording: Recording): void {
  if (!recording.has("t_bins")) return;
  const times = recording.numbers("t_bins");
  const trials = recording.numbers("trial_inds");
  const at = times.findIndex((time, t) => t > 0 && trials[t] === trials[t - 1] && time <= times[t - 1]!);
  if (at === -1) return;
  throw new UserError(
    `Time goes backwards in recording "${recording.name}": t_bins is ${times[at - 1]} s in frame ${at - 1} and ` +
      `${times[at]} s in frame ${at}, both of trial ${trials[at]}`,
    { hint: "t_bins are the centres of the frames in seconds, ascending within a trial; export the recording again." },
  );
}

/**
 * Makes sure that no spike count is negative.
 *
 * @throws UserError that names frame and column of the first one
 */
export function refuseNegativeCounts(recording: Recording): void {
  const { data, shape } = recording.get("robs");
  const width = rowLength(shape);
  let at = 0;
  while (at < data.length && !(data[at]! < 0)) at++;
  if (at === data.length) return;
  throw new UserError(
    `Recording "${recording.name}" has a negative spike count: ${data[at]} in frame ${Math.floor(at / width)}, ` +
      `column ${at % width} of robs`,
    { hint: "robs are counts, from 0; if they are something else on purpose, say so with a transform of robs." },
  );
}

/** Frames in which any value is NaN; spike counts that the mask leaves out do not count. */
function framesWithNaN(recording: Recording, key: string): Set<number> {
  const { data, shape } = recording.get(key);
  const missing = new Set<number>();
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return missing;
  const width = rowLength(shape);
  const mask = key === "robs" ? recording.get("dfs") : undefined;
  const maskWidth = mask?.shape[1] ?? 1;
  for (let i = 0; i < data.length; i++) {
    if (!Number.isNaN(data[i])) continue;
    const frame = Math.floor(i / width);
    const isMasked = mask?.data[maskWidth === 1 ? frame : frame * maskWidth + (i % width)] === 0;
    if (!isMasked) missing.add(frame);
  }
  return missing;
}

/** Units (by their ids in `cids`) that the mask excludes from every sample. */
export function maskedUnits(samples: SampleSet, cids: readonly number[]): number[] {
  const valid = cids.map(() => false);
  samples.recordings.forEach((recording, number) => {
    const { data, shape } = recording.get("dfs");
    const width = shape[1]!;
    for (const frame of samples.framesOf(number)) {
      for (let unit = 0; unit < cids.length; unit++) {
        if (data[frame * width + (width === 1 ? 0 : unit)] !== 0) valid[unit] = true;
      }
    }
  });
  return cids.filter((_, unit) => !valid[unit]);
}
