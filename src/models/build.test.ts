import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import { parseModelConfig } from "../config/model.ts";
import { AdapterSchema } from "../config/sections.ts";
import { UserError } from "../errors.ts";
import { Generator, ops, tensorScope, tensorStats, zeros } from "../torch/index.ts";
import { buildModel } from "./build.ts";
import { describeModel } from "./shapes.ts";
import { TINY_CONFIG, TINY_SESSIONS, tinyConfig, tinyTwin } from "./tiny-model.fake.ts";

const generator = () => new Generator(1);

describe("buildModel()", () => {
  test("draws the same values from the same seed, in both formulations", () => {
    using _scope = tensorScope();
    const state = (formulation: "fast" | "reference") =>
      [...tinyTwin(formulation).stateDict()].map(([name, tensor]) => [name, tensor.toArray()]);
    expect(state("fast")).toEqual(state("reference"));
  });

  test("allocates nothing but parameters and buffers, and frees them", () => {
    const before = tensorStats().live;
    const twin = tinyTwin();
    expect(tensorStats().live - before).toBe([...twin.namedParameters(), ...twin.namedBuffers()].length);
    twin.dispose();
    expect(tensorStats().live).toBe(before);
  });

  test("uses a session's own adapter and readout", () => {
    using _scope = tensorScope();
    const { adapter } = tinyConfig({ adapter: { type: "adapter", params: { grid_size: 19, transform: "affine" } } });
    const { readout } = tinyConfig({ readout: { type: "linear", params: { bias: false } } });
    const [a, b] = TINY_SESSIONS;
    const names = [
      ...tinyTwin("fast", {}, [
        { ...a!, adapter },
        { ...b!, readout },
      ])
        .stateDict()
        .keys(),
    ];
    expect(names).toContain("adapters.0.affine");
    expect(names).toContain("adapters.1.log_scale");
    expect(names).toContain("readouts.0.mean");
    expect(names).toContain("readouts.1.fc.weight");
  });

  test("names a v1 model's parts in the singular", () => {
    using _scope = tensorScope();
    const change = { model_type: "v1", baseline: { enabled: true } };
    const names = [...tinyTwin("fast", change, TINY_SESSIONS.slice(0, 1)).stateDict().keys()];
    for (const name of ["adapter.log_scale", "readout.mean", "baseline"]) expect(names).toContain(name);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      "a GRU over frames of unknown size",
      { adapter: { type: "none" }, recurrent: { type: "gru" } },
      /recurrent type gru reads whole frames, and the size of the stimuli is not known/,
    ],
    [
      "several channels in front of temporal kernels",
      { initial_input_channels: 2 },
      /frontend: a learnable_temporal frontend takes 1 input channel, found 2/,
    ],
    [
      "several channels in front of cones",
      { initial_input_channels: 3, frontend: { type: "da" } },
      /frontend: a da frontend takes 1 input channel, found 3/,
    ],
    [
      "a basis without functions",
      { frontend: { type: "temporal_basis", params: { num_cosine_funcs: 0 } } },
      /frontend\.params\.num_cosine_funcs: the basis has no functions/,
    ],
  ])("explains what cannot be built: %s", (_, change, message) => {
    const before = tensorStats().live;
    const build = () => buildModel(tinyConfig(change), TINY_SESSIONS, { generator: generator() });
    expect(build).toThrow(UserError);
    expect(build).toThrow(message);
    expect(tensorStats().live).toBe(before);
  });

  test.each(["v1", "v1multi"])("gives what follows a convgru modulator its width, also in %s models", (model_type) => {
    using _scope = tensorScope();
    const modulator = { type: "convgru", params: { behavior_dim: 4, hidden_dim: 7, beh_emb_dim: 3 } };
    const change = { model_type, modulator, recurrent: { type: "none" } };
    const twin = tinyTwin("fast", change, TINY_SESSIONS.slice(0, 1));
    expect(twin.readouts[0]!.stateDict().get("features.weight")!.shape).toEqual([3, 7, 1, 1]);
    const stimulus = zeros([2, 1, 9, 20, 20]);
    const [rates] = twin.forward([{ session: 0, stimulus, behavior: zeros([2, 4]) }]);
    expect(rates!.shape).toEqual([2, 3]);
  });

  test.each(["gru", "lstm"])("builds a %s for the size of the stimuli before anything runs", (type) => {
    using _scope = tensorScope();
    const config = tinyConfig({ adapter: { type: "none" }, recurrent: { type, params: { hidden_dim: 5 } } });
    const input = { frames: 9, height: 20, width: 22 };
    const twin = buildModel(config, TINY_SESSIONS, { generator: generator(), input });
    const [channels, , height, width] = describeModel(config, input, TINY_SESSIONS).findLast(({ path }) =>
      path.startsWith("convnet"),
    )!.output as [number, number, number, number];
    const rows = { gru: 15, lstm: 20 }[type]!;
    expect(twin.stateDict().get("recurrent.rnn.weight_ih_l0")!.shape).toEqual([rows, channels * height * width]);
    const seen = (w: number) => twin.forward([{ session: 0, stimulus: zeros([2, 1, 9, 20, w]), behavior: null }]);
    expect(seen(22)[0]!.shape).toEqual([2, 3]);
    expect(() => seen(24)).toThrow(`Cannot run the ${type}: it was built for features of 8 x 4 x 5`);
  });

  test("refuses a GRU over frames whose size depends on the session", () => {
    const before = tensorStats().live;
    const other = AdapterSchema.parse({ type: "adapter", params: { grid_size: 23 } });
    const sessions = TINY_SESSIONS.map((session, i) => (i === 1 ? { ...session, adapter: other } : session));
    const build = () => buildModel(tinyConfig({ recurrent: { type: "gru" } }), sessions, { generator: generator() });
    expect(build).toThrow(
      "recurrent: type gru reads whole frames, and those of the sessions differ: 3 x 3, 5 x 5 pixels",
    );
    expect(tensorStats().live).toBe(before);
  });

  test("tells cones the sampling rate", () => {
    using _scope = tensorScope();
    const filter = (sampling_rate: number) =>
      tinyTwin("fast", { sampling_rate, frontend: { type: "da" } })
        .stateDict()
        .get("frontend.Ky_filter")!;
    const peak = (rate: number) => ops.argmax(filter(rate).flip(2)).item();
    // 5 stages of 5 ms.
    expect([peak(240), peak(1000)]).toEqual([6, 25]);
  });

  test("names the block that does not fit, before anything is allocated", () => {
    const before = tensorStats().live;
    const input = { frames: 9, height: 20, width: 20 };
    const small = tinyConfig({ adapter: { type: "adapter", params: { grid_size: 12 } } });
    const build = () => buildModel(small, TINY_SESSIONS, { generator: generator(), input });
    expect(build).toThrow("convnet.params.block_configs.1: the kernel spans 3 rows, its input has 2");
    expect(tensorStats().live).toBe(before);
  });

  test("refuses sessions without units, twice the same name, or several sessions of a v1 model", () => {
    const build =
      (sessions: typeof TINY_SESSIONS, change = {}) =>
      () =>
        buildModel(tinyConfig(change), sessions, { generator: generator() });
    expect(build([])).toThrow("without sessions");
    expect(build([{ name: "a", nUnits: 0 }])).toThrow('session "a" has 0 units');
    expect(build([TINY_SESSIONS[0]!, TINY_SESSIONS[0]!])).toThrow('two sessions are called "a"');
    expect(build(TINY_SESSIONS, { model_type: "v1" })).toThrow("for one session, 3 were given");
  });

  test("leaves the configuration alone", () => {
    using _scope = tensorScope();
    const config = parseModelConfig(TINY_CONFIG);
    const copy = structuredClone(config);
    buildModel(config, TINY_SESSIONS, { generator: generator() });
    expect(config).toEqual(copy);
  });

  test("builds the shipped flagship with the published number of parameters", () => {
    using _scope = tensorScope();
    const file = "../../experiments/model_configs/learned_resnet_none_convgru_gaussian.yaml";
    const { config } = loadModelConfig(fileURLToPath(new URL(file, import.meta.url)));
    const sessions = [8, 12].map((nUnits, i) => ({ name: `s${i}`, nUnits }));
    const twin = buildModel(config, sessions, { generator: generator() });
    const count = [...twin.namedParameters()].reduce((sum, { tensor }) => sum + tensor.numel, 0);
    expect(count).toBe(4_324_057);
    twin.dispose();
  });
});
