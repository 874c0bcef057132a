import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadDatasetConfigs } from "../../config/dataset.ts";
import { openRecording } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { type TypedArray, toFloat64 } from "../../formats/array.ts";
import { writeNpy } from "../../formats/npy.ts";
import { type ConvertNpyOptions, convertNpy } from "./npy.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "convert-npy-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const DTYPES = {
  Float32Array: "float32",
  Float64Array: "float64",
  Uint8Array: "uint8",
  BigInt64Array: "int64",
} as const;

/** Writes a .npy file in the test's folder; the element type is that of the data. */
function npy(name: string, shape: number[], data: TypedArray): string {
  const path = join(folder, name);
  writeNpy(path, { dtype: DTYPES[data.constructor.name as keyof typeof DTYPES], shape, data });
  return path;
}

/** A flicker of 12 frames and 2 units, in 4 trials. */
function flicker(changes: Partial<ConvertNpyOptions> = {}): ConvertNpyOptions {
  return {
    stim: npy(
      "stim.npy",
      [12],
      Float32Array.from({ length: 12 }, (_, t) => (t % 2 ? 0.48 : -0.48)),
    ),
    robs: npy(
      "robs.npy",
      [12, 2],
      Uint8Array.from({ length: 24 }, (_, i) => i % 3),
    ),
    frameSeconds: 0.01,
    trials: { kind: "length", frames: 3 },
    session: "Rgc_2004-01-01",
    type: "flicker",
    out: join(folder, "data"),
    ...changes,
  };
}

function column(options: ConvertNpyOptions, key: string) {
  return openRecording(join(options.out, options.session), options.type)!.get(key);
}

/** Message and hint of the error that a conversion ends in. */
function failure(options: ConvertNpyOptions): string {
  try {
    convertNpy(options);
  } catch (error) {
    if (error instanceof UserError) return `${error.message} ${error.hint}`;
    throw error;
  }
  throw new Error("the conversion succeeded");
}

describe("convertNpy()", () => {
  test("stores a flicker of one pixel as float32 frames, with counts, trials and times", () => {
    const options = flicker();
    const done = convertNpy(options);
    expect(done).toMatchObject({ frames: 12, height: 1, width: 1, units: 2, trials: 4, warnings: [] });
    const stim = column(options, "stim");
    expect([stim.dtype, stim.shape]).toEqual(["float32", [12, 1, 1]]);
    expect(stim.data[1]).toBe(Math.fround(0.48));
    const robs = column(options, "robs");
    expect([robs.dtype, robs.shape, [...toFloat64(robs)].slice(0, 4)]).toEqual(["float32", [12, 2], [0, 1, 2, 0]]);
    expect([...toFloat64(column(options, "trial_inds"))]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    expect(toFloat64(column(options, "t_bins"))[1]).toBeCloseTo(0.015, 12);
  });

  test("writes files that load as a dataset, split by time", () => {
    const path = join(folder, "rgc.yaml");
    convertNpy(flicker({ datasetConfig: { path, lags: 2, splitBy: "time", trainFraction: 0.75 } }));
    const [session] = loadDatasetConfigs(path).sessions;
    expect(session).toMatchObject({
      session: "Rgc_2004-01-01",
      data_dir: join(folder, "data"),
      types: ["flicker"],
      cids: [0, 1],
      split_by: "time",
      train_val_split: 0.75,
      keys_lags: { robs: 0, stim: [0, 1], dfs: 0 },
    });
    expect(readFileSync(path, "utf8")).not.toContain("pixelnorm");
  });

  test("averages images down, transposes responses and keeps mean responses as they are", () => {
    const images = Uint8Array.from({ length: 3 * 4 * 4 }, (_, i) => (i * 5) % 256);
    const means = Float64Array.from([0.1, 0.2, 0.3, 1.1, 1.2, 1.3]);
    const path = join(folder, "v4.yaml");
    const options = flicker({
      stim: npy("images.npy", [3, 4, 4], images),
      robs: npy("means.npy", [2, 3], means),
      robsAxes: "nt",
      trials: { kind: "frame" },
      height: 2,
      width: 2,
      datasetConfig: { path, lags: 3, splitBy: "trial", trainFraction: 0.5 },
    });
    convertNpy(options);
    const stim = column(options, "stim");
    expect([stim.dtype, stim.shape]).toEqual(["uint8", [3, 2, 2]]);
    // Rows 0 and 1 hold 0 5 10 15 and 20 25 30 35: the first block is the mean of 0, 5, 20, 25, rounded.
    expect(stim.data[0]).toBe(13);
    const robs = column(options, "robs");
    expect([robs.dtype, robs.shape, [...toFloat64(robs)]]).toEqual(["float64", [3, 2], [0.1, 1.1, 0.2, 1.2, 0.3, 1.3]]);
    const [session] = loadDatasetConfigs(path).sessions;
    expect(session!.keys_lags.stim).toEqual([0, 0, 0]);
    expect(session!.datafilters.dfs!.ops).toEqual([]);
    expect(session!.transforms.stim!.ops[0]).toEqual({ pixelnorm: {} });
  });

  test("adds sessions and their validation trials to an existing dataset file", () => {
    const path = join(folder, "both.yaml");
    const datasetConfig = { path, lags: 2, splitBy: "time", trainFraction: 0.8 } as const;
    convertNpy(flicker({ datasetConfig }));
    convertNpy(flicker({ datasetConfig, session: "Rgc_2004-01-02", valTrials: "1,3", cids: [1] }));
    const { sessions } = loadDatasetConfigs(path);
    expect(sessions.map(({ session }) => session)).toEqual(["Rgc_2004-01-01", "Rgc_2004-01-02"]);
    expect(sessions[1]).toMatchObject({ val_trials: [1, 3], cids: [1], split_by: "trial" });
    expect(sessions[0]!.split_by).toBe("time");
  });

  test("refuses to mix grey levels with floats in one dataset file", () => {
    const datasetConfig = { path: join(folder, "d.yaml"), lags: 1, splitBy: "time", trainFraction: 0.8 } as const;
    convertNpy(flicker({ datasetConfig }));
    const stim = npy(
      "grey.npy",
      [12],
      new Uint8Array(12).map((_, t) => t * 20),
    );
    expect(failure(flicker({ datasetConfig, stim, session: "B_1" }))).toContain(
      "its stimuli are floating-point, these",
    );
  });

  test("takes trial numbers and validation trials from files", () => {
    const trials = npy("trials.npy", [12], BigInt64Array.from([7, 7, 7, 7, 9, 9, 9, 9, 12, 12, 12, 12], BigInt));
    const options = flicker({
      trials: { kind: "file", path: trials },
      valTrials: npy("val.npy", [1], Float64Array.of(9)),
    });
    expect(convertNpy(options).trials).toBe(3);
    expect(readFileSync(join(options.out, "sessions", "Rgc_2004-01-01.yaml"), "utf8")).toContain("val_trials: [9]");
  });

  test("warns about stimuli in unexpected units and silent units", () => {
    const stim = npy(
      "large.npy",
      [12],
      new Float32Array(12).map((_, t) => t * 20),
    );
    const robs = npy(
      "silent.npy",
      [12, 2],
      new Uint8Array(24).map((_, i) => i % 2),
    );
    const { warnings } = convertNpy(flicker({ stim, robs }));
    expect(warnings[0]).toContain("ranges from 0 to 220");
    expect(warnings[1]).toContain("unit 0.");
  });
});

describe("convertNpy() refuses", () => {
  test("responses of another length, and tells when they are transposed", () => {
    const robs = npy("t.npy", [2, 12], new Float32Array(24));
    expect(failure(flicker({ robs }))).toContain("responses to 2 frames, but the stimulus has 12 frames");
    expect(failure(flicker({ robs }))).toContain("--robs-axes nt");
  });

  test("NaN and negative responses, with their place", () => {
    const nan = npy("nan.npy", [12, 2], new Float32Array(24).fill(Number.NaN, 5, 6));
    expect(failure(flicker({ robs: nan }))).toContain("response in frame 2, unit 1 (counted from 0) is NaN");
    const negative = npy("neg.npy", [12, 2], new Float32Array(24).fill(-1, 4, 5));
    expect(failure(flicker({ robs: negative }))).toContain("frame 2, unit 0 (counted from 0) is -1");
  });

  test("stimuli that are not numbers", () => {
    const stim = npy("inf.npy", [12], new Float32Array(12).fill(Number.POSITIVE_INFINITY, 3, 4));
    expect(failure(flicker({ stim }))).toContain("frame 3 (counted from 0) has a pixel that is Infinity");
  });

  test("files that are missing, folders, or not .npy", () => {
    expect(failure(flicker({ stim: join(folder, "nothing.npy") }))).toContain("nothing.npy");
    expect(failure(flicker({ robs: folder }))).toContain("it is a folder");
    const text = join(folder, "text.npy");
    writeFileSync(text, "these are not numbers");
    expect(failure(flicker({ robs: text }))).toContain("not an .npy file");
  });

  test("axes that do not fit", () => {
    expect(failure(flicker({ stimAxes: "hw" }))).toContain('"t" is missing');
    expect(failure(flicker({ stimAxes: "tx" }))).toContain('no axis "x"');
    expect(failure(flicker({ robsAxes: "t" }))).toContain("these are 1, the file has 2");
  });

  test("enlarging", () => {
    expect(failure(flicker({ height: 3 }))).toContain("down to 3 x 1 pixels: they have 1 x 1");
  });

  test("unknown units and trials, and a single trial that would have to be split", () => {
    expect(failure(flicker({ cids: [0, 2] }))).toContain("Cannot keep unit 2");
    expect(failure(flicker({ valTrials: "2-5" }))).toContain("no such trial");
    expect(failure(flicker({ valTrials: "some" }))).toContain('Cannot read "some"');
    const datasetConfig = { path: join(folder, "d.yaml"), lags: 1, splitBy: "time", trainFraction: 0.8 } as const;
    expect(failure(flicker({ trials: { kind: "length", frames: 99 }, datasetConfig }))).toContain("split one trial");
  });

  test("trial files with repeated or fractional numbers", () => {
    const again = npy("again.npy", [12], Float64Array.from([0, 0, 0, 1, 1, 1, 0, 0, 0, 2, 2, 2]));
    expect(failure(flicker({ trials: { kind: "file", path: again } }))).toContain(
      "trial 0 starts a second time in frame 6",
    );
    const half = npy("half.npy", [12], new Float64Array(12).fill(0.5));
    expect(failure(flicker({ trials: { kind: "file", path: half } }))).toContain("frame 0 has 0.5");
  });

  test("names that would leave the folder, before anything is written", () => {
    expect(failure(flicker({ session: "../escape" }))).toContain("--session");
    expect(existsSync(join(folder, "data"))).toBe(false);
  });
});
