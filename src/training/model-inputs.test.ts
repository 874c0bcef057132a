import { describe, expect, test } from "vitest";
import { type ModelConfig, parseModelConfig } from "../config/model.ts";
import { parseSessionConfig } from "../config/session.ts";
import { Recording } from "../data/recording.ts";
import { SampleSet } from "../data/samples.ts";
import type { NdArray } from "../formats/array.ts";
import { checkInputsServed, checkInputWidths, inputWarnings } from "./model-inputs.ts";

const model = (change: Record<string, unknown>): ModelConfig =>
  parseModelConfig({ model_type: "v1multi", convnet: { type: "none" }, ...change });

const FILM = model({ modulator: { type: "film", params: { behavior_dim: 4 } } });
const HISTORY = model({ model_type: "v1multi_history", history_encoder: { params: { num_lags: 3 } } });

/** A session as a file serves it. */
function served(keys_lags: Record<string, number | number[]>, file = "data/dataset.yaml") {
  const written = { session: "Allen_2022-02-16", types: ["backimage"], cids: [0, 1], train_val_split: 0.8 };
  return parseSessionConfig({
    ...written,
    keys_lags: { robs: 0, dfs: 0, stim: 0, ...keys_lags },
    _parent_config_path: file,
  });
}

describe("checkInputsServed()", () => {
  const check = (config: ModelConfig, keys_lags: Record<string, number | number[]>, file?: string) => () =>
    checkInputsServed(config, "models/film.yaml", [
      served({ behavior: 0, history: [1, 2, 3] }),
      served(keys_lags, file),
    ]);

  test.each<[string, ModelConfig, Record<string, number | number[]>, string]>([
    [
      "behaviour that is not served",
      FILM,
      {},
      'modulator.type film (models/film.yaml) reads behaviour, but keys_lags (data/dataset.yaml) has no "behavior"',
    ],
    [
      "behaviour at several lags",
      FILM,
      { behavior: [0, 1] },
      'reads the behaviour of one frame, but keys_lags (data/dataset.yaml) has a list of 2 lags for "behavior"',
    ],
    [
      "history that is not served",
      HISTORY,
      {},
      'history_encoder (models/film.yaml) reads spike history at 3 lags, but keys_lags (data/dataset.yaml) has no "history"',
    ],
    [
      "history of another length",
      HISTORY,
      { history: [1, 2, 3, 4, 5] },
      "reads spike history at 3 lags, but keys_lags (data/dataset.yaml) serves it at 5 lags",
    ],
  ])("refuses %s, naming both files and keys", (_, config, keys_lags, message) => {
    expect(check(config, keys_lags)).toThrow('Cannot train on session "Allen_2022-02-16": ');
    expect(check(config, keys_lags)).toThrow(message);
  });

  test("names the key alone for sessions without a file", () => {
    expect(check(FILM, {}, "")).toThrow('reads behaviour, but keys_lags has no "behavior"');
  });

  test("accepts what is served, and models that read nothing", () => {
    expect(check(FILM, { behavior: 0 })).not.toThrow();
    expect(check(HISTORY, { history: [1, 2, 3] })).not.toThrow();
    expect(check(model({}), {})).not.toThrow();
  });
});

describe("checkInputWidths()", () => {
  function prepared(behaviorDim: number, historyUnits: number) {
    const column = (width: number): NdArray => ({
      dtype: "float32",
      shape: [5, width],
      data: new Float32Array(5 * width),
    });
    const recording = new Recording(
      "backimage",
      [
        ["robs", column(2)],
        ["dfs", column(2)],
        ["history", column(historyUnits)],
      ],
      {},
      "a",
    );
    const train = new SampleSet({
      session: "a",
      recordings: [recording],
      recordingOf: new Int32Array(1),
      frameOf: Int32Array.of(4),
      keysLags: { robs: 0, dfs: 0, history: [1, 2, 3] },
      pixelnorm: false,
    });
    return [{ session: "a", behaviorDim, nUnits: 2, train }];
  }

  test("refuses behaviour that is narrower or wider than behavior_dim", () => {
    const check = (width: number) => () => checkInputWidths(FILM, prepared(width, 2));
    expect(check(4)).not.toThrow();
    expect(check(42)).toThrow('session "a": it serves 42 behaviour values, the modulator takes 4');
  });

  test("refuses history of other units than the session keeps", () => {
    const check = (units: number) => () => checkInputWidths(HISTORY, prepared(0, units));
    expect(check(2)).not.toThrow();
    expect(check(7)).toThrow('session "a": its history has 7 units, the session keeps 2 (cids)');
  });
});

describe("inputWarnings()", () => {
  test("says when history holds the spikes to predict", () => {
    expect(inputWarnings(HISTORY, [served({ history: [0, 1, 2] })])).toEqual([
      "Session Allen_2022-02-16: keys_lags.history has lag 0, so that the model sees the spikes it predicts; start at 1",
    ]);
    expect(inputWarnings(HISTORY, [served({ history: [1, 2, 3] })])).toEqual([]);
    expect(inputWarnings(FILM, [served({ behavior: 0 })])).toEqual([]);
  });
});
