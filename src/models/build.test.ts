import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import { parseModelConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import { Generator, tensorScope, tensorStats } from "../torch/index.ts";
import { buildModel } from "./build.ts";
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
    ["lstm", { recurrent: { type: "lstm" } }, /lstm recurrent is not available yet/],
    ["convgru modulator", { modulator: { type: "convgru" } }, /convgru modulator is not available yet/],
    ["dynamical adaptation", { frontend: { type: "da" } }, /da frontend is not available yet/],
    [
      "several channels in front of temporal kernels",
      { initial_input_channels: 2 },
      /frontend: .* takes 1 input channel, found 2/,
    ],
  ])("explains what cannot be built: %s", (_, change, message) => {
    const before = tensorStats().live;
    const build = () => buildModel(tinyConfig(change), TINY_SESSIONS, { generator: generator() });
    expect(build).toThrow(UserError);
    expect(build).toThrow(message);
    expect(tensorStats().live).toBe(before);
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
