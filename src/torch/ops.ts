/**
 * @file Operators by name: `ops.conv3d(x, w)`, `ops.add.Tensor(a, b)`, and named arguments in a last plain object,
 * `ops.full([2], 0, { dtype: "float32" })`. Each is resolved through libtorch's dispatcher the first time it is used.
 *
 * Traps: a whole-numbered JavaScript number becomes an int64 scalar, so factories must always say their dtype.
 */

import { UserError } from "../errors.ts";
import { Generator } from "./generator.ts";
import { type Handle, native } from "./native.ts";
import { type Ops, OVERLOADS } from "./ops.generated.ts";
import { Tensor } from "./tensor.ts";

/** Replaces tensors by handles; lists and named arguments are copied, never changed. */
function unwrap(value: unknown): unknown {
  if (value instanceof Tensor) return value.handle;
  if (value instanceof Generator) return value.id;
  if (Array.isArray(value)) return typeof value[0] === "object" ? value.map(unwrap) : value;
  if (typeof value === "object" && value !== null) {
    const named: Record<string, unknown> = {};
    for (const key in value) named[key] = unwrap((value as Record<string, unknown>)[key]);
    return named;
  }
  return value;
}

function bind(name: string, overload: string): (...args: unknown[]) => unknown {
  const kind = OVERLOADS[name]![overload]!;
  const operator = native().resolve(name, overload);
  if (!operator) {
    throw new UserError(`libtorch ${native().version()} has no operator aten::${name}${overload && `.${overload}`}`, {
      hint: "Use a newer libtorch: npx visioncore setup --install",
    });
  }
  return (...args) => {
    const self = args[0];
    for (let i = 0; i < args.length; i++) if (typeof args[i] === "object") args[i] = unwrap(args[i]);
    const out = operator(...args);
    switch (kind) {
      case "T":
        return Tensor.wrap(out as Handle);
      case "S":
        return self;
      case "V":
        return out;
      default:
        return (out as (Handle | null)[]).map((handle) => (handle === null ? null : Tensor.wrap(handle)));
    }
  };
}

/** Defines a property that is computed at its first use. */
function lazily(target: object, key: string, make: () => unknown): void {
  Object.defineProperty(target, key, {
    configurable: true,
    get() {
      const value = make();
      Object.defineProperty(target, key, { value });
      return value;
    },
  });
}

function entry(name: string): unknown {
  const overloads = Object.keys(OVERLOADS[name]!);
  const callable: object = overloads.includes("") ? bind(name, "") : {};
  for (const overload of overloads) if (overload) lazily(callable, overload, () => bind(name, overload));
  return callable;
}

/** Whether the installed libtorch has an operator (older releases lack a few, such as the fused optimisers). */
export function hasOperator(name: string, overload = ""): boolean {
  return native().resolve(name, overload) !== null;
}

/** See the file comment. */
export const ops = {} as Ops;
for (const name of Object.keys(OVERLOADS)) lazily(ops, name, () => entry(name));
