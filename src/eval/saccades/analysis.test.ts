import { describe, expect, test } from "vitest";
import type { Recording } from "../../data/recording.ts";
import { SampleSet } from "../../data/samples.ts";
import { generateSession } from "../../data/synthetic/population.ts";
import { PRESETS, sessionSpec } from "../../data/synthetic/presets.ts";
import type { Predictions } from "../predict.ts";
import { type EvaluatedStimulus, saccadeAnalysis } from "./analysis.ts";
import type { SaccadeList } from "./source.ts";

/** A session of free viewing at 240 Hz whose units are all modulated by saccades, predicted by their true rates. */
function viewing(): { list: SaccadeList; evaluated: EvaluatedStimulus } {
  const spec = sessionSpec(PRESETS.tiny, "Synth_2024-01-01", 5, { units: 4, saccadeModulation: 0.9 });
  const none = { trials: 0, trialSeconds: [1, 1] } as const;
  const backimage = { trials: 20, trialSeconds: [5, 6] } as const;
  const blocks = { backimage, gaborium: none, gratings: none, fixrsvp: none };
  const { recordings, saccades } = generateSession({ ...spec, blocks }, 5);
  const [recording] = recordings;
  return { list: { saccades, origin: "file", reason: null }, evaluated: evaluate(recording!) };
}

function evaluate(recording: Recording): EvaluatedStimulus {
  const { length } = recording;
  const units = recording.column("robs").shape[1]!;
  const dfs = new Float32Array(length * units).fill(1);
  recording.set("dfs", { dtype: "float32", shape: [length, units], data: dfs });
  const set = new SampleSet({
    session: recording.session,
    recordings: [recording],
    recordingOf: new Int32Array(length),
    frameOf: Int32Array.from({ length }, (_, frame) => frame),
    keysLags: { robs: 0, dfs: 0 },
    pixelnorm: false,
  });
  const predictions: Predictions = {
    session: recording.session,
    samples: length,
    units,
    rates: recording.floats("true_rates").data,
    robs: recording.floats("robs").data,
    dfs,
    trueRates: null,
  };
  return { stimulus: recording.type, set, predictions };
}

const { list, evaluated } = viewing();

describe("saccadeAnalysis()", () => {
  const { stimuli, ...session } = saccadeAnalysis(list, [evaluated], { window: [-20, 60] });
  const [found] = stimuli;

  test("describes the saccades", () => {
    expect(session).toMatchObject({ status: "ok", reason: null, origin: "file", listed: list.saccades.length });
    expect(session.mainSequence.saccades).toBeLessThan(list.saccades.length);
    expect(session.mainSequence.exponent).toBeGreaterThan(0.2);
    expect(session.mainSequence.exponent).toBeLessThan(1);
  });

  test("finds the planted suppression and rebound, in the data and in predictions", () => {
    expect(found).toMatchObject({ stimulus: "backimage", status: "ok", reason: null });
    expect(found!.binSeconds).toBeCloseTo(1 / 240, 9);
    expect(found!.averages!.saccades).toBeGreaterThan(50);
    const { observed, predicted, correlation } = found!.modulation;
    const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(predicted.early)).toBeLessThan(-0.1);
    expect(mean(predicted.late)).toBeGreaterThan(mean(predicted.early) + 0.1);
    expect(mean(observed.early)).toBeCloseTo(mean(predicted.early), 1);
    expect(mean(observed.late)).toBeCloseTo(mean(predicted.late), 1);
    expect(mean(correlation)).toBeGreaterThan(0.4);
  });

  test("attaches to every window its own saccade", () => {
    const centres = evaluated.set.recordings[0]!.numbers("t_bins");
    const { positions, bins } = found!.averages!;
    for (const [k, { start_time }] of found!.saccades.entries()) {
      const frame = positions[k * bins + 20]!;
      expect(Math.abs(centres[frame]! - start_time)).toBeLessThan(0.5001 / 240);
    }
  });

  test("says what is missing, with NaN for every unit", () => {
    const nothing: SaccadeList = { saccades: [], origin: "none", reason: "there is no file" };
    const without = saccadeAnalysis(nothing, [evaluated]);
    expect(without).toMatchObject({ status: "no_saccades", reason: "there is no file" });
    expect(without.stimuli[0]).toMatchObject({
      status: "no_saccades",
      reason: "no saccade starts in a backimage trial",
      averages: null,
    });
    expect([...without.stimuli[0]!.modulation.observed.early]).toEqual([NaN, NaN, NaN, NaN]);

    const { set, predictions } = evaluated;
    const empty = { ...evaluated, set: set.subset([]), predictions: { ...predictions, samples: 0 } };
    expect(saccadeAnalysis(list, [empty]).stimuli[0]).toMatchObject({
      status: "missing_stimulus",
      reason: "there are no backimage samples",
    });
    const few = { ...evaluated, set: set.subset([0, 1, 2]), predictions: { ...predictions, samples: 3 } };
    expect(saccadeAnalysis(list, [few]).stimuli[0]!.reason).toMatch(/^none of \d+ saccades .* has 110 evaluated bins/);
    const blind = evaluate(set.recordings[0]!.pick(new Set(["robs", "true_rates", "t_bins", "trial_inds"])));
    expect(saccadeAnalysis(list, [blind]).stimuli[0]!.reason).toBe("the backimage recording has no eyepos");
  });

  test("refuses predictions of other samples", () => {
    const other = { ...evaluated, set: evaluated.set.subset([0]) };
    expect(() => saccadeAnalysis(list, [other])).toThrow(RangeError);
  });
});
