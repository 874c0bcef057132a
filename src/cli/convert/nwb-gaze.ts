/**
 * @file Eye position of an NWB file in the middle of every frame.
 */
import { memoryColumn } from "../../data/column.ts";
import type { ColumnData } from "../../data/recording.ts";
import { UserError } from "../../errors.ts";
import { toFloat64 } from "../../formats/array.ts";
import type { FrameClock } from "./frame-clock.ts";
import type { NwbFile, NwbSeries } from "./nwb-file.ts";
import { frameColumn } from "./write-session.ts";

/** Gaze as covariates. */
export interface GazeColumns {
  /** Path of the series, null without one. */
  readonly path: string | null;
  /** Unit of `eyepos`, null when the file does not say. */
  readonly unit: string | null;
  /** `eyepos` [frames, 2] where there is gaze, and `dpi_valid` [frames]: 1 where it was tracked. */
  readonly columns: readonly (readonly [string, ColumnData])[];
  /** What the user should look at again, one sentence each. */
  readonly warnings: readonly string[];
}

/** Between samples further apart than this many usual steps the eye was not tracked. */
const GAP = 5;

/**
 * Gaze in the middle of every frame, between the samples before and after; where one of them is missing the frame does
 * not count as tracked. Without a series all frames do.
 *
 * @param wanted path of the series, `none` for none, undefined for the only one
 * @throws UserError when the choice is open, or the series is not one of positions over time that covers the frames
 */
export function gazeColumns(file: NwbFile, clock: FrameClock, wanted: string | undefined): GazeColumns {
  const series = chooseSeries(file, wanted);
  if (series === undefined) {
    const all = new Float64Array(clock.centres.length).fill(1);
    const warnings = wanted === "none" ? [] : ["no eye position: all frames count as tracked"];
    return { path: null, unit: null, columns: [["dpi_valid", frameColumn(all)]], warnings };
  }
  const times = sampleTimes(file, series);
  const { array, scale, offset, unit } = file.values(series);
  const isRadians = unit !== undefined && /^rad/i.test(unit);
  const toDegrees = isRadians ? 180 / Math.PI : 1;
  const values = toFloat64(array.read()).map((value) => (value * scale + offset) * toDegrees);
  const { gaze, valid, lost } = atCentres(clock.centres, times, values);
  if (lost === valid.length) {
    throw new UserError(
      `Cannot use "${series.path}" of "${file.path}": no frame has an eye position. Frames are at ${clock.starts[0]} to ` +
        `${clock.ends.at(-1)} s, samples at ${times[0]} to ${times.at(-1)} s`,
      { hint: "Do without with --eye none, or choose another series with --eye." },
    );
  }
  const isDegrees = isRadians || (unit !== undefined && /^(deg|°)/i.test(unit));
  return {
    path: series.path,
    unit: isDegrees ? "degrees" : (unit ?? null),
    columns: [
      ["eyepos", memoryColumn({ dtype: "float64", shape: [valid.length, 2], data: gaze })],
      ["dpi_valid", frameColumn(valid)],
    ],
    warnings: [
      ...(isDegrees ? [] : [`the eye position is in ${unit ?? "no stated unit"}, not in degrees: it is kept as it is`]),
      ...(lost === 0 ? [] : [`${lost} of ${valid.length} frames have no eye position and do not count as tracked`]),
    ],
  };
}

function chooseSeries(file: NwbFile, wanted: string | undefined): NwbSeries | undefined {
  if (wanted === "none") return undefined;
  const known = file.eyePositions();
  if (wanted !== undefined) return file.series(wanted, known);
  if (known.length < 2) return known[0];
  throw new UserError(`"${file.path}" has ${known.length} series of eye position`, {
    hint: `Choose one with --eye: ${known.map(({ path }) => path).join(", ")}, or none.`,
  });
}

function sampleTimes(file: NwbFile, series: NwbSeries): Float64Array {
  const { path, shape } = series;
  const times = file.times(series);
  const refuse = (what: string) => new UserError(`Cannot use "${path}" of "${file.path}" as eye position: ${what}`);
  if (shape.length !== 2 || shape[1] !== 2 || shape[0] !== times.length) {
    throw refuse(`its shape is [${shape.join(", ")}] with ${times.length} times, expected [samples, 2]`);
  }
  const wrong = times.findIndex((time, i) => !Number.isFinite(time) || (i > 0 && time < times[i - 1]!));
  if (wrong >= 0) {
    const before = wrong === 0 ? "" : `, after ${times[wrong - 1]} s`;
    throw refuse(`the time of sample ${wrong} (counted from 0) is ${times[wrong]} s${before}; times must ascend`);
  }
  return times;
}

function atCentres(
  centres: Float64Array,
  times: Float64Array,
  values: Float64Array,
): { gaze: Float64Array; valid: Float64Array; lost: number } {
  const gaze = new Float64Array(2 * centres.length);
  const valid = new Float64Array(centres.length);
  const steps = times.subarray(1).map((time, i) => time - times[i]!);
  const longest = GAP * (steps.sort()[steps.length >> 1] ?? 0);
  let before = 0;
  for (const [frame, time] of centres.entries()) {
    while (before + 2 < times.length && times[before + 1]! <= time) before++;
    const step = times[before + 1]! - times[before]!;
    const share = (time - times[before]!) / step;
    const at = [0, 1].map((axis) => {
      const [a, b] = [values[2 * before + axis]!, values[2 * before + 2 + axis]!];
      return a + share * (b - a);
    });
    if (!(share >= 0 && share <= 1 && step <= longest && at.every(Number.isFinite))) continue;
    gaze.set(at, 2 * frame);
    valid[frame] = 1;
  }
  // Where it was lost gaze stays where it was last seen, before that where it is first seen: features that look across
  // frames must not turn into NaN, nor see a jump that was none.
  let seen = valid.indexOf(1);
  for (let frame = 0; frame < valid.length; frame++) {
    if (valid[frame] === 1) seen = frame;
    else if (seen >= 0) gaze.copyWithin(2 * frame, 2 * seen, 2 * seen + 2);
  }
  return { gaze, valid, lost: valid.filter((flag) => flag === 0).length };
}
