import { beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { autocast, clearGrads, noGrad, setNumThreads, type Tensor, tensorScope, tensorStats } from "../torch/index.ts";
import {
  doubles,
  expectSameOutcome,
  expectTrueGradients,
  outcomeOf,
  relativeDifference,
  shaken,
} from "./comparison.fake.ts";
import { poissonLoss } from "./losses.ts";
import type { Formulation } from "./modules/layer.ts";
import { TINY_CONFIG, tinyTwin } from "./tiny-model.fake.ts";
import type { SessionInput, Twin } from "./twin.ts";

beforeAll(() => setNumThreads(1));

const FRAMES = 9;
const concat = { modulator: { type: "concat", params: { behavior_dim: 4, encoder_params: { dims: [5, 3] } } } };
const film = { modulator: { type: "film", params: { behavior_dim: 4, encoder_params: { dims: [5, 3] } } } };

/** Stimuli and behaviour of batches for all three sessions, session 1 first. */
function batch({ behavior = false, double = true } = {}) {
  const inputs: Record<string, Tensor> = {};
  const sessions = [1, 0, 2].map((session, i): SessionInput => {
    const stimulus = doubles([i + 1, 1, FRAMES, 20, 21], 10 + i);
    const moves = behavior ? doubles([i + 1, 4], 20 + i) : null;
    if (!double) return { session, stimulus: stimulus.detach().float(), behavior: moves?.detach().float() ?? null };
    inputs[`stimulus ${session}`] = stimulus;
    if (moves) inputs[`behavior ${session}`] = moves;
    return { session, stimulus, behavior: moves };
  });
  return { sessions, inputs };
}

function values(tensors: readonly Tensor[]): Float64Array[] {
  return tensors.map((tensor) => Float64Array.from(tensor.detach().contiguous().toTypedArray() as Float64Array));
}

describe("Twin.forward()", () => {
  test.each<[string, Record<string, unknown>]>([
    ["the flagship", {}],
    ["without recurrence", { recurrent: { type: "none" } }],
    ["densenet", { convnet: { ...TINY_CONFIG.convnet, type: "densenet" } }],
    ["concatenated behaviour", concat],
    ["film", film],
    ["a convolutional GRU that sees behaviour", { modulator: { type: "convgru", params: { behavior_dim: 4 } } }],
    [
      "a GRU over whole frames",
      { recurrent: { type: "gru", params: { hidden_dim: 5 } }, readout: { type: "linear", params: { bias: true } } },
    ],
    [
      "an LSTM over whole frames",
      {
        recurrent: { type: "lstm", params: { hidden_dim: 5, num_layers: 2 } },
        readout: { type: "linear", params: { bias: false } },
      },
    ],
    ["a baseline", { baseline: { enabled: true, activation: "softplus", init_value: 0.2 } }],
    ["the oldest frame first", { lag_order: "oldest_first" }],
    [
      "linear readouts of log rates",
      { readout: { type: "linear", params: { bias: true } }, output_activation: "none" },
    ],
  ])("gives the same values and gradients in both formulations: %s", (_, change) => {
    using _scope = tensorScope();
    const [fast, reference] = (["fast", "reference"] as Formulation[]).map((formulation) => {
      const twin = shaken(tinyTwin(formulation, change), 0.05);
      const { sessions, inputs } = batch({ behavior: "modulator" in change });
      return outcomeOf(twin, inputs, () => twin.forward(sessions));
    });
    expectSameOutcome(fast!, reference!);
  });

  test("has true gradients", () => {
    using _scope = tensorScope();
    const twin = shaken(tinyTwin("fast", concat), 0.05);
    const { sessions, inputs } = batch({ behavior: true });
    expectTrueGradients(twin, inputs, () => twin.forward(sessions), { elements: 1, step: 1e-6, tolerance: 1e-4 });
  });

  test("keeps sessions apart: what others are shown changes nothing", () => {
    using _scope = tensorScope();
    const twin = shaken(tinyTwin(), 0.05);
    const { sessions } = batch();
    const together = values(twin.forward(sessions));
    const other = sessions.map((input, i) => (i === 1 ? input : { ...input, stimulus: input.stimulus!.mul(3) }));
    const changed = values(twin.forward(other));
    expect(relativeDifference(changed[1]!, together[1]!)).toBeLessThan(1e-12);
    expect(relativeDifference(changed[0]!, together[0]!)).toBeGreaterThan(1e-3);
    const alone = values(twin.forward([sessions[1]!]));
    expect(relativeDifference(alone[0]!, together[1]!)).toBeLessThan(1e-12);
  });

  test("follows the order of samples", () => {
    using _scope = tensorScope();
    const twin = shaken(tinyTwin(), 0.05);
    const stimulus = doubles([3, 1, FRAMES, 20, 20]);
    const input = (x: Tensor): SessionInput => ({ session: 0, stimulus: x, behavior: null });
    const [straight] = twin.forward([input(stimulus)]);
    const [flipped] = twin.forward([input(stimulus.flip(0))]);
    expect(flipped!.flip(0).sub(straight!).abs().amax().item()).toBeLessThan(1e-12);
  });

  test("accepts sessions whose frames differ in size, also without adapters", () => {
    using _scope = tensorScope();
    const input = (session: number, size: number): SessionInput => ({
      session,
      stimulus: doubles([2, 1, FRAMES, size, size]),
      behavior: null,
    });
    for (const change of [{}, { adapter: { type: "none" } }]) {
      const twin = shaken(tinyTwin("fast", change), 0.05);
      const together = values(twin.forward([input(0, 19), input(1, 21)]));
      const alone = values([19, 21].map((size, i) => twin.forward([input(i, size)])[0]!));
      for (const [i, rates] of together.entries()) expect(relativeDifference(rates, alone[i]!)).toBeLessThan(1e-12);
    }
  });

  test("flips the lag axis of a twin that sees the oldest frame first", () => {
    using _scope = tensorScope();
    const { sessions } = batch();
    const newest = values(shaken(tinyTwin(), 0.05).forward(sessions));
    const flipped = sessions.map((input) => ({ ...input, stimulus: input.stimulus!.flip(2) }));
    const oldest = values(shaken(tinyTwin("fast", { lag_order: "oldest_first" }), 0.05).forward(flipped));
    expect(oldest).toEqual(newest);
  });

  test("passes a batch through the core in one piece, but for batch statistics in training", () => {
    using _scope = tensorScope();
    const passes = (twin: Twin) => {
      let count = 0;
      noGrad(() => twin.forward(batch({ double: false }).sessions, (stage) => stage === "convnet" && count++));
      return count;
    };
    expect(passes(tinyTwin())).toBe(1);
    expect(passes(tinyTwin("reference"))).toBe(3);
    const { convnet } = structuredClone(TINY_CONFIG);
    convnet.params.block_configs[1]!.norm_type = "batch";
    const mixing = tinyTwin("fast", { convnet });
    expect(mixing.mixesSamples).toBe(true);
    expect(passes(mixing)).toBe(3);
    expect(passes(mixing.eval())).toBe(1);
    const basis = { type: "temporal_basis", params: { num_cosine_funcs: 2, batch_norm: true } };
    expect(passes(tinyTwin("fast", { frontend: basis }))).toBe(3);
    expect(passes(tinyTwin("fast", { frontend: { type: "da" } }))).toBe(1);
  });

  test("gives float32 rates under autocast, close to those of full precision", () => {
    using _scope = tensorScope();
    const { sessions } = batch({ double: false, behavior: true });
    for (const formulation of ["fast", "reference"] as const) {
      const twin = tinyTwin(formulation, concat);
      const full = values(twin.forward(sessions));
      const half = autocast("cpu", "bfloat16", () => twin.forward(sessions));
      expect(half.map(({ dtype }) => dtype)).toEqual(["float32", "float32", "float32"]);
      for (const [i, rates] of values(half).entries()) expect(relativeDifference(rates, full[i]!)).toBeLessThan(0.03);
    }
  });

  test("gives its stages the reference's element types under autocast", () => {
    using _scope = tensorScope();
    const { sessions } = batch({ double: false, behavior: true });
    for (const formulation of ["fast", "reference"] as const) {
      const types: Record<string, string> = {};
      const see = (stage: string, { dtype }: Tensor) => {
        types[stage] = dtype;
      };
      autocast("cpu", "bfloat16", () => tinyTwin(formulation, concat).forward(sessions.slice(0, 1), see));
      expect(types).toEqual({
        "adapters.1": "float32",
        frontend: "bfloat16",
        "convnet.stem": "float32",
        "convnet.layers.0": "float32",
        "convnet.layers.1": "float32",
        convnet: "float32",
        modulator: "float32",
        recurrent: "float32",
      });
    }
  });

  test("needs no stimulus where nothing would look at it", () => {
    using _scope = tensorScope();
    const off = { type: "none" };
    const twin = tinyTwin("fast", { ...concat, adapter: off, frontend: off, convnet: off });
    const behavior = doubles([4, 4]).detach().float();
    const [rates] = twin.forward([{ session: 1, stimulus: null, behavior }]);
    expect(rates!.shape).toEqual([4, 5]);
  });

  test("leaks no tensors over a training step", () => {
    const twin = tinyTwin("fast", concat);
    const parameters = [...twin.namedParameters()].map(({ tensor }) => tensor);
    const step = () => {
      using _scope = tensorScope();
      const { sessions } = batch({ double: false, behavior: true });
      const losses = twin.forward(sessions).map((rates) => poissonLoss(rates, rates.detach().mul(0.5)));
      losses.reduce((sum, loss) => sum.add(loss)).backward();
      clearGrads(parameters);
    };
    step();
    const before = tensorStats();
    step();
    const after = tensorStats();
    expect([after.live, after.bytes]).toEqual([before.live, before.bytes]);
    twin.dispose();
  });

  test.each<[string, Record<string, unknown>, Partial<SessionInput>, RegExp]>([
    ["no stimulus", {}, { stimulus: null }, /session "a" was given no stimulus/],
    ["no behaviour", concat, { behavior: null }, /modulator needs behaviour/],
    [
      "behaviour of another width",
      concat,
      { behavior: doubles([2, 3]) },
      /expected behaviour \[batch, 4\], found \[2, 3\]/,
    ],
    [
      "other channels",
      {},
      { stimulus: doubles([2, 3, 9, 20, 20]) },
      /\[batch, 1, frames, height, width\], found \[2, 3, 9/,
    ],
    [
      "too few frames",
      {},
      { stimulus: doubles([2, 1, 5, 20, 20]) },
      /frontend.params.kernel_size: the kernel spans 6 frames, its input has 5/,
    ],
    [
      "frames that are too small",
      { adapter: { type: "none" } },
      { stimulus: doubles([2, 1, 9, 8, 20]) },
      /block_configs.0: the kernel spans 5 rows, its input has 4/,
    ],
  ])("explains what is wrong: %s", (_, change, wrong, message) => {
    using _scope = tensorScope();
    const twin = tinyTwin("fast", change).to({ dtype: "float64" });
    const right = { session: 0, stimulus: doubles([2, 1, 9, 20, 20]), behavior: doubles([2, 4]) };
    const run = () => twin.forward([{ ...right, ...wrong }]);
    expect(run).toThrow(UserError);
    expect(run).toThrow(message);
  });

  test("refuses a session it does not have", () => {
    expect(() => tinyTwin().forward([{ session: 3, stimulus: null, behavior: null }])).toThrow(RangeError);
  });
});

describe("Twin.coreForward()", () => {
  test("gives the last of the states that the reference formulation gives", () => {
    using _scope = tensorScope();
    const x = doubles([2, 1, FRAMES, 19, 19]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) =>
      shaken(tinyTwin(formulation), 0.05).coreForward(x, null),
    );
    expect(fast!.size(2)).toBe(1);
    expect(reference!.size(2)).toBeGreaterThan(1);
    expect(reference!.slice(2, -1).sub(fast!).abs().amax().item()).toBeLessThan(1e-12);
  });
});

describe("Twin.logRates", () => {
  test("is true where no activation makes outputs positive", () => {
    expect(tinyTwin().logRates).toBe(false);
    expect(tinyTwin("fast", { output_activation: "none" }).logRates).toBe(true);
  });
});

describe("Twin with spike history", () => {
  const history = { model_type: "v1multi_history", history_encoder: { params: { num_lags: 2, hidden_dims: [4] } } };
  const spikes = (units: number, lags = 2) => doubles([1, lags, units], 30).detach().square().float();
  const stimulus = () => doubles([1, 1, FRAMES, 20, 21], 10).detach().float();

  test("adds an offset per unit before the activation, from the session's own network", () => {
    using _scope = tensorScope();
    const twin = tinyTwin("fast", { ...history, output_activation: "none" });
    const names = [...twin.stateDict().keys()].filter((name) => name.startsWith("spike_history.1."));
    expect(names).toEqual(
      ["0.linear.weight", "0.linear.bias", "1.weight", "1.bias"].map((n) => `spike_history.1.mlp.${n}`),
    );
    const input = { session: 1, stimulus: stimulus(), behavior: null };
    const [withSpikes] = twin.forward([{ ...input, history: spikes(5) }]);
    const [silent] = twin.forward([{ ...input, history: spikes(5).mul(0) }]);
    const offset = (x: Tensor) => twin.spikeHistory![1]!.forward(x);
    const difference = withSpikes!.sub(silent!);
    const expected = offset(spikes(5)).sub(offset(spikes(5).mul(0)));
    expect(relativeDifference(values([difference])[0]!, values([expected])[0]!)).toBeLessThan(1e-5);
  });

  test("runs without a stimulus, on behaviour and history alone (M-08)", () => {
    using _scope = tensorScope();
    const blind = { adapter: { type: "none" }, frontend: { type: "none" }, convnet: { type: "none" } };
    const readout = { readout: { type: "linear", params: { bias: true } }, recurrent: { type: "none" } };
    const twin = tinyTwin("fast", { ...history, ...blind, ...readout, ...concat });
    const behavior = doubles([1, 4], 3).detach().float();
    const [rates] = twin.forward([{ session: 0, stimulus: null, behavior, history: spikes(3) }]);
    expect(rates!.shape).toEqual([1, 3]);
  });

  test("refuses missing and misshapen history, naming the session and what it reads", () => {
    using _scope = tensorScope();
    const twin = tinyTwin("fast", history);
    const input = { session: 1, stimulus: stimulus(), behavior: null };
    expect(() => twin.forward([input])).toThrow(
      'session "b" was given no spike history, the model reads [batch, 2 lags, 5 units]',
    );
    expect(() => twin.forward([{ ...input, history: spikes(4) }])).toThrow("found [1, 2, 4]");
    expect(() => twin.forward([{ ...input, history: spikes(5, 3) }])).toThrow(UserError);
  });

  test("takes missing history and behaviour as zeros when that is allowed", () => {
    using _scope = tensorScope();
    const twin = tinyTwin("fast", { ...history, ...concat });
    const input = { session: 1, stimulus: stimulus() };
    const zeros = { behavior: doubles([1, 4]).detach().mul(0).float(), history: spikes(5).mul(0) };
    twin.allowMissing = true;
    const [ablated, given] = [{ behavior: null }, zeros].map(
      (rest) => values(twin.forward([{ ...input, ...rest }]))[0]!,
    );
    expect(ablated).toEqual(given);
  });
});
