/**
 * @file Golden cases with stored weights: single components and reduced models, forward and backward.
 */

import { type NdArray, toFloat64 } from "../formats/array.ts";
import type { Formulation } from "../models/modules/layer.ts";
import { fromArray, noGrad, type Tensor, tensorScope } from "../torch/index.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";
import { buildComponent, buildTwin, type ComponentArgs, type GoldenModel, type Subject } from "./model-components.ts";

/** What the JSON of a case with weights says, as far as it is used. */
interface CaseJson {
  mode: "eval" | "train";
  config: { component: string; args: ComponentArgs } & GoldenModel;
  inputs: Record<string, number[]>;
  outputs: Record<string, number[]>;
  stages: Record<string, number[]>;
  state_dict_order: string[];
  parameters: { name: string; requires_grad: boolean; grad: "stored" | "none" | "frozen" }[];
  parameter_count: number;
  buffers_nonpersistent: string[];
  state_changed_by_forward: string[];
  tolerance: { forward: number; gradient: number };
}

const FORMULATIONS: readonly Formulation[] = ["fast", "reference"];

/** Gradients smaller than this are rounding noise. */
const SMALLEST_GRADIENT = 1e-7;
/** Other devices add up in another order. */
const DEVICE_FACTOR = 10;

/** A component in both formulations. */
export function verifyComponent(folder: string, name: string, device: string): CaseResult[] {
  return verify(folder, name, device, ({ config: { component, args }, inputs }, formulation) =>
    buildComponent(component, args, inputs, formulation),
  );
}

/** A reduced model in both formulations. */
export function verifyModel(folder: string, name: string, device: string): CaseResult[] {
  return verify(folder, name, device, ({ config, inputs }, formulation) => buildTwin(config, inputs, formulation));
}

function verify(
  folder: string,
  name: string,
  device: string,
  build: (json: CaseJson, formulation: Formulation) => Subject,
): CaseResult[] {
  const golden = readGolden<CaseJson>(folder, name);
  return FORMULATIONS.map((formulation) => {
    const label = `${name} (${formulation})`;
    using _scope = tensorScope();
    let subject: Subject;
    try {
      subject = build(golden.json, formulation);
    } catch (error) {
      return runCase(label, () => {
        throw error;
      });
    }
    const result = runCase(label, (comparison) => compare(comparison, golden, subject, device));
    subject.module.dispose();
    return result;
  });
}

function compare(comparison: Comparison, golden: GoldenFile<CaseJson>, subject: Subject, device: string): void {
  const { json } = golden;
  const { module } = subject;
  compareStructure(comparison, golden, subject);
  const onDevice = (name: string) => fromArray(golden.tensor(name)).to({ device });
  const state = new Map(json.state_dict_order.map((key) => [key, fromArray(golden.tensor(`state.${key}`))]));
  const { missing, unexpected, misshapen } = module.loadStateDict(state);
  comparison.same("state dict fits", [missing, unexpected, misshapen], [[], [], []]);
  module.to({ device }).train(json.mode === "train");

  const factor = device === "cpu" ? 1 : DEVICE_FACTOR;
  const forward = json.tolerance.forward * factor;
  const inputs = new Map(Object.keys(json.inputs).map((key) => [key, onDevice(`input.${key}`).setRequiresGrad()]));
  if (json.mode === "eval")
    compareStages(
      comparison,
      golden,
      noGrad(() => subject.stages(inputs)),
      forward,
    );

  const outputs = subject.run(inputs);
  const terms = Object.keys(json.outputs).map((key) =>
    outputs
      .get(key)!
      .mul(onDevice(`cotangent.${key}`))
      .sum(),
  );
  terms.reduce((sum, term) => sum.add(term)).backward();
  for (const key of Object.keys(json.outputs)) {
    comparison.relative(`output.${key}`, outputs.get(key)!.toArray(), golden.tensor(`output.${key}`), forward);
  }
  const gradient = (what: string, value: Tensor) => {
    const reference = golden.tensor(what);
    if (largest(reference) < SMALLEST_GRADIENT) return;
    comparison.relative(what, value.grad?.toArray() ?? [], reference, json.tolerance.gradient * factor);
  };
  for (const [key, input] of inputs) if (golden.has(`grad_input.${key}`)) gradient(`grad_input.${key}`, input);
  const parameters = new Map([...module.namedParameters()].map(({ name, tensor }) => [name, tensor]));
  for (const { name, grad } of json.parameters) {
    if (grad === "stored") gradient(`grad_param.${name}`, parameters.get(name)!);
    else comparison.same(`no gradient of ${name}`, largest(parameters.get(name)!.grad?.toArray()), 0);
  }
  const after = module.stateDict();
  for (const key of json.state_changed_by_forward) {
    comparison.relative(`state_after.${key}`, after.get(key)!.toArray(), golden.tensor(`state_after.${key}`), forward);
  }
}

/** Names, order and trainability of the state, and what is rebuilt from the configuration. */
function compareStructure(comparison: Comparison, golden: GoldenFile<CaseJson>, { module }: Subject): void {
  const { json } = golden;
  const parameters = [...module.namedParameters()];
  comparison.same("order of the state dict", [...module.stateDict().keys()], json.state_dict_order);
  comparison.same(
    "parameters",
    parameters.map(({ name, tensor }) => [name, tensor.requiresGrad]),
    json.parameters.map(({ name, requires_grad }) => [name, requires_grad]),
  );
  const elements = parameters.reduce((sum, { tensor }) => sum + tensor.numel, 0);
  comparison.same("number of parameter elements", elements, json.parameter_count);
  const buffers = new Map([...module.namedBuffers()].map(({ name, tensor }) => [name, tensor]));
  for (const name of json.buffers_nonpersistent) {
    const reference = golden.tensor(`buffer_nonpersistent.${name}`);
    comparison.relative(name, buffers.get(name)?.toArray() ?? [], reference, json.tolerance.forward);
  }
}

function compareStages(
  comparison: Comparison,
  golden: GoldenFile<CaseJson>,
  stages: ReadonlyMap<string, NdArray>,
  tolerance: number,
): void {
  for (const stage of Object.keys(golden.json.stages)) {
    const reference = golden.tensor(`stage.${stage}`);
    const actual = stages.get(stage);
    const read = stage === "recurrent" && actual ? lastFrames(reference, actual.shape[2]!) : reference;
    comparison.relative(`stage.${stage}`, actual ?? [], read, tolerance);
  }
}

/** The last frames of `[batch, channels, T, H, W]`: a recurrent stage may keep only those that are read. */
function lastFrames(features: NdArray, count: number): NdArray {
  return fromArray(features).slice(2, -count).contiguous().toArray();
}

/** Largest absolute value, 0 for nothing. */
function largest(array: NdArray | undefined): number {
  return array ? toFloat64(array).reduce((max, value) => Math.max(max, Math.abs(value)), 0) : 0;
}
