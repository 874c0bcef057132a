/**
 * @file Modules: named trees of parameters and buffers, with PyTorch's state_dict names and order.
 *
 * A subclass registers what it owns in its constructor, in the order the reference does:
 * `this.weight = this.parameter("weight", init)`, `this.conv = this.child("conv", new Conv3d(...))`.
 */

import { scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

/** A trainable (or frozen) tensor and its full name. */
export interface NamedTensor {
  name: string;
  tensor: Tensor;
}

interface Buffer {
  tensor: Tensor;
  persistent: boolean;
}

export abstract class Module {
  /** Training mode: dropout draws, batch statistics update. */
  training = true;
  readonly #parameters = new Map<string, Tensor>();
  readonly #buffers = new Map<string, Buffer>();
  readonly #children = new Map<string, Module>();
  readonly #aliases = new Map<string, Tensor>();
  #frozen = false;

  /** Registers a parameter under a local name and keeps it alive. Names may contain dots (parametrised weights do). */
  protected parameter(name: string, tensor: Tensor, requiresGrad = true): Tensor {
    this.#parameters.set(name, tensor.keep().setRequiresGrad(requiresGrad));
    return tensor;
  }

  /** Registers a tensor that is not trained. Persistent buffers are part of the state dict. */
  protected buffer(name: string, tensor: Tensor, persistent = true): Tensor {
    this.#buffers.set(name, { tensor: tensor.keep(), persistent });
    return tensor;
  }

  /** A second name under which the state dict lists a parameter that is registered elsewhere. */
  protected alias(name: string, tensor: Tensor): void {
    this.#aliases.set(name, tensor);
  }

  /** Registers a part. */
  protected child<M extends Module>(name: string, module: M): M {
    this.#children.set(name, module);
    return module;
  }

  /** Direct parts by name, in registration order. */
  children(): ReadonlyMap<string, Module> {
    return this.#children;
  }

  /** Every parameter of the tree, in PyTorch's order: own ones first, then the parts'. */
  *namedParameters(prefix = ""): Generator<NamedTensor> {
    for (const [name, tensor] of this.#parameters) yield { name: prefix + name, tensor };
    for (const [name, child] of this.#children) yield* child.namedParameters(`${prefix}${name}.`);
  }

  /** Every buffer of the tree. */
  *namedBuffers(prefix = "", { persistentOnly = false } = {}): Generator<NamedTensor> {
    for (const [name, { tensor, persistent }] of this.#buffers)
      if (persistent || !persistentOnly) yield { name: prefix + name, tensor };
    for (const [name, child] of this.#children) yield* child.namedBuffers(`${prefix}${name}.`, { persistentOnly });
  }

  /** Parameters and persistent buffers under PyTorch's names and in its order. The tensors are the live ones. */
  stateDict(prefix = "", into = new Map<string, Tensor>()): Map<string, Tensor> {
    for (const [name, tensor] of this.#parameters) into.set(prefix + name, tensor);
    for (const [name, { tensor, persistent }] of this.#buffers) if (persistent) into.set(prefix + name, tensor);
    for (const [name, child] of this.#children) child.stateDict(`${prefix}${name}.`, into);
    for (const [name, tensor] of this.#aliases) into.set(prefix + name, tensor);
    return into;
  }

  /**
   * Copies values into the module's own tensors.
   *
   * @returns the names that were missing, unexpected or of another shape; nothing is copied unless all three are empty
   *   or `strict` is false (then whatever fits is copied)
   */
  loadStateDict(state: ReadonlyMap<string, Tensor>, { strict = true } = {}): StateMismatch {
    const own = this.stateDict();
    const mismatch: StateMismatch = { missing: [], unexpected: [], misshapen: [] };
    for (const [name, tensor] of own) {
      const given = state.get(name);
      if (!given) mismatch.missing.push(name);
      else if (given.shape.join() !== tensor.shape.join())
        mismatch.misshapen.push({ name, expected: tensor.shape, found: given.shape });
    }
    for (const name of state.keys()) if (!own.has(name)) mismatch.unexpected.push(name);
    const clean = !mismatch.missing.length && !mismatch.unexpected.length && !mismatch.misshapen.length;
    if (strict && !clean) return mismatch;
    scope(() => {
      for (const [name, tensor] of own) {
        const given = state.get(name);
        if (given && given.shape.join() === tensor.shape.join()) tensor.detach().copy_(given);
      }
    });
    return mismatch;
  }

  /** Switches the whole tree to training or evaluation mode; parts that are frozen stay in evaluation mode. */
  train(on = true): this {
    this.training = on && !this.#frozen;
    for (const child of this.#children.values()) child.train(this.training);
    return this;
  }
  eval(): this {
    return this.train(false);
  }

  /** Ends training of the tree for good: parameters get no gradients, dropout and batch statistics rest. */
  freeze(): this {
    this.#frozen = true;
    this.setTrainable(false);
    return this.eval();
  }

  /** Marks every parameter of the tree as trainable or frozen. */
  setTrainable(on: boolean): void {
    for (const { tensor } of this.namedParameters()) tensor.setRequiresGrad(on);
  }

  /** Moves every tensor of the tree to a device and/or changes the element type of the floating ones. Drops gradients. */
  to({ device, dtype }: { device?: string; dtype?: "float32" | "float64" }): this {
    scope(() => {
      for (const { tensor } of [...this.namedParameters(), ...this.namedBuffers()]) {
        tensor.setGrad(null);
        const floating = tensor.dtype.startsWith("float");
        tensor.setData(
          tensor.detach().to({ device: device ?? tensor.device, dtype: floating && dtype ? dtype : tensor.dtype }),
        );
      }
    });
    return this;
  }

  /** Frees every tensor of the tree. */
  dispose(): void {
    for (const { tensor } of this.namedParameters()) tensor.dispose();
    for (const { tensor } of this.namedBuffers()) tensor.dispose();
  }
}

/** What keeps a state dict from fitting a module. */
export interface StateMismatch {
  missing: string[];
  unexpected: string[];
  misshapen: { name: string; expected: readonly number[]; found: readonly number[] }[];
}

/** A list of modules with the names "0", "1", ... */
export class ModuleList<M extends Module> extends Module {
  readonly items: readonly M[];

  constructor(items: readonly M[]) {
    super();
    this.items = items;
    for (const [i, item] of items.entries()) this.child(String(i), item);
  }
  at(index: number): M {
    const item = this.items[index];
    if (!item) throw new RangeError(`Cannot take module ${index}: the list has ${this.items.length}`);
    return item;
  }
}
