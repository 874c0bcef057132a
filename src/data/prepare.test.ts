import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";
import { prepareSession } from "./prepare.ts";
import { decodeStimulus, type SampleSet } from "./samples.ts";
import { fakeConfig, fakeRecording, fakeSession, withColumns } from "./session.fake.ts";

/** The error of an attempt that must end in one for the user. */
function userError(attempt: () => unknown): UserError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function float64(shape: number[], value: (i: number) => number): NdArray {
  const length = shape.reduce((product, n) => product * n, 1);
  return { dtype: "float64", shape, data: Float64Array.from({ length }, (_, i) => value(i)) };
}

const session = fakeSession(fakeRecording("gaborium"));

describe("prepareSession()", () => {
  test("gives samples whose window lies in one trial when their filter allows", () => {
    const { train, val } = prepareSession(fakeConfig(), { session, keepKeys: ["trial_inds"] });
    expect(train.length + val.length).toBeGreaterThan(200);
    for (const samples of [train, val]) {
      const trials = samples.recordings[0]!.numbers("trial_inds");
      for (const frame of samples.frameOf) expect(trials[frame - 8]).toBe(trials[frame]);
    }
  });

  test("puts no frame and no trial into both parts", () => {
    const { train, val } = prepareSession(fakeConfig(), { session, keepKeys: ["trial_inds"] });
    const trials = train.recordings[0]!.numbers("trial_inds");
    const trained = new Set(train.frameOf.map((frame) => trials[frame]!));
    expect(trained.size).toBe(4);
    expect([...val.frameOf].filter((frame) => trained.has(trials[frame]!))).toEqual([]);
  });

  test("stores a uint8 stimulus once and serves exactly what float32 storage serves", () => {
    const stored = prepareSession(fakeConfig(), { session }).train;
    // A factor of 1 changes no number but keeps the stimulus from staying uint8.
    const stim = { ops: [{ pixelnorm: {} }, { mul: 1 }, { unsqueeze: 1 }] };
    const { gaze } = fakeConfig().transforms;
    const floats = prepareSession(fakeConfig({ transforms: { stim, gaze } }), { session }).train;
    expect(stored.recordings[0]!.column("stim").dtype).toBe("uint8");
    expect(stored.pixelnorm).toBe(true);
    expect(floats.recordings[0]!.column("stim").dtype).toBe("float32");
    const all = Array.from(stored.frameOf.keys());
    expect(stored.serve(all)).toEqual(floats.serve(all));
  });

  test("keeps served keys and those asked for, nothing else", () => {
    const { train } = prepareSession(fakeConfig(), { session, keepKeys: ["t_bins"] });
    expect(train.recordings[0]!.keys().sort()).toEqual(["behavior", "dfs", "robs", "stim", "t_bins"]);
  });

  test("leaves the configuration and the session as they were", () => {
    const config = fakeConfig({ types: ["gaborium", "gratings"] });
    const before = structuredClone(config);
    const recording = fakeRecording("gaborium");
    prepareSession(config, { session: fakeSession(recording) });
    expect(config).toEqual(before);
    expect(recording.keys()).toEqual(fakeRecording("gaborium").keys());
    expect(recording.get("robs")).toEqual(fakeRecording("gaborium").get("robs"));
  });

  test("drops a type that does not exist with a warning", () => {
    const prepared = prepareSession(fakeConfig({ types: ["gaborium", "gratings"] }), { session });
    expect(prepared.config.types).toEqual(["gaborium"]);
    expect(prepared.droppedTypes).toEqual(["gratings"]);
    expect(prepared.warnings).toEqual(['Session "Fake_2020-01-01": there is no recording of type "gratings"']);
  });

  test("fails when no type exists, and says which do", () => {
    const error = userError(() => prepareSession(fakeConfig({ types: ["gratings"] }), { session }));
    expect(error.message).toContain("it has none of the types gratings");
    expect(error.hint).toBe("It has gaborium.");
  });

  test("leaves out a damaged type when lenient and fails otherwise", () => {
    const broken = new Map([["robs", fakeRecording("gratings").get("robs")]]);
    const mixed = fakeSession(fakeRecording("gaborium"), fakeRecording("gratings").pick(new Set(broken.keys())));
    const config = fakeConfig({ types: ["gaborium", "gratings"] });
    const error = userError(() => prepareSession(config, { session: mixed }));
    expect(error.message).toMatch(/^Cannot prepare session "Fake_2020-01-01", type "gratings": .* has no "trial_inds"/);
    const lenient = prepareSession(config, { session: mixed, lenient: true });
    expect(lenient.droppedTypes).toEqual(["gratings"]);
    expect(lenient.warnings.join()).toContain('has no "trial_inds"');
  });

  test("names units that do not exist", () => {
    const error = userError(() => prepareSession(fakeConfig({ cids: [0, 3, 7] }), { session }));
    expect(error.message).toContain(
      'Cannot select units 3, 7 of recording "Fake_2020-01-01/gaborium": it has units 0 to 2',
    );
  });

  test("counts samples whose lags leave the recording", () => {
    const datafilters = { dfs: { ops: [{ missing_pct: 45 }] } };
    const error = userError(() => prepareSession(fakeConfig({ datafilters, train_val_split: 1 }), { session }));
    expect(error.message).toBe(
      'Cannot serve session "Fake_2020-01-01", type "gaborium" (300 frames): ' +
        "8 of 300 frames need data up to 8 frames before the start",
    );
    expect(error.hint).toContain("valid_nlags");
  });

  test("leaves out the first frames of a recording where the filter asks for fewer than the lags reach", () => {
    const datafilters = { dfs: { ops: [{ valid_nlags: 5 }] } };
    const { train, val, warnings } = prepareSession(fakeConfig({ datafilters }), { session });
    expect(Math.min(...train.frameOf, ...val.frameOf)).toBe(8);
    expect(train.length + val.length).toBe(6 * 45 - 3);
    expect(warnings).toContain(
      'Session "Fake_2020-01-01": type "gaborium": 3 valid frames are left out, whose history of 8 frames begins before ' +
        "the recording",
    );
  });

  test("warns, or fails when strict, about lags beyond the filter", () => {
    // Tracking starts late, so that no sample leaves the recording.
    const late = withColumns(fakeRecording("gaborium"), { dpi_valid: float64([300], (t) => (t < 20 ? 0 : 1)) });
    const config = fakeConfig({ datafilters: { dfs: { ops: [{ valid_nlags: 5 }] } } });
    const { warnings } = prepareSession(config, { session: fakeSession(late) });
    expect(warnings.join()).toContain("lags reach 8 frames back, the datafilters guarantee 5");
    const error = userError(() => prepareSession(config, { session: fakeSession(late), strict: true }));
    expect(error.message).toContain("Set n_lags of valid_nlags to 8");
  });

  test("says why no training frame is left", () => {
    const never = withColumns(fakeRecording("gaborium"), { dpi_valid: float64([300], () => 0) });
    const error = userError(() => prepareSession(fakeConfig(), { session: fakeSession(never) }));
    expect(error.message).toContain("no training frame is left; gaborium has 0 valid of 300 frames in 6 trials");
    const allVal = userError(() => prepareSession(fakeConfig({ train_val_split: 0 }), { session }));
    expect(allVal.hint).toContain("train_val_split (0)");
  });

  test("keeps a unit without valid frames and warns", () => {
    // Missing 50 % in three quarters of the frames would make the unit a multi-unit; in a third it is masked there.
    const masked = withColumns(fakeRecording("gaborium"), {
      missing_pct: float64([300, 3], (i) => (i % 3 === 1 && Math.floor(i / 3) < 149 ? 90 : 0)),
    });
    const config = fakeConfig({ split_by: "time", train_val_split: 0.4 });
    const prepared = prepareSession(config, { session: fakeSession(masked) });
    expect(prepared.nUnits).toBe(3);
    expect(prepared.train.recordings[0]!.column("dfs").shape).toEqual([300, 3]);
    expect(prepared.warnings.join()).toContain("unit 1 has no valid training frame");
  });

  test("names the first frame in which a served input is not a number", () => {
    const config = fakeConfig();
    const gap = (frames: number[]) =>
      fakeSession(
        withColumns(fakeRecording("gaborium"), {
          eyepos: float64([300, 2], (i) => (frames.includes(Math.floor(i / 2)) ? Number.NaN : 0)),
        }),
      );
    const error = userError(() => prepareSession(config, { session: gap([70, 71]) }));
    expect(error.message).toBe(
      'Cannot use session "Fake_2020-01-01", type "gaborium": "behavior" is not a number (NaN) in frame 70, ' +
        "which is served; 2 of 252 samples are affected",
    );
    // Frames 0 to 7 of a trial are not served.
    expect(prepareSession(config, { session: gap([3]) }).train.length).toBeGreaterThan(0);
  });

  test("ignores NaN counts under the mask and refuses them elsewhere", () => {
    const robs = (frame: number) => {
      const data = new Float32Array(900).fill(1);
      data[3 * frame] = Number.NaN;
      return fakeSession(withColumns(fakeRecording("gaborium"), { robs: { dtype: "float32", shape: [300, 3], data } }));
    };
    expect(userError(() => prepareSession(fakeConfig(), { session: robs(30) })).message).toContain(
      '"robs" is not a number',
    );
    expect(prepareSession(fakeConfig(), { session: robs(2) }).train.length).toBeGreaterThan(0);
  });

  test("names the transform that cannot find its source, with the closest key", () => {
    const transforms = { gaze: { source: "eyepso", expose_as: "behavior" } };
    const error = userError(() => prepareSession(fakeConfig({ transforms }), { session }));
    expect(error.message).toContain('transform gaze: Recording "Fake_2020-01-01/gaborium" has no "eyepso"');
    expect(error.hint).toBe('Did you mean "eyepos"?');
  });

  test("refuses types with different stimulus sizes", () => {
    const other = fakeRecording("backimage");
    const stim: NdArray = { dtype: "uint8", shape: [300, 6, 6], data: new Uint8Array(300 * 36) };
    const config = fakeConfig({ types: ["gaborium", "backimage"] });
    const error = userError(() =>
      prepareSession(config, { session: fakeSession(fakeRecording("gaborium"), withColumns(other, { stim })) }),
    );
    expect(error.message).toContain("gaborium has uint8 [frames, 1, 4, 3], backimage has uint8 [frames, 1, 6, 6]");
  });

  test("looks units up by their ids where the recording names them", () => {
    const named = fakeRecording("gaborium", { metadata: { cluster_ids: [98, 399, 120] } });
    const { train, cids } = prepareSession(fakeConfig({ cids: [120, 98] }), { session: fakeSession(named) });
    expect(cids).toEqual([120, 98]);
    const all = named.get("robs").data;
    const kept = train.recordings[0]!.get("robs");
    expect([...kept.data.slice(0, 4)]).toEqual([all[2], all[0], all[5], all[3]]);
    expect(train.recordings[0]!.column("dfs").shape).toEqual([300, 2]);
  });

  test("selects the mask together with a permutation of all units", () => {
    const masked = withColumns(fakeRecording("gaborium"), {
      missing_pct: float64([300, 3], (i) => (i % 3 === 2 && Math.floor(i / 3) >= 200 ? 90 : 0)),
    });
    const { train } = prepareSession(fakeConfig({ cids: [2, 0, 1] }), { session: fakeSession(masked) });
    const dfs = train.recordings[0]!.floats("dfs").data;
    expect([...dfs.slice(3 * 220, 3 * 220 + 3)]).toEqual([0, 1, 1]);
  });

  test("lets explicit trials validate and refuses unknown ones", () => {
    const keepKeys = ["trial_inds"];
    const { train, val } = prepareSession(fakeConfig({ val_trials: [1, 4] }), { session, keepKeys });
    const trialsOf = (samples: SampleSet) => {
      const trials = samples.recordings[0]!.numbers("trial_inds");
      return new Set(samples.frameOf.map((frame) => trials[frame]!));
    };
    expect(trialsOf(val)).toEqual(new Set([1, 4]));
    expect(trialsOf(train)).toEqual(new Set([0, 2, 3, 5]));
    const error = userError(() => prepareSession(fakeConfig({ val_trials: [1, 9] }), { session }));
    expect(error.message).toContain("it has no trial 9");
    expect(error.hint).toBe("val_trials may name 6 trials from 0 to 5.");
  });

  test("keeps transforms within trials when asked to", () => {
    const jump = withColumns(fakeRecording("gaborium"), { eyepos: float64([300, 2], (i) => Math.floor(i / 100)) });
    const transforms = { velocity: { source: "eyepos", ops: [{ diff: {} }], expose_as: "behavior" } };
    const largest = (transform_per_trial: boolean) => {
      const config = fakeConfig({ transforms, keys_lags: { robs: 0, behavior: 0, dfs: 0 }, transform_per_trial });
      const { train } = prepareSession(config, { session: fakeSession(jump) });
      return Math.max(...train.recordings[0]!.floats("behavior").data);
    };
    expect(largest(false)).toBe(1);
    expect(largest(true)).toBe(0);
  });

  test("sums, selects and keeps the true rates of synthetic units", () => {
    const rates = withColumns(fakeRecording("gaborium"), { true_rates: float64([300, 3], (i) => i % 3) });
    const config = fakeConfig({ sampling: { source_rate: 240, target_rate: 120 }, cids: [2, 1] });
    const { train } = prepareSession(config, { session: fakeSession(rates), keepKeys: ["true_rates"] });
    expect([...train.arrays(0).trueRates!.slice(0, 4)]).toEqual([4, 2, 4, 2]);
  });

  test("gives loaders arrays that agree with what is served", () => {
    const { train, behaviorDim } = prepareSession(fakeConfig(), { session });
    const { stim, channels, height, width, robs, units, dfsColumns, behavior } = train.arrays(0);
    expect([channels, height, width, units, dfsColumns, behaviorDim]).toEqual([1, 4, 3, 3, 3, 2]);
    const frame = train.frameOf[5]!;
    const served = train.serveOne(5);
    expect([...served.robs!.data]).toEqual([...robs.slice(3 * frame, 3 * frame + 3)]);
    expect(served.behavior!.data).toEqual(behavior!.slice(2 * frame, 2 * frame + 2));
    const newest: NdArray = { dtype: "uint8", shape: [12], data: stim!.slice(12 * frame, 12 * frame + 12) };
    expect(served.stim!.data.slice(0, 12)).toEqual(decodeStimulus(newest, true).data);
  });
});
