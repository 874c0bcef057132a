/**
 * @file Readouts and shifters as parts of a twin: building, counting, formulations, errors.
 */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseModelConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import {
  autocast,
  Generator,
  seedDefaultGenerator,
  type Tensor,
  tensor,
  tensorScope,
  tensorStats,
} from "../torch/index.ts";
import { buildModel } from "./build.ts";
import {
  doubles,
  expectSameOutcome,
  expectTrueGradients,
  outcomeOf,
  relativeDifference,
  shaken,
} from "./comparison.fake.ts";
import type { Formulation } from "./modules/layer.ts";
import { describeModel, type SessionSpec } from "./shapes.ts";
import { TINY_SESSIONS, tinyConfig, tinyTwin } from "./tiny-model.fake.ts";
import type { SessionInput, Twin } from "./twin.ts";

const FRAMES = 11;
const shifter = { shifter: { type: "mlp", params: { features: [3, 1], hidden_dims: [4] } } };
const point = (params: Record<string, unknown> = {}) => ({ readout: { type: "gaussian_point", params } });
const factorized = (params: Record<string, unknown> = {}) => ({ readout: { type: "factorized", params } });

const ZOO: [string, Record<string, unknown>][] = [
  ["gaussian", {}],
  ["gaussian, shifted", shifter],
  ["gaussian_point", point()],
  ["gaussian_point, isotropic, drawn once per batch", point({ covariance: "isotropic", sample: "batch" })],
  ["gaussian_point, uncorrelated, without bias", point({ covariance: "uncorrelated", bias: false })],
  ["gaussian_point, shifted", { ...point(), ...shifter }],
  ["factorized", factorized()],
  ["factorized, normalised", factorized({ normalize: true, non_negative: true, init: "random", bias: false })],
  ["linear", { readout: { type: "linear", params: { bias: true } } }],
];

function batch(): { sessions: SessionInput[]; inputs: Record<string, Tensor> } {
  const inputs: Record<string, Tensor> = {};
  const sessions = [1, 0].map((session, i): SessionInput => {
    const stimulus = doubles([2, 1, FRAMES, 20, 21], 10 + i);
    const behavior = doubles([2, 4], 20 + i);
    inputs[`stimulus ${session}`] = stimulus;
    inputs[`behavior ${session}`] = behavior;
    return { session, stimulus, behavior };
  });
  return { sessions, inputs };
}

/** The same draws in every call. */
function forward(twin: Twin, sessions: readonly SessionInput[]): Tensor[] {
  seedDefaultGenerator(6);
  return twin.forward(sessions);
}

function float(sessions: readonly SessionInput[]): SessionInput[] {
  return sessions.map(({ session, stimulus, behavior }) => ({
    session,
    stimulus: stimulus!.detach().float(),
    behavior: behavior!.detach().float(),
  }));
}

const numbers = (values: Tensor) => Float64Array.from(values.detach().contiguous().toTypedArray() as Float64Array);

describe("a twin's readouts", () => {
  test.each(ZOO)("give the same values and gradients in both formulations: %s", (_, change) => {
    using _scope = tensorScope();
    const [fast, reference] = (["fast", "reference"] as Formulation[]).map((formulation) => {
      const twin = shaken(tinyTwin(formulation, change), 0.05);
      const { sessions, inputs } = batch();
      return outcomeOf(twin, inputs, () => forward(twin, sessions));
    });
    expectSameOutcome(fast!, reference!);
  });

  test.each(ZOO)("have the parameters that describeModel() counts: %s", (_, change) => {
    using _scope = tensorScope();
    const input = { frames: FRAMES, height: 20, width: 21 };
    const parts = (found: Iterable<[string, number]>, part: RegExp) =>
      [...found].reduce((sum, [name, count]) => sum + (part.test(name) ? count : 0), 0);
    const described = describeModel(tinyConfig(change), input, TINY_SESSIONS).map(
      ({ path, parameters }): [string, number] => [path, parameters],
    );
    const built = [...tinyTwin("fast", change).namedParameters()].map(({ name, tensor }): [string, number] => [
      name,
      tensor.numel,
    ]);
    expect(parts(described, /^readout$/)).toBe(parts(built, /^readouts\./));
    expect(parts(described, /^shifter$/)).toBe(parts(built, /^shifters\./));
  });

  test.each(ZOO)("stay close to full precision under autocast: %s", (_, change) => {
    using _scope = tensorScope();
    const twin = tinyTwin("fast", change);
    const single = float(batch().sessions);
    for (const mode of [true, false]) {
      twin.train(mode);
      const full = forward(twin, single).map(numbers);
      const half = autocast("cpu", "bfloat16", () => forward(twin, single));
      for (const [i, rates] of half.entries()) {
        expect(rates.dtype).toBe("float32");
        expect(relativeDifference(numbers(rates), full[i]!)).toBeLessThan(0.03);
      }
    }
  });

  test("read maps of each session's own size", () => {
    using _scope = tensorScope();
    const small: SessionSpec["adapter"] = tinyConfig({
      adapter: { type: "adapter", params: { grid_size: 17 } },
    }).adapter;
    const sessions = [TINY_SESSIONS[0]!, { ...TINY_SESSIONS[1]!, adapter: small }];
    const twin = tinyTwin("fast", factorized(), sessions);
    const sizes = [0, 1].map((i) => twin.stateDict().get(`readouts.${i}.spatial`)!.shape);
    expect(sizes).toEqual([
      [3, 3, 3],
      [5, 2, 2],
    ]);
    const stimulus = doubles([2, 1, FRAMES, 20, 20]).detach().float();
    const rates = twin.forward([0, 1].map((session) => ({ session, stimulus, behavior: null })));
    expect(rates.map(({ shape }) => shape)).toEqual([
      [2, 3],
      [2, 5],
    ]);
    const rows = describeModel(tinyConfig(factorized()), { frames: FRAMES, height: 20, width: 20 }, sessions);
    expect(rows.find(({ path }) => path === "readout")!.parameters).toBe(3 * (4 + 1 + 9) + 5 * (4 + 1 + 4));
  });

  test("cost what is said: multiply-adds of the most expensive session", () => {
    const input = { frames: FRAMES, height: 20, width: 20 };
    const cost = (change: Record<string, unknown>) =>
      describeModel(tinyConfig(change), input, TINY_SESSIONS).find(({ path }) => path === "readout")!.multiplyAdds;
    // 5 units, 4 channels, 3 x 3 pixels.
    expect([{}, point(), factorized()].map(cost)).toEqual([5 * 4 * 9, 5 * 4 * 5, 5 * 4 * 10]);
  });

  test.each<[string, Record<string, unknown>]>(
    (["fast", "reference"] as const).flatMap((formulation) => [
      [formulation, { baseline: { enabled: true, activation: "relu", init_value: 0.3 } }],
      [formulation, { baseline: { enabled: true, activation: "softplus", init_value: 0.3 } }],
      ...["none", "relu", "softplus", "bsoftplus", "elu", "tanh", "sigmoid", "gelu", "silu", "mish", "leakyrelu"].map(
        (output_activation): [string, Record<string, unknown>] => [formulation, { output_activation }],
      ),
      [formulation, { readout: { type: "linear", params: { bias: false } } }],
      [formulation, { ...shifter, ...point() }],
    ]),
  )("have true gradients in the %s formulation: %o", (formulation, change) => {
    using _scope = tensorScope();
    const core = { recurrent: { type: "none" } };
    const twin = shaken(tinyTwin(formulation as Formulation, { ...core, ...change }), 0.05);
    const sessions = batch().sessions.slice(0, 1);
    // The core has its own tests.
    for (const { name, tensor: parameter } of twin.namedParameters()) {
      if (/frontend|convnet|adapter/.test(name)) parameter.setRequiresGrad(false);
    }
    expectTrueGradients(twin, {}, () => forward(twin, sessions), { elements: 2, tolerance: 1e-5 });
  });
});

describe("a twin's shifters", () => {
  test("shift nothing in a new twin", () => {
    using _scope = tensorScope();
    for (const change of [{}, point()]) {
      const [still, shifted] = [change, { ...change, ...shifter }].map((config) =>
        forward(tinyTwin("fast", config).eval(), float(batch().sessions)).map(numbers),
      );
      for (const [i, rates] of shifted!.entries()) expect(relativeDifference(rates, still![i]!)).toBeLessThan(1e-5);
    }
  });

  test("let the gaze of one session act on that session alone", () => {
    using _scope = tensorScope();
    const twin = shaken(tinyTwin("fast", { ...point(), ...shifter }), 0.3).eval();
    const { sessions } = batch();
    const before = forward(twin, sessions).map(numbers);
    const looked = sessions.map((input, i) => (i === 0 ? { ...input, behavior: input.behavior!.mul(-2) } : input));
    const after = forward(twin, looked).map(numbers);
    expect(relativeDifference(after[0]!, before[0]!)).toBeGreaterThan(1e-6);
    expect(after[1]).toEqual(before[1]);
    const unread = sessions.map((input) => ({
      ...input,
      behavior: input.behavior!.mul(tensor(Float64Array.of(7, 1, 7, 1))),
    }));
    expect(forward(twin, unread).map(numbers)).toEqual(before);
  });

  test("leave sessions with other behaviour their own, without a modulator", () => {
    using _scope = tensorScope();
    const twin = tinyTwin("fast", shifter);
    const [first, second] = float(batch().sessions);
    const wider = { ...second!, behavior: doubles([2, 9]).detach().float() };
    expect(twin.forward([first!, wider])).toHaveLength(2);
  });

  test("have names of their own, one per session, also in a v1 model", () => {
    using _scope = tensorScope();
    const names = (twin: Twin) => [...twin.stateDict().keys()].filter((name) => name.startsWith("shifter"));
    const perceptron = ["0.linear.weight", "0.linear.bias", "1.weight", "1.bias"];
    const of = (session: number) => perceptron.map((name) => `shifters.${session}.mlp.${name}`);
    expect(names(tinyTwin("fast", shifter))).toEqual([0, 1, 2].flatMap(of));
    expect(names(tinyTwin("fast", { ...shifter, model_type: "v1" }, TINY_SESSIONS.slice(0, 1)))).toEqual(of(0));
  });

  test("take missing gaze as zeros only where that is allowed", () => {
    using _scope = tensorScope();
    const twin = tinyTwin("fast", shifter);
    for (const { tensor: values } of twin.shifters![1]!.namedParameters()) values.detach().add_(0.2);
    const [input] = float(batch().sessions);
    const run = (behavior: Tensor | null) => numbers(twin.forward([{ ...input!, behavior }])[0]!);
    expect(() => run(null)).toThrow(UserError);
    expect(() => run(null)).toThrow(
      'session "b" was given no behaviour, its shifter reads [batch, at least 4 features]',
    );
    expect(() => run(doubles([2, 3]))).toThrow(
      'expected behaviour [batch, at least 4 features] for the shifter of session "b", found [2, 3]',
    );
    expect(() => run(doubles([2, 2, 4]))).toThrow("found [2, 2, 4]");
    twin.allowMissing = true;
    expect(run(null)).toEqual(run(doubles([2, 4]).detach().float().mul(0)));
  });
});

describe("buildModel()", () => {
  const build = (change: Record<string, unknown>, sessions: readonly SessionSpec[] = TINY_SESSIONS) => {
    const config = parseModelConfig(tinyConfig(change));
    return buildModel(config, sessions, { generator: new Generator(1) });
  };
  const { readout: linear } = tinyConfig({ readout: { type: "linear", params: { bias: true } } });

  test.each<[string, Record<string, unknown>, readonly SessionSpec[], string]>([
    [
      "a shifter without places",
      { ...shifter, ...factorized() },
      TINY_SESSIONS,
      "shifter: a factorized readout has no places to shift",
    ],
    [
      "a shifter without places in one session",
      shifter,
      [TINY_SESSIONS[0]!, { ...TINY_SESSIONS[1]!, readout: linear }],
      'shifter: the linear readout of session "b" has no places to shift',
    ],
    [
      "a shifter and a modulator of other behaviour",
      { ...shifter, modulator: { type: "film", params: { behavior_dim: 3 } } },
      TINY_SESSIONS,
      "shifter.params: it takes at least 4 behaviour values, the modulator 3",
    ],
    [
      "masks over features of unknown size",
      { ...factorized(), adapter: { type: "none" } },
      TINY_SESSIONS,
      "a factorized readout has a mask over the features, and their size is not known",
    ],
  ])("explains what cannot be built, before anything is allocated: %s", (_, change, sessions, message) => {
    const before = tensorStats().live;
    expect(() => build(change, sessions)).toThrow(UserError);
    expect(() => build(change, sessions)).toThrow(message);
    expect(tensorStats().live).toBe(before);
  });

  test("builds the example with point readouts and shifters", () => {
    using _scope = tensorScope();
    const file = new URL("../../experiments/model_configs/point_readout_shifter.yaml", import.meta.url);
    const config = parseModelConfig(parse(readFileSync(file, "utf8")));
    const twin = buildModel(config, [{ name: "a", nUnits: 3 }], { generator: new Generator(1) });
    const stimulus = doubles([2, 1, 14, 21, 21]).detach().float();
    const [rates] = twin.forward([{ session: 0, stimulus, behavior: doubles([2, 42]).detach().float() }]);
    expect(rates!.shape).toEqual([2, 3]);
    expect(twin.stateDict().get("readouts.0.sigma")!.shape).toEqual([3, 2, 2]);
  });
});
