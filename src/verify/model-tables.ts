/**
 * @file Golden tables (windows, padding, initial values, state dicts) and losses.
 */

import { loadModelConfig } from "../config/load.ts";
import { FrontendSchema } from "../config/sections.ts";
import { toFloat64 } from "../formats/array.ts";
import { buildModel, makeFrontend } from "../models/build.ts";
import { poissonLoss } from "../models/losses.ts";
import { Adapter, blurKernel } from "../models/modules/adapter.ts";
import { framePadding } from "../models/modules/block.ts";
import { initialKernels, type KernelInit } from "../models/modules/frontend.ts";
import { type Triple, triple } from "../models/modules/layer.ts";
import { type WindowOptions, windowMask, windowTaps } from "../models/modules/window.ts";
import { paddingOf } from "../models/options.ts";
import { type RaisedCosineParams, raisedCosineBasis } from "../signal/raised-cosine.ts";
import { fromArray, type Tensor, tensor, tensorScope } from "../torch/index.ts";
import { biasForRate } from "../training/bias-init.ts";
import { BitsPerSpike } from "../training/bits-per-spike.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase, skippedCase } from "./golden.ts";
import { freshContext } from "./model-components.ts";
import { modelConfigPath } from "./model-fullsize.ts";

/** A golden table of the models. */
export function verifyTable(folder: string, name: string): CaseResult[] {
  switch (name) {
    case "table_windows":
      return [scoped(name, (comparison) => compareWindows(comparison, readGolden(folder, name)))];
    case "table_padding":
      return [scoped(name, (comparison) => comparePadding(comparison, readGolden(folder, name)))];
    case "table_raised_cosine_basis":
      return [scoped(name, (comparison) => compareBases(comparison, readGolden(folder, name)))];
    case "table_initial_values":
      return verifyInitialValues(folder, name);
    case "table_state_dict_keys":
      return verifyStateDicts(folder, name);
    default:
      return [skippedCase(name, "not a table this version knows")];
  }
}

function scoped(name: string, body: (comparison: Comparison) => void): CaseResult {
  using _scope = tensorScope();
  return runCase(name, body);
}

// --- windows and padding -----------------------------------------------------------------------------------------------

interface WindowTable {
  windows: { key: string; window: WindowOptions["type"]; size: number; kwargs: Omit<WindowOptions, "type"> }[];
  masks: { key: string; kernel_size: Triple; window: WindowOptions["type"]; kwargs: Omit<WindowOptions, "type"> }[];
}

const WINDOW_TOLERANCE = { atol: 1e-6, rtol: 2e-6 };

function compareWindows(comparison: Comparison, golden: GoldenFile<WindowTable>): void {
  for (const { key, window, size, kwargs } of golden.json.windows) {
    const taps = windowTaps(size, { type: window, ...kwargs });
    comparison.close(`${window} of ${size} taps (${key})`, taps, golden.tensor(key), WINDOW_TOLERANCE);
  }
  for (const { key, kernel_size, window, kwargs } of golden.json.masks) {
    const mask = windowMask(kernel_size, { type: window, ...kwargs });
    comparison.close(`${window} mask (${key})`, mask.toArray(), golden.tensor(key), WINDOW_TOLERANCE);
  }
}

interface PaddingTable {
  entries: {
    kernel_size: number | Triple;
    dilation: number | Triple;
    padding: number | number[] | null;
    causal: boolean;
    pad_W_H_T: number[];
  }[];
}

function comparePadding(comparison: Comparison, golden: GoldenFile<PaddingTable>): void {
  for (const entry of golden.json.entries) {
    const { kernel_size, dilation, padding, causal, pad_W_H_T } = entry;
    const padded = framePadding(triple(kernel_size), triple(dilation), paddingOf(padding ?? 0), causal);
    comparison.same(JSON.stringify(entry), padded.toReversed().flat(), pad_W_H_T);
  }
}

// --- raised-cosine bases ----------------------------------------------------------------------------------------------

interface BasisTable {
  bases: { key: string; args: Omit<RaisedCosineParams, "orthogonalize"> & { orthogonalize?: boolean } }[];
  tolerance: { absolute: number };
}

function compareBases(comparison: Comparison, golden: GoldenFile<BasisTable>): void {
  const tolerance = { atol: golden.json.tolerance.absolute, rtol: 0 };
  for (const { key, args } of golden.json.bases) {
    const rows = raisedCosineBasis({ orthogonalize: false, ...args });
    const basis = tensor(
      rows.flatMap((row) => [...row]),
      [rows.length, 1, rows[0]!.length],
    );
    comparison.close(`${key} ${JSON.stringify(args)}`, basis.toArray(), golden.tensor(key), tolerance);
  }
}

// --- initial values ----------------------------------------------------------------------------------------------------

interface InitialValues {
  entries: {
    key: string;
    kernel_size: number;
    num_channels: number;
    init_type: Exclude<KernelInit, "random">;
    args?: Record<string, unknown>;
  }[];
}

const INITIAL_TOLERANCE = { atol: 1e-6, rtol: 2e-6 };

function verifyInitialValues(folder: string, name: string): CaseResult[] {
  const golden = readGolden<InitialValues>(folder, name);
  const context = freshContext("fast");
  const temporal = golden.json.entries.filter(({ key }) => key.startsWith("learnable_temporal."));
  return [
    scoped(`${name}/learnable_temporal`, (comparison) => {
      for (const { key, kernel_size, num_channels, init_type } of temporal) {
        const kernels = initialKernels(init_type, kernel_size, num_channels, context);
        const shaped = kernels.reshape([num_channels, 1, kernel_size, 1, 1]);
        comparison.close(key, shaped.toArray(), golden.tensor(key), INITIAL_TOLERANCE);
      }
    }),
    scoped(`${name}/adapter`, (comparison) => compareAdapterValues(comparison, golden)),
    scoped(`${name}/da`, (comparison) => compareConeFilters(comparison, golden)),
    scoped(`${name}/bias_init`, (comparison) => compareBiases(comparison, golden)),
    skippedCase(`${name}/steerable`, "a bank of steerable filters that no configuration reaches: left out"),
  ];
}

function compareConeFilters(comparison: Comparison, golden: GoldenFile<InitialValues>): void {
  for (const { key, args } of golden.json.entries.filter((entry) => entry.key.startsWith("da."))) {
    const { sampling_rate = 240, ...params } = args as Record<string, number>;
    const parsed = FrontendSchema.parse({ type: "da", params });
    const frontend = makeFrontend(parsed, { channels: 1, samplingRate: sampling_rate }, freshContext("fast"));
    const state = frontend.layer.stateDict();
    for (const filter of ["Ky", "Kz"]) {
      const stored = state.get(`${filter}_filter`)!;
      comparison.close(`${key}.${filter}`, stored.toArray(), golden.tensor(`${key}.${filter}`), INITIAL_TOLERANCE);
    }
  }
}

function compareBiases(comparison: Comparison, golden: GoldenFile<InitialValues>): void {
  const rates = toFloat64(golden.tensor("bias_init.rates"));
  for (const kind of ["softplus", "log"]) {
    const biases = rates.map((rate) => biasForRate(rate, kind === "log"));
    comparison.close(`bias for ${kind} rates`, biases, golden.tensor(`bias_init.${kind}`), INITIAL_TOLERANCE);
  }
}

function compareAdapterValues(comparison: Comparison, golden: GoldenFile<InitialValues>): void {
  const values = (initSigma: number, transform: "scale" | "affine") => {
    const options = { initSigma, gridSize: 51, transform, initScale: null, differentiateSigma: false } as const;
    const adapter = new Adapter({ ...options, blurKernel: "reference" }, freshContext("fast"));
    return new Map([...adapter.stateDict(), ...[...adapter.namedBuffers()].map((b) => [b.name, b.tensor] as const)]);
  };
  const close = (key: string, value: Tensor) =>
    comparison.close(key, value.contiguous().toArray(), golden.tensor(`adapter.${key}`), INITIAL_TOLERANCE);
  for (const sigma of ["0.3", "0.6", "1.0", "2.2"]) {
    close(`log_sigma.${sigma}`, values(Number(sigma), "scale").get("log_sigma")!.view([1]));
  }
  close("log_scale", values(1, "scale").get("log_scale")!);
  close("affine", values(1, "affine").get("affine")!);
  close("base_grid_51_row0", values(1, "scale").get("base_grid")!.select(0, 0));
  // keys name the length of the kernel and its width
  for (const [taps, sigma] of [
    [13, "2.2"],
    [5, "0.8"],
    [7, "1.0187"],
  ] as const) {
    close(`blur_kernel.${taps}.${sigma}`, blurKernel(tensor(Number(sigma), []), "reference"));
  }
}

// --- state dicts of the shipped configurations --------------------------------------------------------------------------

interface StateTensor {
  name: string;
  shape: number[];
  kind: "parameter" | "buffer";
  requires_grad?: boolean;
  initial_constant?: number;
  initial_std?: number;
}

interface StateDictTable {
  configs: Record<
    string,
    {
      dataset_units: number[];
      total_parameters: number;
      trainable_parameters: number;
      state_dict: StateTensor[];
      optimizer_parameter_order: string[];
    }
  >;
}

/** Draws of another random stream agree with the reference's to this fraction of their standard deviation. */
const STD_TOLERANCE = 0.1;
/** Fewer numbers than this say too little about their distribution. */
const ENOUGH_DRAWS = 1000;

function verifyStateDicts(folder: string, name: string): CaseResult[] {
  const { configs } = readGolden<StateDictTable>(folder, name).json;
  return Object.entries(configs).map(([config, expected]) => {
    const label = `${name}/${config}`;
    // The published cones model cannot run; the patched one has the same state.
    const file = config === "cones_res_small_gru_optimized" ? `${config}_patched.yaml` : `${config}.yaml`;
    const loaded = loadModelConfig(modelConfigPath(file)).config;
    const sessions = expected.dataset_units.map((nUnits, i) => ({ name: `session${i}`, nUnits }));
    using _scope = tensorScope();
    const twin = buildModel(loaded, sessions, freshContext("fast"));
    const result = runCase(label, (comparison) => compareState(comparison, twin, expected));
    twin.dispose();
    return result;
  });
}

function compareState(
  comparison: Comparison,
  twin: ReturnType<typeof buildModel>,
  expected: StateDictTable["configs"][string],
): void {
  const state = twin.stateDict();
  const parameters = [...twin.namedParameters()];
  const elements = (tensors: typeof parameters) => tensors.reduce((sum, { tensor }) => sum + tensor.numel, 0);
  const shapes = [...state].map(([key, { shape }]) => [key, shape]);
  comparison.same(
    "names and shapes",
    shapes,
    expected.state_dict.map((entry) => [entry.name, entry.shape]),
  );
  comparison.same(
    "order of parameters",
    parameters.map((p) => p.name),
    expected.optimizer_parameter_order,
  );
  comparison.same("parameter elements", elements(parameters), expected.total_parameters);
  const trainable = parameters.filter(({ tensor }) => tensor.requiresGrad);
  comparison.same("trainable elements", elements(trainable), expected.trainable_parameters);
  for (const entry of expected.state_dict) {
    const value = state.get(entry.name)!.detach();
    if (entry.kind === "parameter") {
      comparison.same(`${entry.name} is trainable`, state.get(entry.name)!.requiresGrad, entry.requires_grad);
    }
    if (entry.initial_constant !== undefined) {
      const constant = new Float32Array(value.numel).fill(entry.initial_constant);
      comparison.close(`start of ${entry.name}`, value.reshape([-1]).toTypedArray() as Float32Array, constant);
    } else if (entry.initial_std !== undefined && value.numel >= ENOUGH_DRAWS) {
      const std = value.sub(value.mean()).square().mean().sqrt().item();
      comparison.relative(`spread of ${entry.name}`, [std], [entry.initial_std], STD_TOLERANCE);
    }
  }
}

// --- losses ------------------------------------------------------------------------------------------------------------

interface LossTable {
  entries: { key: string; log_input?: boolean; mask: string | null }[];
  tolerance: { relative: number; absolute: number };
}

/** Masked Poisson losses, with the reference's rule for masks of one column. */
export function verifyLosses(folder: string, name: string, device: string): CaseResult[] {
  const golden = readGolden<LossTable>(folder, name);
  const { relative: rtol, absolute: atol } = golden.json.tolerance;
  const onDevice = (key: string) => fromArray(golden.tensor(key)).to({ device });
  const losses = golden.json.entries.filter(({ key }) => key.startsWith("masked_poisson."));
  return [
    scoped(name, (comparison) => {
      for (const { key, log_input: logInput = false, mask } of losses) {
        const prediction = onDevice(logInput ? "log_pred" : "pred").setRequiresGrad();
        const weights = mask === null ? null : onDevice(mask);
        const loss = poissonLoss(prediction, onDevice("obs"), weights, { logInput, legacyMask: true });
        loss.backward();
        comparison.close(`${key}.value`, loss.view([1]).toArray(), golden.tensor(`${key}.value`), { atol, rtol });
        comparison.close(`${key}.grad`, prediction.grad!.toArray(), golden.tensor(`${key}.grad`), { atol, rtol });
      }
    }),
    scoped(`${name}/bits_per_spike`, (comparison) => compareScores(comparison, golden)),
  ];
}

/** Bits per spike of the same predictions, in one piece and in two. */
function compareScores(comparison: Comparison, golden: GoldenFile<LossTable>): void {
  const { relative: rtol, absolute: atol } = golden.json.tolerance;
  const [prediction, counts] = ["pred", "obs"].map((key) => fromArray(golden.tensor(key))) as [Tensor, Tensor];
  const close = (key: string, scores: Float64Array) =>
    comparison.close(key, scores, golden.tensor(`bits_per_spike.${key}`), { atol, rtol });
  for (const key of ["none", "mask2d", "maskcol", "maskzero", "maskweight"]) {
    close(key, bitsPerSpikeOf([[prediction, counts, key === "none" ? null : fromArray(golden.tensor(key))]]));
  }
  // One unit by itself; the case used the second.
  const unit = [prediction, counts].map((values) => values.select(1, 1)) as [Tensor, Tensor];
  close("mask1d_as_1d_inputs", bitsPerSpikeOf([[...unit, fromArray(golden.tensor("mask1d"))]]));
  const all = [prediction, counts, fromArray(golden.tensor("mask2d"))];
  const halves = [0, 3].map(
    (start) => all.map((values) => values.slice(0, start, start + 3)) as [Tensor, Tensor, Tensor],
  );
  close("aggregated_mask2d", bitsPerSpikeOf(halves));
}

/** Scores per unit of batches of predictions, counts and masks. */
function bitsPerSpikeOf(batches: readonly [prediction: Tensor, counts: Tensor, mask: Tensor | null][]): Float64Array {
  const scorer = new BitsPerSpike(batches[0]![0].shape[1] ?? 1, { poisonMasked: true });
  for (const batch of batches) scorer.add(...batch);
  const scores = scorer.scores({ silent: "formula" });
  scorer.dispose();
  return scores;
}
