/**
 * @file Golden sessions, prepared completely (data specification, section 5).
 */

import { parseSessionConfig, type SessionConfig } from "../config/session.ts";
import { toFloat32 } from "../data/column.ts";
import { type PreparedSession, prepareSession } from "../data/prepare.ts";
import { decodeStimulus, type SampleSet } from "../data/samples.ts";
import type { NdArray } from "../formats/array.ts";
import { goldenSession } from "./data-sessions.ts";
import { type CaseResult, readGolden, runCase } from "./golden.ts";

/** A golden session configuration and what came of it. */
export interface PreparedCase {
  id: string;
  session: string;
  types: string[];
  strict: boolean;
  cids: number[];
  behavior_dim: number | null;
  keys_lags_after: Record<string, number | number[]>;
  outputs: Record<string, Record<string, { dtype: string }>>;
  config: Record<string, unknown>;
}

/** Results of the reference that are float32 sums in an unknown order. */
const TOLERANCE = { atol: 1e-5, rtol: 1e-4 };

/** Three configurations: two with everything, one without datafilters and with a type that does not exist. */
export function verifyPreparation(folder: string): CaseResult[] {
  const golden = readGolden<{ cases: PreparedCase[] }>(folder, "prepared");
  return golden.json.cases.map((given) =>
    runCase(`prepared/${given.id}`, (compare) => {
      const prepared = prepareGolden(folder, given);
      compare.same("types", prepared.config.types, given.types);
      compare.same("keys_lags", prepared.config.keys_lags, given.keys_lags_after);
      compare.same("behavior_dim", prepared.behaviorDim, given.behavior_dim ?? 0);
      compare.same("cids", prepared.cids, given.cids);
      for (const part of ["train", "val"] as const) {
        compare.exact(`${part} samples`, pairs(prepared[part]), golden.tensor(`${given.id}/${part}_inds`));
      }
      for (const recording of prepared.train.recordings) {
        for (const [key, { dtype }] of Object.entries(given.outputs[recording.type]!)) {
          const actual = asServed(key, recording.get(key), prepared.train, dtype);
          const expected = golden.tensor(`${given.id}/${recording.type}/${key}`);
          compare.same(`${recording.type} ${key} element type`, actual.dtype, dtype);
          if (key === "behavior" || key === "robs") {
            compare.close(`${recording.type} ${key}`, actual, expected, TOLERANCE);
          } else if (/float/.test(dtype) && key !== "stim" && key !== "dfs") {
            compare.close(`${recording.type} ${key}`, actual, expected);
          } else compare.exact(`${recording.type} ${key}`, actual, expected);
        }
      }
    }),
  );
}

/** Stimuli, counts and masks stay uint8 in our recordings; the reference's are float32 but for a stimulus without transform. */
function asServed(key: string, array: NdArray, { pixelnorm }: SampleSet, dtype: string): NdArray {
  if (key === "robs" || key === "dfs") return toFloat32(array);
  return key === "stim" && dtype === "float32" ? decodeStimulus(array, pixelnorm) : array;
}

function pairs({ recordingOf, frameOf, length }: SampleSet): NdArray {
  const data = new Int32Array(2 * length);
  for (let i = 0; i < length; i++) data.set([recordingOf[i]!, frameOf[i]!], 2 * i);
  return { dtype: "int32", shape: [length, 2], data };
}

/** Prepares a golden configuration, keeping every key. */
export function prepareGolden(folder: string, given: PreparedCase): PreparedSession {
  return prepareSession(goldenConfig(given), {
    session: goldenSession(folder, given.session),
    keepKeys: Object.values(given.outputs).flatMap((keys) => Object.keys(keys)),
    lenient: !given.strict,
  });
}

function goldenConfig({ id, config }: PreparedCase): SessionConfig {
  // Written into the configuration by the reference's preparation.
  const { behavior_dim, ...written } = config;
  const types = written.types as string[];
  // The reference removed the type that does not exist from the configuration it was given.
  return parseSessionConfig(id === "nofilters" ? { ...written, types: [...types, "nosuchtype"] } : written);
}
