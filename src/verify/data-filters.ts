/**
 * @file Golden recordings, down-sampling and datafilters (data specification, sections 4, 6 and 7).
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type DatafilterOp, DatafilterOpSchema, datafilterOps, normalizeOp } from "../config/ops.ts";
import { memoryColumn } from "../data/column.ts";
import { datafilterMask, fallbackFilter } from "../data/datafilters.ts";
import { binStarts, downsampleColumn } from "../data/downsample.ts";
import { openDset } from "../data/dset.ts";
import { jsonMetadata } from "../data/json-metadata.ts";
import { Recording } from "../data/recording.ts";
import type { NdArray } from "../formats/array.ts";
import { goldenRecording, goldenSession } from "./data-sessions.ts";
import { type CaseResult, readGolden, runCase, skippedCase } from "./golden.ts";

/** Both formats of every recording hold the same arrays and metadata. */
export function verifyRecordings(folder: string): CaseResult[] {
  const raw = join(folder, "raw");
  return readdirSync(raw).flatMap((session) =>
    readdirSync(join(raw, session))
      .filter((file) => file.endsWith(".dset"))
      .map((file) =>
        runCase(`recordings/${session}/${file}`, (compare) => {
          const dset = openDset(join(raw, session, file));
          const own = goldenRecording(folder, session, file.replace(/\.dset$/, ""));
          compare.same("key order", [...dset.covariates.keys()], own.keys());
          compare.same("metadata", jsonMetadata(dset.metadata, file), own.metadata);
          for (const [key, column] of dset.covariates) {
            compare.same(`${key} element type`, column.dtype, own.column(key).dtype);
            compare.exact(key, column.read(), own.get(key));
          }
          dset.close();
        }),
      ),
  );
}

interface DownsampleCase {
  session?: string;
  type: string;
  factor: number;
  inputs?: string;
  prefix: string;
  outputs: Record<string, { dtype: string }>;
}

/** Every key of a recording, down-sampled. */
export function verifyDownsampling(folder: string): CaseResult[] {
  const golden = readGolden<{ cases: DownsampleCase[] }>(folder, "downsample");
  return golden.json.cases.map(({ session, type, factor, inputs, prefix, outputs }) =>
    runCase(`downsample/${prefix.replace(/\/$/, "")}`, (compare) => {
      const recording = session === undefined ? undefined : goldenRecording(folder, session, type);
      for (const [key, { dtype }] of Object.entries(outputs)) {
        const column = recording?.column(key) ?? memoryColumn(golden.tensor(`${inputs}${key}`));
        const actual = downsampleColumn(key, column, binStarts(column.shape[0]!, factor), factor);
        const expected = golden.tensor(`${prefix}${key}`);
        compare.same(`${key} element type`, actual.dtype, dtype);
        if (/float/.test(dtype) && key !== "robs") compare.close(key, actual, expected);
        else compare.exact(key, actual, expected);
      }
    }),
  );
}

interface DatafilterCase {
  id: string;
  session?: string;
  type?: string;
  downsample?: number;
  ops?: unknown[];
  trial_inds?: number[];
  dpi_valid?: (number | "NaN")[];
  n_lags?: number;
}

/** Every datafilter on recordings and on tiny made-up ones. */
export function verifyDatafilters(folder: string): CaseResult[] {
  const golden = readGolden<{ cases: DatafilterCase[] }>(folder, "datafilters");
  return golden.json.cases.map((given) => {
    const { id, ops, n_lags = 0 } = given;
    const name = `datafilters/${id}`;
    if (id.startsWith("legacy_general")) {
      return skippedCase(name, "a second copy of the fallback mask that asks for one more frame (fault 14): left out");
    }
    return runCase(name, (compare) => {
      const filters = ops === undefined ? fallbackFilter(n_lags) : parseDatafilters(ops);
      const mask = datafilterMask(filters, datafilterInputs(folder, given));
      const expected = golden.tensor(id);
      if (!id.startsWith("tiny/wrap_quirk")) return compare.exact("mask", mask, expected);
      // Ours: frame 0 starts a trial even when its number is −1, and looking back never wraps round (fault 13).
      const needed = Number(id.split("/").at(-1));
      const ours = [0, 1, 2, 3, 0, 1, 2, 3, 4].map((run) => (run >= needed ? 1 : 0));
      compare.exact("mask", mask.data as Float32Array, ours);
    });
  });
}

function parseDatafilters(ops: unknown[]): DatafilterOp[] {
  return datafilterOps({ ops: ops.map((op) => DatafilterOpSchema.parse(normalizeOp(op, () => {}))) });
}

function datafilterInputs(folder: string, { session, type, downsample = 1, trial_inds, dpi_valid }: DatafilterCase) {
  if (session === undefined || type === undefined) {
    return {
      frames: trial_inds!.length,
      units: 1,
      trialInds: () => Float64Array.from(trial_inds!),
      dpiValid: () => Float64Array.from(dpi_valid!, Number),
      missingPct: () => new Float64Array(trial_inds!.length),
    };
  }
  const { missingPct } = goldenSession(folder, session);
  const source = goldenRecording(folder, session, type);
  const starts = binStarts(source.length, downsample);
  const recording = new Recording(
    type,
    ["trial_inds", "dpi_valid", "t_bins"].map((key): [string, NdArray] => [
      key,
      downsampleColumn(key, source.column(key), starts, downsample),
    ]),
  );
  return {
    frames: recording.length,
    units: source.column("robs").shape[1]!,
    trialInds: () => recording.numbers("trial_inds"),
    dpiValid: () => recording.numbers("dpi_valid"),
    missingPct: (unit: number) => missingPct!(unit, recording.numbers("t_bins")),
  };
}
