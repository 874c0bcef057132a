import { describe, expect, test } from "vitest";
import type { PreparedSession } from "../data/prepare.ts";
import { Recording } from "../data/recording.ts";
import { SampleSet } from "../data/samples.ts";
import type { NdArray } from "../formats/array.ts";
import type { ModelSession } from "./model-info.ts";
import { checkSessionFits, dataConfig, describeSession, inputShape } from "./session-fit.ts";
import { tinySession } from "./tiny-run.fake.ts";

const NAME = "Allen_2022-02-16";
const prepared = tinySession(NAME);
const expected = describeSession(prepared);
const file = { path: "twin.safetensors", input: inputShape(prepared) };

/** The session with a column replaced. */
function withColumn(key: string, change: (array: NdArray) => NdArray, metadata = {}): PreparedSession {
  const source = prepared.train.recordings[0]!;
  const columns = source
    .keys()
    .map((name) => [name, name === key ? change(source.get(name)) : source.get(name)] as const);
  const recording = new Recording("gaborium", columns, metadata, NAME);
  const set = (samples: SampleSet) => new SampleSet({ ...samples, recordings: [recording] });
  return { ...prepared, train: set(prepared.train), val: set(prepared.val) };
}

function refusal(other: PreparedSession, session: ModelSession = expected): string {
  try {
    checkSessionFits(file, session, other);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

describe("describeSession()", () => {
  test("notes the frame rate of the recordings, and that of down-sampling first", () => {
    expect(expected.frameRate).toBeNull();
    const at240 = withColumn("robs", (robs) => robs, { rate_hz: 240 });
    expect(describeSession(at240).frameRate).toBe(240);
    const sampling = { source_rate: 240, target_rate: 120 };
    expect(describeSession({ ...at240, config: { ...at240.config, sampling } }).frameRate).toBe(120);
  });

  test("notes that float stimuli are not normalised when they are served", () => {
    const floats = withColumn("stim", ({ shape, data }) => ({
      dtype: "float32",
      shape,
      data: Float32Array.from(data as Uint8Array),
    }));
    expect(describeSession(floats).stimulus).toEqual({
      dtype: "float32",
      channels: 1,
      height: 9,
      width: 9,
      pixelnorm: false,
    });
  });
});

describe("checkSessionFits()", () => {
  test("accepts the data a session was described by, and data of which the file knows nothing", () => {
    checkSessionFits(file, expected, prepared);
    const nothing = { cids: null, config: null, stimulus: null, behaviorDim: null };
    checkSessionFits({ ...file, input: null }, { ...expected, ...nothing }, { ...prepared, behaviorDim: 7 });
  });

  test("names other units", () => {
    expect(refusal({ ...prepared, cids: [0, 10, 21] })).toBe(
      `Cannot use session "${NAME}" with "twin.safetensors": it has units 0, 10, 21, the file expects 0, 10, 20`,
    );
    const many = Array.from({ length: 40 }, (_, unit) => unit);
    expect(refusal({ ...prepared, cids: many })).toContain(
      "units 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (40 in all), the",
    );
  });

  test("names other lags", () => {
    const lags = (stim: number[]) => prepared.train.withLags({ ...prepared.config.keys_lags, stim });
    expect(refusal({ ...prepared, train: lags([0, 1, 2]) })).toContain(
      "it has stim at lags 0, 1, 2, the file expects lags 0, 1, 2, 3, 4, 5",
    );
    const noStimulus = prepared.train.withLags({ robs: 0, dfs: 0 });
    expect(refusal({ ...prepared, train: noStimulus })).toContain("it has no stim, the file expects lags 0, 1,");
  });

  test("names another frame size, also for a session whose stimuli are not described", () => {
    const half = (stim: NdArray): NdArray => {
      const frames = stim.shape[0]!;
      return { dtype: "uint8", shape: [frames, 1, 9, 6], data: new Uint8Array(frames * 54) };
    };
    const message = "it has stimuli of 9 x 6 pixels, the file expects 9 x 9";
    expect(refusal(withColumn("stim", half))).toContain(message);
    expect(refusal(withColumn("stim", half), { ...expected, stimulus: null })).toContain(message);
  });

  test("names another width of behaviour, and everything else that differs", () => {
    expect(refusal({ ...prepared, cids: [1], behaviorDim: 4 })).toBe(
      `Cannot use session "${NAME}" with "twin.safetensors": it has units 1, the file expects 0, 10, 20; ` +
        "it has 4 behaviour values per frame, the file expects 0",
    );
  });
});

test("dataConfig() refuses a session whose preparation is not known", () => {
  expect(dataConfig(expected, "twin.safetensors")).toBe(prepared.config);
  expect(() => dataConfig({ ...expected, config: null }, "twin.safetensors")).toThrow(
    `Cannot prepare session "${NAME}" of "twin.safetensors": the file does not say how its data are prepared`,
  );
});
