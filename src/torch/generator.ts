/**
 * @file Seeded random generators. Randomness is always passed in; nothing of ours reads global state but dropout, whose
 * operator takes no generator and uses the device's default one.
 */

import { native } from "./native.ts";
import { Tensor } from "./tensor.ts";

/** A random stream of its own, on the CPU unless said otherwise. Equal seeds give equal draws. */
export class Generator {
  readonly id: number;

  constructor(seed: number, device = "cpu") {
    this.id = native().createGenerator(seed, device);
  }

  /** The complete state, a uint8 tensor, for checkpoints. */
  getState(): Tensor {
    return Tensor.wrap(native().generatorState(this.id));
  }
  setState(state: Tensor): void {
    native().setGeneratorState(this.id, state.handle);
  }
}

/** Seeds a device's default generator, the one dropout draws from. */
export function seedDefaultGenerator(seed: number, device = "cpu"): void {
  native().seedDefault(seed, device);
}
/** State of a device's default generator. */
export function defaultGeneratorState(device = "cpu"): Tensor {
  return Tensor.wrap(native().defaultGeneratorState(device));
}
export function setDefaultGeneratorState(state: Tensor, device = "cpu"): void {
  native().setDefaultGeneratorState(device, state.handle);
}
