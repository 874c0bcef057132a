/**
 * @file The planted truth of a session, beside its recordings: `truth/units.json` and `truth/filters.safetensors`.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { NdArray } from "../../formats/array.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { makeFolder } from "../../formats/folder.ts";
import { writeSafetensors } from "../../formats/safetensors.ts";
import type { MovieLayout } from "./filter-bank.ts";
import { type PlantedUnit, spatialEnvelope, spatialFilters, temporalKernel } from "./neurons.ts";
import type { SessionSpec } from "./presets.ts";

/** Where a session comes from: everything that its bytes follow from. */
export interface Origin {
  generator: { name: string; version: number; seed: number; preset: string };
  spec: SessionSpec;
}

/**
 * The filters of a population as arrays:
 *
 * | | |
 * | --- | --- |
 * | `receptive_fields` | [units, 2, size, size] Gabor and, for complex cells, its quadrature partner; zero for simple cells |
 * | `normalization_pools` | [units, size, size] where contrast is read; zero for units without normalisation |
 * | `time_kernels` | [units, lags] by lag in frames, most recent first |
 */
export function truthFilters(units: readonly PlantedUnit[], layout: MovieLayout): Map<string, NdArray> {
  const { size, ppd, rateHz } = layout;
  const pixels = size * size;
  const fields = new Float32Array(units.length * 2 * pixels);
  const pools = new Float32Array(units.length * pixels);
  const kernels = units.map((unit) => temporalKernel(unit, rateHz));
  units.forEach((unit, n) => {
    spatialFilters(unit, size, ppd).forEach((filter, k) => {
      fields.set(filter, (2 * n + k) * pixels);
    });
    if (unit.semisaturation !== null) pools.set(spatialEnvelope(unit, size, ppd), n * pixels);
  });
  const lags = kernels[0]?.length ?? 0;
  return new Map([
    ["receptive_fields", { dtype: "float32", shape: [units.length, 2, size, size], data: fields }],
    ["normalization_pools", { dtype: "float32", shape: [units.length, size, size], data: pools }],
    [
      "time_kernels",
      {
        dtype: "float32",
        shape: [units.length, lags],
        data: Float32Array.from(kernels.flatMap((kernel) => [...kernel])),
      },
    ],
  ]);
}

/** Writes the truth of a session into its folder. */
export function writeTruth(folder: string, origin: Origin, units: readonly PlantedUnit[], layout: MovieLayout): void {
  makeFolder(join(folder, "truth"));
  writeSafetensors(join(folder, "truth", "filters.safetensors"), truthFilters(units, layout));
  writeFileAtomic(join(folder, "truth", "units.json"), `${JSON.stringify({ ...origin, units }, null, 1)}\n`);
}

/** Whether a folder holds the truth of a session of just this origin. */
export function hasTruthOf(folder: string, origin: Origin): boolean {
  const path = join(folder, "truth", "units.json");
  if (!existsSync(path)) return false;
  try {
    const { generator, spec } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    return JSON.stringify({ generator, spec }) === JSON.stringify(origin);
  } catch {
    // Not ours, or damaged: the session is made again.
    return false;
  }
}
