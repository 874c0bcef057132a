/**
 * @file Scopes own every tensor made inside them and free all of them at their end, but those returned or kept.
 *
 * @example
 * for (let step = 0; step < steps; step++) {
 *   using _scope = tensorScope();
 *   ...
 * }
 * const loss = scope(() => model.forward(x).sum()); // only the returned tensor survives
 *
 * A scope must not stay open across an `await`: other code could open one meanwhile, and they would interleave.
 */

import { native } from "./native.ts";
import { Tensor } from "./tensor.ts";

let depth = 0;

/** Whether a scope is open; tensors made now have an owner. */
export function insideScope(): boolean {
  return depth > 0;
}

function end(opened: number, kept: Tensor[]): void {
  native().scopeEnd(
    opened,
    kept.map((tensor) => tensor.handle),
  );
  depth = opened - 1;
}

/** Opens a scope for a block: `using _scope = tensorScope()`. */
export function tensorScope(): Disposable {
  const opened = native().scopeBegin();
  depth = opened;
  return { [Symbol.dispose]: () => end(opened, []) };
}

/**
 * Runs `body` in a scope of its own. Tensors in its result (also inside arrays, maps and plain objects) move to the
 * surrounding scope.
 */
export function scope<T>(body: () => T): T {
  const opened = native().scopeBegin();
  depth = opened;
  const kept: Tensor[] = [];
  try {
    const result = body();
    collect(result, kept);
    return result;
  } finally {
    end(opened, kept);
    if (opened === 1) for (const tensor of kept) tensor.keep();
  }
}

function collect(value: unknown, into: Tensor[]): void {
  if (value instanceof Tensor) into.push(value);
  else if (Array.isArray(value)) for (const item of value) collect(item, into);
  else if (value instanceof Map) for (const item of value.values()) collect(item, into);
  else if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) collect(item, into);
  }
}

/** Live tensors, bytes in the storages behind them, and tensors made since the start. A leak test compares two of these. */
export function tensorStats(): { live: number; bytes: number; created: number } {
  const { live, bytes, created } = native().stats();
  return { live, bytes, created };
}
