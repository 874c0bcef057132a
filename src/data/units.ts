/**
 * @file Which units of a recording a session uses, and which frames any of them can use (data specification, section 9).
 */
import { UserError } from "../errors.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import { isNdArray } from "./json-metadata.ts";
import type { Recording } from "./recording.ts";

/** Metadata keys that name the unit behind each column, newest first. */
const ID_KEYS = ["cluster_ids", "all_cids"];

/**
 * Columns of `robs` that hold the units `cids`, in that order.
 *
 * Recordings whose metadata names the unit of every column (`cluster_ids`, formerly `all_cids`) are looked up by name;
 * in others a unit is the position of its column, from 0.
 *
 * @throws UserError for units the recording does not have
 */
export function unitColumns(recording: Recording, cids: readonly number[]): Int32Array {
  const units = recording.column("robs").shape[1] ?? 0;
  const ids = unitIds(recording, units);
  const columnOf = ids === undefined ? undefined : new Map(ids.map((id, column) => [id, column]));
  const columns = cids.map((cid) => (columnOf === undefined ? cid : (columnOf.get(cid) ?? -1)));
  const unknown = cids.filter((_, i) => !(Number.isInteger(columns[i]) && columns[i]! >= 0 && columns[i]! < units));
  if (unknown.length === 0) return Int32Array.from(columns);
  const named = columnOf === undefined ? `units 0 to ${units - 1}` : `${units} units named ${ids!.join(", ")}`;
  throw new UserError(
    `Cannot select ${unknown.length === 1 ? "unit" : "units"} ${unknown.join(", ")} of recording "${recording.name}": it has ${named}`,
    { hint: "Correct the session's cids." },
  );
}

/** Id of the unit in every column of `robs`: as its metadata says, else the position. */
export function unitNames(recording: Recording, units: number): readonly number[] {
  return unitIds(recording, units) ?? Array.from({ length: units }, (_, column) => column);
}

function unitIds(recording: Recording, units: number): number[] | undefined {
  const key = ID_KEYS.find((name) => recording.metadata[name] !== undefined);
  if (key === undefined) return undefined;
  const value = recording.metadata[key];
  const ids = isNdArray(value) ? [...toFloat64(value)] : value;
  if (Array.isArray(ids) && ids.length === units && ids.every((id) => Number.isInteger(id))) return ids;
  throw new UserError(
    `Cannot use ${key} of recording "${recording.name}": expected ${units} whole numbers, one per column of robs`,
  );
}

/** Frames in which any column of a mask `[frames, 1 or units]` is not zero, ascending. */
export function validRows(mask: NdArray): Int32Array {
  const [frames, columns] = mask.shape as [number, number];
  const rows: number[] = [];
  for (let t = 0; t < frames; t++) {
    for (let column = t * columns; column < (t + 1) * columns; column++) {
      if (mask.data[column] === 0) continue;
      rows.push(t);
      break;
    }
  }
  return Int32Array.from(rows);
}
