/**
 * @file Golden samples: served items, times to frames, storage modes and grouped batches (data specification, sections
 * 11 to 13).
 */
import { castArray } from "../data/cast.ts";
import { sampleContrasts } from "../data/curriculum.ts";
import type { KeysLags } from "../data/lags.ts";
import { groupBySession, sessionOffsets } from "../data/samplers.ts";
import { decodeStimulus, SampleSet } from "../data/samples.ts";
import { timeEmbedding } from "../data/time-embedding.ts";
import { framesAtTimes } from "../data/times.ts";
import type { DType, NdArray } from "../formats/array.ts";
import { type PreparedCase, prepareGolden } from "./data-prepare.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

/** A step of float16 for a number and for the median it is divided by. */
const FLOAT16_TOLERANCE = { atol: 1e-4, rtol: 2e-3 };
const BEHAVIOR_TOLERANCE = { atol: 1e-5, rtol: 1e-4 };

/** Prepares golden sessions once each. */
function preparedSessions(folder: string): (id: string) => ReturnType<typeof prepareGolden> {
  const { cases } = readGolden<{ cases: PreparedCase[] }>(folder, "prepared").json;
  const done = new Map<string, ReturnType<typeof prepareGolden>>();
  return (id) => {
    const known = done.get(id);
    if (known !== undefined) return known;
    const prepared = prepareGolden(folder, cases.find((given) => given.id === id)!);
    done.set(id, prepared);
    return prepared;
  };
}

interface ServedCase {
  id: string;
  dataset: string;
  index_kind: "int" | "slice" | "list" | "tensor";
  index: number | number[];
  outputs: Record<string, { dtype: DType }>;
  status: string;
  keys_lags?: KeysLags;
  per_type_indices?: number[][];
}

interface ServedGolden {
  datasets: Record<string, { prefix_in_prepared: string; split: "train" | "val"; keys_lags: KeysLags }>;
  cases: ServedCase[];
}

/** Items for single positions, ranges and lists, and for several lag specifications. */
export function verifyServing(folder: string): CaseResult[] {
  const golden = readGolden<ServedGolden>(folder, "getitem");
  const prepared = preparedSessions(folder);
  return golden.json.cases.map((given) =>
    runCase(`getitem/${given.id}`, (compare) => {
      if (given.status === "quirk") {
        // The reference reads lags before the first frame from the end; ours refuses such samples (fault 12).
        return compare.same(
          "refused",
          isRefused(() => customSamples(prepared("full1").train, given)),
          true,
        );
      }
      const dataset = golden.json.datasets[given.dataset];
      const samples =
        dataset === undefined
          ? customSamples(prepared("full1").train, given)
          : prepared(dataset.prefix_in_prepared)[dataset.split];
      const served = serveGolden(samples, given);
      compare.same("keys", Object.keys(served), Object.keys(given.outputs));
      for (const [key, array] of Object.entries(served)) {
        compareServed(compare, key, array, golden.tensor(`${given.id}/${key}`));
      }
    }),
  );
}

function customSamples({ session, recordings, pixelnorm }: SampleSet, given: ServedCase): SampleSet {
  const frames = given.per_type_indices!;
  return new SampleSet({
    session,
    recordings: recordings.slice(0, frames.length),
    recordingOf: Int32Array.from(frames.flatMap((list, recording) => list.map(() => recording))),
    frameOf: Int32Array.from(frames.flat()),
    keysLags: given.keys_lags!,
    pixelnorm,
  });
}

function serveGolden(samples: SampleSet, { index_kind: kind, index }: ServedCase): Record<string, NdArray> {
  if (typeof index === "number") return samples.serveOne(index);
  if (kind !== "slice") return samples.serve(index);
  const [start, stop] = index as [number, number];
  return samples.serve(Array.from({ length: stop - start }, (_, i) => start + i));
}

function compareServed(compare: Comparison, key: string, actual: NdArray, expected: NdArray): void {
  if (key === "behavior") compare.close(key, actual, expected, BEHAVIOR_TOLERANCE);
  else if (key === "robs" || key === "eyepos" || key === "gaze") compare.close(key, actual, expected);
  else compare.exact(key, actual, expected);
}

function isRefused(attempt: () => unknown): boolean {
  try {
    attempt();
    return false;
  } catch {
    return true;
  }
}

/** Which frame a time lies in. */
export function verifyTimes(folder: string): CaseResult[] {
  const { json } = readGolden<{ prepared: string; times: number[]; expected_pairs: [number, number][] }>(
    folder,
    "inds_from_times",
  );
  return [
    runCase("inds_from_times", (compare) => {
      const { recordings } = preparedSessions(folder)(json.prepared).train;
      const { recordingOf, frameOf } = framesAtTimes(recordings, json.times);
      compare.exact(
        "recordings",
        recordingOf,
        json.expected_pairs.map(([recording]) => recording),
      );
      compare.exact(
        "frames",
        frameOf,
        json.expected_pairs.map(([, frame]) => frame),
      );
    }),
  ];
}

/** Whole series with their history, oldest frame first. */
export function verifyTimeEmbedding(folder: string): CaseResult[] {
  const golden = readGolden<{ num_lags: number; blocks: [number, number][] }>(folder, "time_embedding");
  const { num_lags: lags, blocks } = golden.json;
  return [
    runCase("time_embedding", (compare) => {
      for (const name of ["x2", "x4"]) {
        compare.exact(name, timeEmbedding(golden.tensor(name), lags), golden.tensor(`${name}_embedded`));
      }
      compare.exact("stretches", timeEmbedding(golden.tensor("ds_stim"), lags, blocks), golden.tensor("ds_out_stim"));
    }),
  ];
}

/** Contrast of every training sample's own frame. The reference computes in float16. */
function verifyContrasts(golden: GoldenFile<unknown>, sets: ReadonlyMap<string, SampleSet>): CaseResult[] {
  return [...sets.keys()].map((session, number) =>
    runCase(`datamodule/contrast/${session}`, (compare) => {
      const all = sampleContrasts([...sets.values()]);
      const offsets = sessionOffsets([...sets.values()].map(({ length }) => length));
      const own = all.subarray(offsets[number], offsets[number + 1]);
      compare.close("contrasts", own, golden.tensor(`contrast/${session}/per_sample_corrected`), FLOAT16_TOLERANCE);
    }),
  );
}

interface DataModuleGolden {
  collate: { global_indices: number[]; lengths: number[]; groups_dataset_idx: number[][] };
  served: { mode: "uint8" | "bfloat16" | "float32"; session: string; item: number; n_train: number; n_val: number }[];
}

/** Items in the three storage modes, grouped batches and the conversion of grey levels. */
export function verifyDataModule(folder: string): CaseResult[] {
  const golden = readGolden<DataModuleGolden>(folder, "datamodule");
  const prepared = preparedSessions(folder);
  const sessions = new Map([
    ["Syn_2020-01-01", "full0"],
    ["Syn_2020-01-02", "full1"],
  ]);
  const { collate, served } = golden.json;
  return [
    ...served.map(({ mode, session, item, n_train, n_val }) =>
      runCase(`datamodule/served/${mode}/${session}`, (compare) => {
        const { train, val } = prepared(sessions.get(session)!);
        compare.same("sizes", [train.length, val.length], [n_train, n_val]);
        for (const [key, array] of Object.entries(train.serveOne(item))) {
          // History stays float32 in every mode of the reference; ours stores all keys once and casts when served.
          const dtype = mode === "bfloat16" && key !== "history" ? "bfloat16" : "float32";
          const expected = golden.tensor(`${mode}/${session}/item${item}/${key}`);
          if (dtype === "bfloat16" && key === "behavior") {
            compare.close(key, castArray(array, dtype), expected, { atol: 1e-5, rtol: 2 ** -8 });
          } else compareServed(compare, key, castArray(array, dtype), expected);
        }
      }),
    ),
    runCase("datamodule/collate", (compare) => {
      const groups = groupBySession(collate.global_indices, sessionOffsets(collate.lengths));
      groups.forEach(({ session, local }, group) => {
        compare.exact(
          `group ${group}`,
          local.map(() => session),
          collate.groups_dataset_idx[group]!,
        );
        const samples = prepared(session === 0 ? "full0" : "full1").train;
        for (const [key, array] of Object.entries(samples.serve(local))) {
          compareServed(compare, key, array, golden.tensor(`collate/${group}/${key}`));
        }
      });
    }),
    ...(["float32", "bfloat16"] as const).flatMap((dtype) =>
      [true, false].map((pixelnorm) =>
        runCase(`datamodule/cast_stim/${dtype}/${pixelnorm ? "normalise" : "plain"}`, (compare) => {
          const stim = castArray(decodeStimulus(golden.tensor("cast_stim/in"), pixelnorm), dtype);
          compare.exact("stim", stim, golden.tensor(`cast_stim/${dtype}/${pixelnorm ? "normalise" : "plain"}`));
        }),
      ),
    ),
    ...verifyContrasts(golden, new Map([...sessions].map(([name, id]) => [name, prepared(id).train]))),
  ];
}
