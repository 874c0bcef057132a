/**
 * @file The responses of a converted recording: spike counts or mean counts per frame, `[frames, units]`.
 */
import { toFloat32 } from "../../data/column.ts";
import { UserError } from "../../errors.ts";
import { type NdArray, toFloat64 } from "../../formats/array.ts";
import { type LabelledArray, nameAxes } from "./named-axes.ts";

/** Checked responses. */
export interface Responses {
  /** `[frames, units]`; float32 and float64 as they are in the file, other types as float32. */
  readonly array: NdArray;
  /** What the user should look at again, one sentence each. */
  readonly warnings: readonly string[];
}

/** How to read responses. */
export interface ResponseOptions {
  /** Axes of the array: t (frames), n (units). Default `t` or `tn`, by their number. */
  readonly axes: string | undefined;
  /** Where the user says so, for messages: what comes before the letters. */
  readonly axesOption: string;
  /** How many frames the stimulus has, and what messages call it. */
  readonly frames: number;
  readonly stimulus: string;
}

/**
 * Reads responses and looks at all of their values.
 *
 * @throws UserError when they cannot be read, their axes or their length do not fit, or a value is negative or no number
 */
export function readResponses(source: LabelledArray, options: ResponseOptions): Responses {
  const { axes, axesOption, frames, stimulus } = options;
  const array = nameAxes(source, { axes, wanted: "tn", option: axesOption }).read();
  const [rows, units] = array.shape as [number, number];
  if (rows !== frames) {
    const isTransposed = units === frames && axes === undefined;
    throw new UserError(
      `Cannot use ${source.label}: it has responses to ${rows} frames, but the stimulus has ${frames} frames (${stimulus})`,
      {
        hint: isTransposed
          ? `Its other axis has that length. If units come first, add: ${axesOption} nt`
          : "Responses need one row for each frame of the stimulus.",
      },
    );
  }
  const isFloat = array.dtype === "float32" || array.dtype === "float64";
  return {
    array: isFloat ? array : toFloat32(array),
    warnings: silentUnits(unitTotals(source.label, array, units)),
  };
}

/** A sentence about units whose sum over all frames is 0. */
export function silentUnits(totals: ArrayLike<number>, names?: readonly number[]): string[] {
  const silent = Array.from(totals, (total, unit) => (total === 0 ? (names?.[unit] ?? unit) : -1)).filter(
    (unit) => unit >= 0,
  );
  return silent.length === 0 ? [] : [`Without any response: unit ${silent.join(", ")}. Leave them out with cids.`];
}

/**
 * Makes sure that units exist.
 *
 * @param label what messages call the responses
 * @throws UserError for the first one that does not
 */
export function requireUnits(cids: readonly number[], units: number, label: string): void {
  const unknown = cids.find((unit) => !(Number.isInteger(unit) && unit >= 0 && unit < units));
  if (unknown === undefined) return;
  throw new UserError(`Cannot keep unit ${unknown}: ${label} has ${units} units`, {
    hint: `Units are numbered 0 to ${units - 1} (cids).`,
  });
}

/** Sum over frames for each unit. */
function unitTotals(label: string, array: NdArray, units: number): Float64Array {
  const values = toFloat64(array);
  const totals = new Float64Array(units);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      const place = `frame ${Math.floor(i / units)}, unit ${i % units} (counted from 0)`;
      throw new UserError(`Cannot use ${label}: the response in ${place} is ${value}, expected a count of at least 0`, {
        hint: Number.isNaN(value)
          ? "Average over the repeats that exist, or leave out units and frames without data."
          : "Export spike counts, not differences from a baseline or standardised responses.",
      });
    }
    totals[i % units]! += value;
  }
  return totals;
}
