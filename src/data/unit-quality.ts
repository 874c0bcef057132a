/**
 * @file How well units were isolated, from the files of spike sorting (data specification, section 3).
 *
 * ```
 * <session>/qc/amp_truncation/truncation.npz   cid [windows], mpcts [windows]: percent of spikes below the threshold
 *           qc/refractory/refractory.npz       min_contam_props [units, periods]: share of spikes of other units
 * ```
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { toFloat64 } from "../formats/array.ts";
import { type NpzFile, openNpz } from "../formats/npz.ts";

/** Quality of a session's units, in the order they were asked for; NaN where nothing is known of one. */
export interface UnitQuality {
  /** Median over the truncation windows, percent, [units]; undefined without the file. */
  readonly missingPct: Float64Array | undefined;
  /** Smallest estimate over the refractory periods, percent, [units]; undefined without the file. */
  readonly contaminationPct: Float64Array | undefined;
}

/** The file of the truncation analysis below a session's folder. */
export function truncationPath(sessionFolder: string): string {
  return join(sessionFolder, "qc", "amp_truncation", "truncation.npz");
}

/**
 * Reads the quality of units.
 *
 * @param cids ids of the units
 * @throws UserError when a file is there and cannot be used
 */
export function readUnitQuality(sessionFolder: string, cids: readonly number[]): UnitQuality {
  return {
    missingPct: readMissingPct(sessionFolder, cids),
    contaminationPct: readContaminationPct(sessionFolder, cids),
  };
}

/** The first part of {@link readUnitQuality}. Throws alike. */
export function readMissingPct(sessionFolder: string, cids: readonly number[]): Float64Array | undefined {
  const path = truncationPath(sessionFolder);
  return existsSync(path) ? reading(path, (file) => medianMissing(file, cids)) : undefined;
}

/** The second part of {@link readUnitQuality}. Throws alike. */
export function readContaminationPct(sessionFolder: string, cids: readonly number[]): Float64Array | undefined {
  const path = join(sessionFolder, "qc", "refractory", "refractory.npz");
  return existsSync(path) ? reading(path, (file) => contamination(file, cids)) : undefined;
}

function reading<Result>(path: string, read: (file: NpzFile) => Result): Result {
  const file = openNpz(path);
  try {
    return read(file);
  } finally {
    file.close();
  }
}

function medianMissing(file: NpzFile, cids: readonly number[]): Float64Array {
  const ids = toFloat64(file.read("cid"));
  const percents = toFloat64(file.read("mpcts"));
  if (ids.length !== percents.length) {
    throw new UserError(
      `Cannot use "${file.path}": ${ids.length} units in cid, ${percents.length} percentages in mpcts`,
    );
  }
  return Float64Array.from(cids, (cid) => median(percents.filter((_, window) => ids[window] === cid)));
}

/** Mean of both central values for even counts; NaN for none. */
function median(values: Float64Array): number {
  const sorted = values.toSorted();
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A row belongs to the unit that `cid` of the file names, or else to the unit of its number. */
function contamination(file: NpzFile, cids: readonly number[]): Float64Array {
  const { shape, ...array } = file.read("min_contam_props");
  const [rows, periods] = shape;
  if (rows === undefined || periods === undefined || shape.length !== 2) {
    throw new UserError(
      `Cannot use "${file.path}": min_contam_props has shape [${shape.join(", ")}], expected [units, periods]`,
    );
  }
  const shares = toFloat64({ shape, ...array });
  const ids = file.names.includes("cid") ? [...toFloat64(file.read("cid"))] : undefined;
  return Float64Array.from(cids, (cid) => {
    const row = ids === undefined ? cid : ids.indexOf(cid);
    if (!(row >= 0 && row < rows)) return Number.NaN;
    const known = shares.subarray(row * periods, (row + 1) * periods).filter((share) => !Number.isNaN(share));
    return known.length === 0 ? Number.NaN : 100 * Math.min(...known);
  });
}
