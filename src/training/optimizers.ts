/**
 * @file Which parameters are optimised how (training specification, section 10, with its fixes T-01 and T-02).
 */

import type { AdamW, NamedTensor, ParameterGroup } from "../torch/index.ts";

/** Rates and decay of a run. */
export interface ParameterGroupOptions {
  /** Rate of adapters, recurrent stage, readouts and history networks, the "head". */
  learningRate: number;
  /** The core's rate as a multiple of `learningRate`. */
  coreLrScale: number;
  weightDecay: number;
  /** Parameters that a penalty already shrinks, by name. */
  excludedFromDecay?: ReadonlySet<string>;
}

/**
 * AdamW's parameter groups: "core, decayed", "core", "head, decayed", "head", those that have members.
 *
 * The core is frontend, convnet and modulator; the recurrent stage counts as head, as in the reference. Decayed are plain
 * weights with two or more axes; weight-normalised and windowed kernels go by other names and never are. Frozen parameters
 * are in no group.
 *
 * @param parameters in module order
 */
export function parameterGroups(
  parameters: Iterable<NamedTensor>,
  { learningRate, coreLrScale, weightDecay, excludedFromDecay = new Set() }: ParameterGroupOptions,
): ParameterGroup[] {
  const coreRate = learningRate * coreLrScale;
  const groups: ParameterGroup[] = [
    { name: "core, decayed", parameters: [], lr: coreRate, weightDecay },
    { name: "core", parameters: [], lr: coreRate, weightDecay: 0 },
    { name: "head, decayed", parameters: [], lr: learningRate, weightDecay },
    { name: "head", parameters: [], lr: learningRate, weightDecay: 0 },
  ];
  for (const parameter of parameters) {
    const { name, tensor } = parameter;
    if (!tensor.requiresGrad) continue;
    const decayed = name.endsWith(".weight") && tensor.ndim >= 2 && !excludedFromDecay.has(name);
    groups[(isCore(name) ? 0 : 2) + (decayed ? 0 : 1)]!.parameters.push(parameter);
  }
  return groups.filter((group) => group.parameters.length > 0);
}

function isCore(name: string): boolean {
  return /frontend|convnet|modulator/.test(name);
}

/** Names under which trackers know the groups' rates: `lr-AdamW`, or `lr-AdamW/pg1`, `lr-AdamW/pg2`, ... for several. */
export function rateKeys({ groups }: AdamW): string[] {
  return groups.length === 1 ? ["lr-AdamW"] : groups.map((_, i) => `lr-AdamW/pg${i + 1}`);
}
