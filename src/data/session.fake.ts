/**
 * @file Small invented sessions in memory, for the tests of this folder.
 */
import { parseSessionConfig, type SessionConfig } from "../config/session.ts";
import type { NdArray } from "../formats/array.ts";
import { MersenneTwister } from "./random.ts";
import { Recording } from "./recording.ts";
import type { Session } from "./session.ts";

/** Shape of a {@link fakeRecording}. */
export interface FakeOptions {
  frames?: number;
  units?: number;
  /** Frames per trial. */
  trialLength?: number;
  seed?: number;
  metadata?: Record<string, unknown>;
}

/**
 * A recording of 4×3 images, three units and trials of 50 frames: random grey levels, counts from 0 to 3, a smooth eye
 * trace, tracking always valid.
 */
export function fakeRecording(
  type: string,
  { frames = 300, units = 3, trialLength = 50, seed = 1, metadata = {} }: FakeOptions = {},
): Recording {
  const random = new MersenneTwister(seed);
  const columns: [string, NdArray][] = [
    ["t_bins", float64([frames], (t) => t / 240)],
    ["trial_inds", float64([frames], (t) => Math.floor(t / trialLength))],
    ["stim", { dtype: "uint8", shape: [frames, 4, 3], data: new Uint8Array(frames * 12).map(() => random.next()) }],
    [
      "robs",
      { dtype: "float32", shape: [frames, units], data: new Float32Array(frames * units).map(() => random.next() % 4) },
    ],
    ["eyepos", float64([frames, 2], (i) => Math.sin(i / 20))],
    ["dpi_valid", float64([frames], () => 1)],
  ];
  return new Recording(type, columns, metadata, "Fake_2020-01-01");
}

function float64(shape: number[], value: (i: number) => number): NdArray {
  const length = shape.reduce((product, n) => product * n, 1);
  return { dtype: "float64", shape, data: Float64Array.from({ length }, (_, i) => value(i)) };
}

/** A copy of a recording with some columns replaced or added. */
export function withColumns(recording: Recording, columns: Record<string, NdArray>): Recording {
  const all = new Map([
    ...recording.keys().map((key): [string, NdArray] => [key, recording.get(key)]),
    ...Object.entries(columns),
  ]);
  return new Recording(recording.type, all, recording.metadata, recording.session);
}

/** A session of recordings that are in memory. */
export function fakeSession(...recordings: Recording[]): Session {
  return {
    name: "Fake_2020-01-01",
    open: (type) => recordings.find((recording) => recording.type === type) ?? null,
    types: () => recordings.map(({ type }) => type),
    missingPct: undefined,
  };
}

/** Configuration of a session with nine lags and eye position as behaviour. */
export function fakeConfig(overrides: Record<string, unknown> = {}): SessionConfig {
  return parseSessionConfig({
    session: "Fake_2020-01-01",
    types: ["gaborium"],
    cids: [0, 1, 2],
    keys_lags: { robs: 0, stim: [0, 1, 2, 3, 4, 5, 6, 7, 8], behavior: 0, dfs: 0 },
    transforms: {
      stim: { ops: [{ pixelnorm: {} }, { unsqueeze: 1 }] },
      gaze: { source: "eyepos", expose_as: "behavior" },
    },
    datafilters: { dfs: { ops: [{ valid_nlags: 8 }, { missing_pct: 45 }] } },
    train_val_split: 0.8,
    ...overrides,
  });
}
