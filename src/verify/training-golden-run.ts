/**
 * @file What golden training runs consist of: weights and batches (training specification, section 29).
 */
import type { SessionBatch } from "../data/loader.ts";
import type { Twin } from "../models/twin.ts";
import { fromArray, ops, scope } from "../torch/index.ts";
import type { GoldenFile } from "./golden.ts";

/** The reference keeps the network inside a training module of that name. */
export const PREFIX = "model.";

interface Batches {
  sessions: readonly { name: string }[];
  /** Batches have no stimulus. */
  modulator_only?: boolean;
}

/**
 * Gives a twin the weights `<prefix>.model.<name>`.
 *
 * @throws Error when one is missing or has another shape
 */
export function loadGoldenWeights(twin: Twin, golden: GoldenFile<unknown>, prefix: string): void {
  scope(() => {
    const names = [...twin.stateDict().keys()];
    const state = new Map(names.map((name) => [name, fromArray(golden.tensor(`${prefix}.${PREFIX}${name}`))]));
    const { missing, misshapen } = twin.loadStateDict(state);
    if (missing.length + misshapen.length > 0) {
      throw new Error(`cannot load ${missing.join()} ${JSON.stringify(misshapen)}`);
    }
  });
}

/** The groups of the batch `<prefix>.g0`, `<prefix>.g1`, ..., in the caller's scope. */
export function goldenBatch(
  golden: GoldenFile<Batches>,
  groups: readonly { dataset_idx: number }[],
  prefix: string,
): SessionBatch[] {
  return groups.map(({ dataset_idx: session }, j) => {
    const input = (key: string) => fromArray(golden.tensor(`${prefix}.g${j}.${key}`));
    const robs = input("robs");
    return {
      session,
      name: golden.json.sessions[session]!.name,
      stimulus: golden.json.modulator_only ? null : ops.div_.Scalar(input("stim_u8").float().sub(127), 255),
      robs,
      dfs: input("dfs"),
      behavior: golden.has(`${prefix}.g${j}.behavior`) ? input("behavior") : null,
      history: null,
      indices: new Int32Array(robs.size(0)),
    };
  });
}
