import { afterAll, describe, expect, test } from "vitest";
import { parseModelConfig } from "../../config/model.ts";
import { UserError } from "../../errors.ts";
import { buildModel } from "../../models/build.ts";
import { Generator, noGrad, randn, scope, setNumThreads } from "../../torch/index.ts";
import { tinyModel, tinySession } from "../../training/tiny-run.fake.ts";
import { predictSamples } from "../predict.ts";
import { predictWithoutBehavior, saccadeCounterfactual, withZeroBehavior } from "./counterfactual.ts";

setNumThreads(1);

const session = tinySession("Allen_2022-02-16", { gaze: true });
const { val } = session;
const { regularization: _, ...model } = tinyModel({ dropout: 0 });
const twin = buildModel(
  parseModelConfig({ ...model, modulator: { type: "film", params: { behavior_dim: 2 } } }),
  [{ name: session.session, nUnits: 3 }],
  { generator: new Generator(0) },
);
// A new modulator leaves features as they are; this one does not.
const random = new Generator(1);
for (const { name, tensor } of twin.namedParameters()) {
  if (name.includes("modulator")) noGrad(() => scope(() => tensor.copy_(randn(tensor.shape, random))));
}
afterAll(() => twin.dispose());

describe("withZeroBehavior()", () => {
  test("serves zeros and leaves the samples it was given as they are", () => {
    const before = val.serve([0, 5]).behavior;
    const zero = withZeroBehavior(val).serve([0, 5]);
    expect(zero.behavior!.data.every((value) => value === 0)).toBe(true);
    expect(zero.stim).toEqual(val.serve([0, 5]).stim);
    expect(val.serve([0, 5]).behavior).toEqual(before);
  });

  test("refuses samples without behaviour", () => {
    expect(() => withZeroBehavior(tinySession("Allen_2022-02-16").val)).toThrow(UserError);
  });
});

/** The samples as a stimulus with one saccade in the middle of every trial of 20 frames. */
function withSaccades() {
  const recording = val.recordings[0]!;
  const { length } = recording;
  const column = (value: (t: number) => number) => {
    return { dtype: "float64", shape: [length], data: Float64Array.from({ length }, (_, t) => value(t)) } as const;
  };
  recording.set(
    "t_bins",
    column((t) => t / 100),
  );
  recording.set(
    "trial_inds",
    column((t) => Math.floor(t / 20)),
  );
  recording.set("eyepos", { dtype: "float64", shape: [length, 2], data: new Float64Array(2 * length) });
  const place = { A: 100, start_x: 0, start_y: 0, end_x: 1, end_y: 0 };
  return Array.from({ length: 20 }, (_, trial) => {
    return { start_time: (20 * trial + 10) / 100, end_time: (20 * trial + 13) / 100, ...place };
  });
}

describe("saccadeCounterfactual()", () => {
  const saccades = withSaccades();

  test("tells what behaviour contributes", async () => {
    const predictions = await predictSamples(twin, 0, val);
    const without = await predictWithoutBehavior(twin, 0, val);
    const evaluated = { stimulus: "gaborium", set: val, predictions };
    const found = saccadeCounterfactual(evaluated, without, saccades, [-3, 4]);
    if ("reason" in found) expect.unreachable(found.reason);
    expect(found.saccades).toBeGreaterThanOrEqual(3);
    expect(found.predicted.length).toBe(7 * 3);
    expect(found.contribution.every((value, i) => value === found.predicted[i]! - found.withoutBehavior[i]!)).toBe(
      true,
    );
    expect(Math.max(...found.contribution.map(Math.abs))).toBeGreaterThan(0.001);
    expect(saccadeCounterfactual(evaluated, predictions, saccades, [-3, 4])).toMatchObject({
      contribution: new Float64Array(21),
    });
  });

  test("says why there is nothing to average", async () => {
    const predictions = await predictSamples(twin, 0, val);
    const evaluated = { stimulus: "gaborium", set: val, predictions };
    expect(saccadeCounterfactual(evaluated, predictions, saccades)).toEqual({
      reason: "no saccade has 150 evaluated bins around it",
    });
  });
});
