import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";
import { futureDoubts, transformDoubts } from "./doubts.ts";
import { prepareSession } from "./prepare.ts";
import type { Recording } from "./recording.ts";
import { fakeConfig, fakeRecording, fakeSession, withColumns } from "./session.fake.ts";

function float64(value: (frame: number) => number, columns?: number): NdArray {
  const data = Float64Array.from({ length: 300 * (columns ?? 1) }, (_, i) => value(i));
  return { dtype: "float64", shape: columns === undefined ? [300] : [300, columns], data };
}

const sampling = { source_rate: 240, target_rate: 120 };
/** Frames only: nothing is asked about missing spikes. */
const datafilters = { dfs: { ops: [{ valid_nlags: 8 }] } };

/** Trials of 51 frames, so that every second one starts within a bin, and one frame in 40 without tracking. */
const awkward = withColumns(fakeRecording("gaborium"), {
  trial_inds: float64((t) => Math.floor(t / 51)),
  dpi_valid: float64((t) => (t % 40 === 7 ? 0 : 1)),
});

/** Doubts of a session with one recording, as text. */
function doubtsOf(overrides: Parameters<typeof fakeConfig>[0], recording: Recording = awkward): string[] {
  const config = fakeConfig({ datafilters, ...overrides });
  const { doubts } = prepareSession(config, { session: fakeSession(recording) });
  return doubts.map(({ name, message, remedy }) => `${name}: ${message}. ${remedy}`);
}

function basisOf(params: object) {
  const ops = [{ temporal_basis: { num_cosine_funcs: 3, history_bins: 10, ...params } }];
  return { ...fakeConfig().transforms, gaze: { source: "eyepos", ops, expose_as: "behavior" } };
}

describe("doubts of a prepared session", () => {
  test("count bins of two trials and bins that were partly tracked, and name the settings", () => {
    expect(doubtsOf({ sampling })).toEqual([
      'straddling_bins: type "gaborium": 3 bins hold two trials, with a trial number that is neither\'s. ' +
        "Set trial_aware: true to start bins anew at every trial.",
      'half_valid_bins: type "gaborium": 8 bins hold frames without tracking and count as tracked. ' +
        "Set strict_validity: true to leave them out.",
    ]);
  });

  test("are gone with the settings they name, with accept, and without down-sampling", () => {
    expect(doubtsOf({ sampling, trial_aware: true, strict_validity: true })).toEqual([]);
    expect(doubtsOf({ sampling, accept: ["straddling_bins", "half_valid_bins"] })).toEqual([]);
    expect(doubtsOf({})).toEqual([]);
  });

  test("count the samples whose history starts in the trial before", () => {
    const late = withColumns(fakeRecording("gaborium"), { dpi_valid: float64((t) => (t < 20 ? 0 : 1)) });
    const short = { datafilters: { dfs: { ops: [{ valid_nlags: 5 }] } } };
    // Frames 5 to 7 of the five trials after the first.
    expect(doubtsOf(short, late)).toEqual([
      "lags_beyond_filter: lags reach 8 frames back, the datafilters guarantee 5: 15 of 251 samples show the end of the " +
        "trial before. Set n_lags of valid_nlags to 8, or shorten the lags.",
    ]);
    const accepted = fakeConfig({ ...short, accept: ["lags_beyond_filter"] });
    expect(prepareSession(accepted, { session: fakeSession(late) }).warnings).toEqual([]);
  });

  test("name units that are never masked, and missing spikes of which nothing is known", () => {
    const missing_pct = withColumns(fakeRecording("gaborium"), {
      missing_pct: float64((i) => (i % 3 === 2 ? 60 : 0), 3),
    });
    const filters = { datafilters: fakeConfig().datafilters };
    expect(doubtsOf({ ...filters, cids: [0, 2] }, missing_pct)).toEqual([
      expect.stringMatching(/^truncated_units: type "gaborium": 1 of 2 units miss .*: 2\. Leave them out of cids/),
    ]);
    expect(doubtsOf({ ...filters, cids: [0, 1] }, missing_pct)).toEqual([]);
    expect(doubtsOf(filters)).toEqual([expect.stringMatching(/^unknown_quality: .*truncation\.npz/)]);
  });

  test("find another rate than the stated one, and holes within trials", () => {
    const slow = withColumns(fakeRecording("gaborium"), { t_bins: float64((t) => t / 120) });
    expect(doubtsOf({ sampling }, slow)).toEqual([
      'rate_mismatch: type "gaborium": frames are 8.33 ms apart, at 240 Hz they would be 4.17 ms. ' +
        "Correct sampling.source_rate and target_rate.",
    ]);
    const stated = fakeRecording("gaborium", { metadata: { rate_hz: 120 } });
    expect(doubtsOf({}, stated)).toEqual([expect.stringContaining("Correct rate_hz")]);
    // Frames 20 and 70 come half a second late; at frame 100 another trial starts anyway.
    const holes = float64((t) => t / 240 + (t >= 20 ? 0.5 : 0) + (t >= 70 ? 0.5 : 0) + (t >= 100 ? 0.5 : 0));
    expect(doubtsOf({}, withColumns(fakeRecording("gaborium"), { t_bins: holes }))).toEqual([
      expect.stringMatching(/^time_gaps: type "gaborium": 2 holes within trials/),
    ]);
  });

  test("are one error when strict, by option or by configuration", () => {
    const session = fakeSession(awkward);
    const attempts = [
      () => prepareSession(fakeConfig({ sampling, datafilters }), { session, strict: true }),
      () => prepareSession(fakeConfig({ sampling, datafilters, strict_data: true }), { session }),
    ];
    for (const attempt of attempts) {
      expect(attempt).toThrow(UserError);
      expect(attempt).toThrow(
        /"Fake_2020-01-01" does not pass the strict checks:\n- type "gaborium": 3 bins .*\n- type "gaborium": 8 bins/,
      );
      expect(attempt).toThrow(
        expect.objectContaining({ hint: expect.stringContaining("accept: [straddling_bins, half_valid_bins]") }),
      );
    }
    const accept = ["straddling_bins", "half_valid_bins"];
    expect(prepareSession(fakeConfig({ sampling, datafilters, accept }), { session, strict: true }).doubts).toEqual([]);
  });
});

describe("futureDoubts()", () => {
  const messagesOf = (overrides: Parameters<typeof fakeConfig>[0]) =>
    futureDoubts(fakeConfig(overrides)).map(({ message }) => message);

  test("name lags below 0, and transforms of served keys that look both ways", () => {
    expect(messagesOf({ keys_lags: { ...fakeConfig().keys_lags, behavior: [-2, 0] } })).toEqual([
      "lags reach 2 frames into the future",
    ]);
    expect(messagesOf({ transforms: basisOf({ causal: false }) })).toEqual([
      "transform gaze shows behavior of frames that are yet to come (temporal_basis, causal: false)",
    ]);
    const smoothed = (sigma: number) => ({ robs: { ops: [{ smooth: sigma }] } });
    expect(messagesOf({ transforms: smoothed(1) })).toEqual([expect.stringContaining("(smooth)")]);
  });

  test("are none for causal bases, smoothing that does nothing, and keys that are not served", () => {
    expect(messagesOf({ transforms: basisOf({ causal: true }) })).toEqual([]);
    expect(messagesOf({ transforms: { robs: { ops: [{ smooth: 0 }] } } })).toEqual([]);
    expect(messagesOf({ transforms: { other: { source: "eyepos", ops: [{ smooth: 2 }] } } })).toEqual([]);
  });
});

describe("transformDoubts()", () => {
  test("name transforms that cross trials until they are kept within", () => {
    const transforms = basisOf({ causal: true });
    expect(transformDoubts(fakeConfig({ transforms }), null)).toEqual([
      expect.objectContaining({ name: "crosses_trials", message: expect.stringContaining(": gaze (temporal_basis)") }),
    ]);
    expect(transformDoubts(fakeConfig({ transforms, transform_per_trial: true }), null)).toEqual([]);
  });

  test("name milliseconds of another rate, and the value that is right", () => {
    const withBins = (bin_size_ms: number) =>
      transformDoubts(fakeConfig({ transforms: basisOf({ bin_size_ms }), accept: [] }), 120).map(
        ({ remedy }) => remedy,
      );
    expect(withBins(5)).toContainEqual(expect.stringContaining("Set bin_size_ms: 8.333"));
    expect(withBins(8.333)).toEqual([expect.stringContaining("transform_per_trial")]);
    const cones = { stim: { ops: [{ dacones: {} }] } };
    const doubts = transformDoubts(fakeConfig({ transforms: cones, transform_per_trial: true }), 120);
    expect(doubts).toEqual([
      expect.objectContaining({ name: "time_base", remedy: expect.stringContaining("sampling_rate: 120") }),
    ]);
  });
});
