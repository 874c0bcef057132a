/**
 * @file The responses of a converted recording: spike counts or mean counts per frame, `[frames, units]`.
 */
import { toFloat32 } from "../../data/column.ts";
import { UserError } from "../../errors.ts";
import { type NdArray, toFloat64 } from "../../formats/array.ts";
import { openNamedAxes } from "./npy-source.ts";

/** Checked responses. */
export interface Responses {
  /** `[frames, units]`; float32 and float64 as they are in the file, other types as float32. */
  readonly array: NdArray;
  /** What the user should look at again, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Reads responses and looks at all of their values.
 *
 * @param axes axes of the file: t (frames), n (units). Default `t` or `tn`, by their number
 * @param frames how many the stimulus has
 * @throws UserError when the file cannot be read, its axes or its length do not fit, or a value is negative or no number
 */
export function readResponses(path: string, axes: string | undefined, frames: number): Responses {
  const array = openNamedAxes(path, { axes, wanted: "tn", flag: "--robs-axes" }).read();
  const [rows, units] = array.shape as [number, number];
  if (rows !== frames) {
    const isTransposed = units === frames && axes === undefined;
    throw new UserError(
      `Cannot use "${path}": it has responses to ${rows} frames, but the stimulus has ${frames} frames`,
      {
        hint: isTransposed
          ? "Its other axis has that length. If units come first, add: --robs-axes nt"
          : "Responses need one row for each frame of the stimulus.",
      },
    );
  }
  const totals = unitTotals(path, array, units);
  const silent = [...totals.keys()].filter((unit) => totals[unit] === 0);
  const isFloat = array.dtype === "float32" || array.dtype === "float64";
  return {
    array: isFloat ? array : toFloat32(array),
    warnings:
      silent.length === 0 ? [] : [`Without any response: unit ${silent.join(", ")}. Leave them out with --cids.`],
  };
}

/** Sum over frames for each unit. */
function unitTotals(path: string, array: NdArray, units: number): Float64Array {
  const values = toFloat64(array);
  const totals = new Float64Array(units);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      const place = `frame ${Math.floor(i / units)}, unit ${i % units} (counted from 0)`;
      throw new UserError(
        `Cannot use "${path}": the response in ${place} is ${value}, expected a count of at least 0`,
        {
          hint: Number.isNaN(value)
            ? "Average over the repeats that exist, or leave out units and frames without data."
            : "Export spike counts, not differences from a baseline or standardised responses.",
        },
      );
    }
    totals[i % units]! += value;
  }
  return totals;
}
