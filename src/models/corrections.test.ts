/**
 * @file What the keys of docs/corrections.md change in a model, and that the example files switch them on.
 */

import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import { type AdapterConfig, type ModelConfig, parseModelConfig } from "../config/model.ts";
import { Generator, linspace, type NamedTensor, setNumThreads, tensorScope, zeros } from "../torch/index.ts";
import { buildModel, makeAdapter, makeFrontend } from "./build.ts";
import { context } from "./comparison.fake.ts";
import { lagReport } from "./lag-report.ts";

setNumThreads(1);

const CORRECTIONS = { blur_kernel: "centred", differentiate_sigma: true, init_scale: 1 } as const;
const PAIRS = [
  ["corrected_resnet_none_convgru_gaussian", "learned_resnet_none_convgru_gaussian"],
  ["corrected_resnet_none_none_gaussian", "learned_resnet_none_none_gaussian"],
] as const;

function shipped(name: string): ModelConfig {
  const path = `../../experiments/model_configs/${name}.yaml`;
  return loadModelConfig(fileURLToPath(new URL(path, import.meta.url))).config;
}

describe.each(PAIRS)("%s", (name, reference) => {
  test("differs from the reference's model in the corrections alone", () => {
    const { adapter, frontend, convnet, readout, ...rest } = shipped(reference);
    // Keys that nothing reads have been left out of the new file.
    const without = (params: object, key: string) =>
      Object.fromEntries(Object.entries(params).filter(([k]) => k !== key));
    const { causal: _, ...kernels } = frontend.params as Record<string, unknown>;
    expect(shipped(name)).toEqual({
      ...rest,
      lag_order: "oldest_first",
      adapter: { type: "adapter", params: { ...adapter.params, ...CORRECTIONS } },
      frontend: { type: frontend.type, params: { ...kernels, apply_init: true } },
      convnet: { type: convnet.type, params: without(convnet.params, "checkpointing") },
      readout: { type: readout.type, params: without(readout.params, "n_units") },
    });
  });

  test("builds, and sees the newest lags", () => {
    const config = shipped(name);
    const twin = buildModel(config, [{ name: "s", nUnits: 3 }], { generator: new Generator(0) });
    twin.dispose();
    const lags = Array.from({ length: 33 }, (_, lag) => lag);
    const { seen, warnings } = lagReport(config, { lags, rateHz: 120 })!;
    expect(seen.slice(0, 3)).toEqual([1, 2, 3]);
    expect(warnings).toEqual([]);
  });
});

describe("the adapter's corrections", () => {
  const SIZE = 21;
  const MIDDLE = (SIZE - 1) / 2;

  /** Where a new adapter puts a spot in the middle of the frame, in pixels of its grid, x and y. */
  function imageOfMiddle(changes: object): [number, number] {
    using _scope = tensorScope();
    const { adapter } = parseModelConfig({
      adapter: { type: "adapter", params: { grid_size: SIZE, ...changes } },
      convnet: { type: "none" },
    });
    const frame = zeros([1, 1, 1, SIZE, SIZE]);
    frame.select(3, MIDDLE).select(3, MIDDLE).fill_(1);
    const image = makeAdapter(adapter as AdapterConfig, context())
      .forward(frame)
      .detach();
    const axis = linspace(0, SIZE - 1, SIZE);
    const total = image.sum().item();
    return [image.mul(axis), image.mul(axis.view([SIZE, 1]))].map((part) => part.sum().item() / total) as [
      number,
      number,
    ];
  }

  test("blur_kernel: centred leaves a spot in the middle where it is; the reference's shifts it half a pixel", () => {
    for (const position of imageOfMiddle(CORRECTIONS)) expect(position).toBeCloseTo(MIDDLE, 3);
    for (const position of imageOfMiddle({ init_scale: 1 })) expect(position).toBeCloseTo(MIDDLE - 0.5, 1);
  });
});

describe("apply_init", () => {
  /** First temporal kernel of a new model, newest lag first. */
  function firstKernel(changes: object): Float32Array {
    using _scope = tensorScope();
    const { frontend, sampling_rate } = parseModelConfig({
      frontend: { type: "learnable_temporal", params: { aa_signal: true, ...changes } },
      convnet: { type: "none" },
    });
    const { layer } = makeFrontend(frontend, { channels: 1, samplingRate: sampling_rate }, context());
    const [{ tensor }] = [...layer.namedParameters()] as [NamedTensor];
    return tensor.detach().select(0, 0).flatten().toTypedArray() as Float32Array;
  }

  test("starts a windowed kernel as the Gaussian that init_type promises", () => {
    const gaussian = Array.from({ length: 16 }, (_, i) => Math.exp(-((i - 7.5) ** 2) / (2 * (16 / 6) ** 2)));
    const norm = Math.hypot(...gaussian);
    const distance = (kernel: Float32Array) => Math.max(...kernel.map((tap, i) => Math.abs(tap - gaussian[i]! / norm)));
    expect(distance(firstKernel({ apply_init: true }))).toBeLessThan(1e-6);
    expect(distance(firstKernel({}))).toBeGreaterThan(0.1);
  });
});
