/**
 * @file Full-size models whose weights and inputs come from an integer hash, so that no weight file is needed.
 */

import { fileURLToPath } from "node:url";
import { loadModelConfig } from "../config/load.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import { buildModel } from "../models/build.ts";
import type { Formulation } from "../models/modules/layer.ts";
import type { Twin } from "../models/twin.ts";
import { noGrad, type Tensor, tensor, tensorScope } from "../torch/index.ts";
import { type CaseResult, type Comparison, readGolden, runCase } from "./golden.ts";
import { freshContext, type NamedTensors, sessionInput, stagesOf } from "./model-components.ts";

/** Where a shipped model configuration lies. */
export function modelConfigPath(file: string): string {
  return fileURLToPath(new URL(`../../experiments/model_configs/${file}`, import.meta.url));
}

interface Fill {
  name: string;
  shape: number[];
  base: number;
  amp: number;
  normalize?: boolean;
}

interface StageStatistics {
  shape: number[];
  mean: number;
  rms: number;
  min: number;
  max: number;
  sample_index: number[];
  sample: number[];
  float32_err: number;
}

interface FullSizeJson {
  config_file: string;
  dataset_units: number[];
  parameter_count: number;
  fill: Fill[];
  runs: {
    batch: number;
    lags: number;
    inputs: (Fill & { arg: string })[];
    out0: number[][];
    out1: number[][];
    stages: Record<string, StageStatistics>;
  }[];
}

const OUTPUT_TOLERANCE = 1e-5;
const FORMULATIONS: readonly Formulation[] = ["fast", "reference"];

/** A full-size model, forward, in both formulations. */
export function verifyFullSizeModel(folder: string, name: string, device: string): CaseResult[] {
  const { json } = readGolden<FullSizeJson>(folder, name);
  // The case names the published file, which cannot run, and was computed with the patched one.
  const file = name.endsWith("_patched") ? json.config_file.replace(".yaml", "_patched.yaml") : json.config_file;
  const { config } = loadModelConfig(modelConfigPath(file));
  const sessions = json.dataset_units.map((nUnits, i) => ({ name: `session${i}`, nUnits }));
  return FORMULATIONS.map((formulation) => {
    const label = `${name} (${formulation})`;
    using _scope = tensorScope();
    const twin = buildModel(config, sessions, freshContext(formulation));
    const result = runCase(label, (comparison) => compareTwin(comparison, twin, json, device));
    twin.dispose();
    return result;
  });
}

function compareTwin(comparison: Comparison, twin: Twin, json: FullSizeJson, device: string): void {
  const elements = [...twin.namedParameters()].reduce((sum, { tensor }) => sum + tensor.numel, 0);
  comparison.same("number of parameter elements", elements, json.parameter_count);
  const state = new Map(json.fill.map((fill) => [fill.name, hashTensor(`state.${fill.name}`, fill)]));
  const { unexpected, misshapen } = twin.loadStateDict(state, { strict: false });
  comparison.same("state fits", [unexpected, misshapen], [[], []]);
  twin.to({ device }).eval();
  for (const run of json.runs) {
    using _scope = tensorScope();
    const inputs = new Map(run.inputs.map((fill) => [fill.arg, hashTensor(fill.name, fill).to({ device })]));
    noGrad(() => compareRun(comparison, twin, inputs, run));
  }
}

function compareRun(
  comparison: Comparison,
  twin: Twin,
  inputs: NamedTensors,
  { lags, out0, out1, stages }: FullSizeJson["runs"][number],
): void {
  const outputs = twin.forward([0, 1].map((session) => sessionInput(inputs, session)));
  for (const [i, expected] of [out0, out1].entries()) {
    const what = `output ${i} at ${lags} lags`;
    comparison.relative(what, outputs[i]!.reshape([-1]).toArray(), expected.flat(), OUTPUT_TOLERANCE);
  }
  const actual = stagesOf(twin, inputs);
  for (const [stage, expected] of Object.entries(stages)) {
    const value = actual.get(stage)!;
    // A recurrent stage that keeps only its last state has no statistics over all of them to compare.
    if (stage === "recurrent" && value.shape[2]! < expected.shape[2]!) continue;
    compareStage(comparison, `${stage} at ${lags} lags`, value, expected);
  }
}

function compareStage(comparison: Comparison, what: string, stage: NdArray, expected: StageStatistics): void {
  comparison.same(`shape of ${what}`, stage.shape, expected.shape);
  const tolerance = Math.max(1e-6, 20 * expected.float32_err);
  const values = toFloat64(stage);
  const scale = Math.max(Math.abs(expected.min), Math.abs(expected.max));
  const sample = expected.sample_index.map((index) => values[index]! / scale);
  const deviation = sample.map((value, i) => Math.abs(value - expected.sample[i]! / scale));
  comparison.close(`samples of ${what}`, deviation, new Array<number>(sample.length).fill(0), {
    atol: tolerance,
    rtol: 0,
  });
  const sum = (f: (value: number) => number) => values.reduce((total, value) => total + f(value), 0) / values.length;
  const statistics = {
    mean: sum((value) => value),
    rms: Math.sqrt(sum((value) => value ** 2)),
    min: values.reduce((a, b) => Math.min(a, b)),
    max: values.reduce((a, b) => Math.max(a, b)),
  };
  for (const [key, value] of Object.entries(statistics)) {
    const atol = tolerance * expected.rms;
    comparison.close(`${key} of ${what}`, [value], [expected[key as keyof typeof statistics]], { atol, rtol: 0 });
  }
}

/** FNV-1a, 32 bits, of the UTF-8 bytes of a text. */
export function fnv1a(text: string): number {
  let hash = 2166136261;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 16777619);
  return hash >>> 0;
}

/** Element `i` of the hashed sequence `name`: `base + amp * u`, u in [-1, 1). */
export function hashValue(nameHash: number, i: number, { base, amp }: Pick<Fill, "base" | "amp">): number {
  let h = (Math.imul(i, 0x9e3779b1) + Math.imul(nameHash, 0x85ebca77) + 0x27220a95) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  return base + amp * (2 * ((h >>> 0) / 2 ** 32) - 1);
}

function hashTensor(name: string, fill: Fill): Tensor {
  const count = fill.shape.reduce((product, n) => product * n, 1);
  const nameHash = fnv1a(name);
  const values = Float64Array.from({ length: count }, (_, i) => hashValue(nameHash, i, fill));
  const norm = fill.normalize ? Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0)) : 1;
  return tensor(
    Float32Array.from(values, (value) => value / norm),
    fill.shape,
  );
}
