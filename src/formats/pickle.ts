/**
 * @file Reading Python pickles (protocols 2 to 5) without Python and without executing anything.
 *
 * A pickle is a program for a stack machine that may call any function. This machine never does: a class or function
 * is only what a {@link PickleResolver} offers in its place, and everything else is refused, or kept as an
 * {@link OpaqueObject} where losing metadata is better than losing the file. The opcodes are those of data.md section 4.3 and the rest of the protocols.
 *
 * Python values become: None null, int number (bigint above 2^53), float number, str string, bytes Uint8Array, list and
 * tuple Array, dict Map, set and frozenset Set.
 */
import { UserError } from "../errors.ts";
import { PickleCursor, PickleError } from "./pickle-cursor.ts";
import { OP } from "./pickle-opcodes.ts";

/** A Python object of a class this program does not know: its class, what it was made from, and its state. */
export class OpaqueObject {
  /** Module and name of the class or function, such as `argparse.Namespace`. */
  readonly __py: string;
  /** Arguments it was made with; null for the class or function itself. */
  readonly args: readonly unknown[] | null;
  /** State set after making it; null when there was none. */
  state: unknown = null;
  /** Items appended, or keys and values set, one after the other; absent when there were none. */
  items?: unknown[];
  /** Why an object of a known class could not be read; absent for unknown classes. */
  problem?: string;

  constructor(name: string, args: readonly unknown[] | null, problem?: string) {
    this.__py = name;
    this.args = args;
    if (problem !== undefined) this.problem = problem;
  }
}

/** Stands for a Python class or function: makes the value that calling it would give. Throws {@link PickleError}. */
export type PickleFunction = (args: readonly unknown[]) => unknown;

/** Knows which Python objects are data, and what they are here. */
export interface PickleResolver {
  /** The value in place of a class, function or constant; a {@link PickleFunction} if it can be called; else undefined. */
  global(module: string, name: string): unknown;
  /** The object behind a persistent id (storages of PyTorch files). Without it such ids are refused. */
  persistent?(id: unknown): unknown;
  /** Applies state to an object and returns what takes its place; undefined when this kind of object has no state. */
  build?(object: unknown, state: unknown): unknown;
}

/** Options of {@link unpickle}. */
export interface UnpickleOptions {
  /** What messages call the pickle. */
  readonly name: string;
  readonly resolver: PickleResolver;
  /** What becomes of classes and functions the resolver does not know. */
  readonly unknown: UnknownRule;
}

/**
 * What becomes of Python classes and functions that are not known to be data: "refuse" is an error that names them, "keep"
 * gives {@link OpaqueObject}s, and a function says by name, such as `argparse.Namespace`, which ones to keep.
 */
export type UnknownRule = "refuse" | "keep" | ((name: string) => boolean);

/**
 * The value of a pickle.
 *
 * @throws UserError when the bytes are damaged, of another protocol, or name a class or function that the resolver does
 *   not know and `unknown` does not keep
 */
export function unpickle(bytes: Uint8Array, options: UnpickleOptions): unknown {
  const machine = new Machine(bytes, options);
  try {
    return machine.run();
  } catch (error) {
    if (!(error instanceof PickleError)) throw error;
    throw new UserError(`Cannot read "${options.name}": pickle byte ${machine.opcodeAt}: ${error.message}`, {
      hint: "Nothing in the file was executed. If it is complete, save it again as tensors and plain Python values.",
      cause: error,
    });
  }
}

const MARK = Symbol("mark");

class Machine {
  /** Position of the opcode in progress. */
  opcodeAt = 0;
  private readonly input: PickleCursor;
  private readonly resolver: PickleResolver;
  private readonly keepsUnknown: boolean;
  private readonly keeps: (name: string) => boolean;
  private readonly stack: unknown[] = [];
  private readonly memo = new Map<number, unknown>();
  /** Memo slots by object, so that a value which replaces an object in BUILD replaces it there too. */
  private readonly slots = new Map<unknown, number>();
  /** What calling a class or function of the whitelist makes, by the object that stands for it on the stack. */
  private readonly functions = new Map<OpaqueObject, PickleFunction>();

  constructor(bytes: Uint8Array, options: UnpickleOptions) {
    this.input = new PickleCursor(bytes);
    this.resolver = options.resolver;
    const { unknown } = options;
    this.keepsUnknown = unknown !== "refuse";
    this.keeps = typeof unknown === "function" ? unknown : () => this.keepsUnknown;
  }

  run(): unknown {
    this.checkProtocol();
    for (;;) {
      this.opcodeAt = this.input.position;
      const opcode = this.input.uint(1);
      if (opcode === OP.STOP) return this.pop();
      this.step(opcode);
    }
  }

  private checkProtocol(): void {
    const protocol = this.input.uint(1) === OP.PROTO ? this.input.uint(1) : 0;
    if (protocol < 2 || protocol > 5) throw new PickleError("this is not a pickle of protocol 2 to 5");
  }

  private step(opcode: number): void {
    switch (opcode) {
      case OP.PROTO:
        this.input.uint(1);
        return;
      case OP.FRAME:
        this.input.uint64();
        return;
      case OP.MARK:
        this.stack.push(MARK);
        return;
      case OP.POP:
        this.stack.pop();
        return;
      case OP.POP_MARK:
        this.popToMark();
        return;
      case OP.DUP:
        this.stack.push(this.top());
        return;

      case OP.NONE:
        this.stack.push(null);
        return;
      case OP.NEWTRUE:
        this.stack.push(true);
        return;
      case OP.NEWFALSE:
        this.stack.push(false);
        return;
      case OP.BININT1:
        this.stack.push(this.input.uint(1));
        return;
      case OP.BININT2:
        this.stack.push(this.input.uint(2));
        return;
      case OP.BININT:
        this.stack.push(this.input.int32());
        return;
      case OP.LONG1:
        this.stack.push(this.input.long(this.input.uint(1)));
        return;
      case OP.LONG4:
        this.stack.push(this.input.long(this.input.uint(4)));
        return;
      case OP.BINFLOAT:
        this.stack.push(this.input.float64());
        return;

      case OP.SHORT_BINUNICODE:
        this.stack.push(this.input.text(this.input.uint(1)));
        return;
      case OP.BINUNICODE:
        this.stack.push(this.input.text(this.input.uint(4)));
        return;
      case OP.BINUNICODE8:
        this.stack.push(this.input.text(this.input.uint64()));
        return;
      case OP.SHORT_BINSTRING:
        this.stack.push(this.input.latin1(this.input.uint(1)));
        return;
      case OP.BINSTRING:
        this.stack.push(this.input.latin1(this.input.uint(4)));
        return;
      case OP.SHORT_BINBYTES:
        this.stack.push(this.input.blob(this.input.uint(1)));
        return;
      case OP.BINBYTES:
        this.stack.push(this.input.blob(this.input.uint(4)));
        return;
      case OP.BINBYTES8:
      case OP.BYTEARRAY8:
        this.stack.push(this.input.blob(this.input.uint64()));
        return;

      case OP.EMPTY_TUPLE:
      case OP.EMPTY_LIST:
        this.stack.push([]);
        return;
      case OP.TUPLE1:
      case OP.TUPLE2:
      case OP.TUPLE3:
        this.stack.push(this.popMany(opcode - OP.TUPLE1 + 1));
        return;
      case OP.TUPLE:
        this.stack.push(this.popToMark());
        return;
      case OP.APPEND:
        this.append([this.pop()]);
        return;
      case OP.APPENDS:
        this.append(this.popToMark());
        return;
      case OP.EMPTY_DICT:
        this.stack.push(new Map());
        return;
      case OP.SETITEM:
        this.setItems(this.popMany(2));
        return;
      case OP.SETITEMS:
        this.setItems(this.popToMark());
        return;
      case OP.EMPTY_SET:
        this.stack.push(new Set());
        return;
      case OP.ADDITEMS:
        this.addItems(this.popToMark());
        return;
      case OP.FROZENSET:
        this.stack.push(new Set(this.popToMark()));
        return;

      case OP.BINPUT:
        this.memoize(this.input.uint(1));
        return;
      case OP.LONG_BINPUT:
        this.memoize(this.input.uint(4));
        return;
      case OP.MEMOIZE:
        this.memoize(this.memo.size);
        return;
      case OP.BINGET:
        this.recall(this.input.uint(1));
        return;
      case OP.LONG_BINGET:
        this.recall(this.input.uint(4));
        return;

      case OP.GLOBAL:
        this.stack.push(this.global(this.input.line(), this.input.line()));
        return;
      case OP.STACK_GLOBAL: {
        const [module, name] = this.popMany(2);
        this.stack.push(this.global(module, name));
        return;
      }
      case OP.REDUCE:
      case OP.NEWOBJ: {
        const [callee, args] = this.popMany(2);
        this.stack.push(this.call(callee, args));
        return;
      }
      case OP.NEWOBJ_EX: {
        const [callee, args, keywords] = this.popMany(3);
        this.stack.push(this.call(callee, args, keywords));
        return;
      }
      case OP.BUILD:
        this.build(this.pop());
        return;
      case OP.BINPERSID:
        this.stack.push(this.persistent(this.pop()));
        return;
      default:
        throw new PickleError(`opcode 0x${opcode.toString(16).padStart(2, "0")} is not one of protocols 2 to 5`);
    }
  }

  private top(): unknown {
    const value = this.stack.at(-1);
    if (value === undefined || value === MARK) throw new PickleError("a value is missing");
    return value;
  }

  private pop(): unknown {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  private popMany(count: number): unknown[] {
    const values = this.stack.slice(-count);
    if (values.length < count || values.includes(MARK)) throw new PickleError("a value is missing");
    this.stack.length -= count;
    return values;
  }

  private popToMark(): unknown[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) throw new PickleError("a mark is missing");
    const values = this.stack.slice(mark + 1);
    this.stack.length = mark;
    return values;
  }

  private append(values: unknown[]): void {
    const list = this.top();
    const items = list instanceof OpaqueObject ? itemsOf(list) : list;
    if (!Array.isArray(items)) throw new PickleError("values are appended to something that is not a list");
    for (const value of values) items.push(value);
  }

  private setItems(items: unknown[]): void {
    if (items.length % 2 !== 0) throw new PickleError("a key has no value");
    const target = this.top();
    if (target instanceof OpaqueObject) this.append(items);
    else if (!(target instanceof Map)) throw new PickleError("items are set on something that is not a dict");
    else for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
  }

  private addItems(values: unknown[]): void {
    const set = this.top();
    if (!(set instanceof Set)) throw new PickleError("values are added to something that is not a set");
    for (const value of values) set.add(value);
  }

  private memoize(slot: number): void {
    const value = this.top();
    this.memo.set(slot, value);
    if (typeof value === "object") this.slots.set(value, slot);
  }

  private recall(slot: number): void {
    const value = this.memo.get(slot);
    if (value === undefined) throw new PickleError(`memo slot ${slot} is empty`);
    this.stack.push(value);
  }

  private global(module: unknown, name: unknown): unknown {
    if (typeof module !== "string" || typeof name !== "string") throw new PickleError("a class has no name");
    const path = `${module}.${name}`;
    const found = this.resolver.global(module, name);
    if (found !== undefined && typeof found !== "function") return found;
    if (found === undefined && !this.keeps(path)) throw new PickleError(`the Python object ${path} is not plain data`);
    const object = new OpaqueObject(path, null);
    if (found !== undefined) this.functions.set(object, found as PickleFunction);
    return object;
  }

  private call(callee: unknown, args: unknown, keywords: unknown = new Map()): unknown {
    if (!(callee instanceof OpaqueObject)) throw new PickleError("something is called that is no class or function");
    if (!Array.isArray(args) || !(keywords instanceof Map)) throw new PickleError("arguments are not a tuple");
    const given: unknown[] = keywords.size > 0 ? [...args, keywords] : args;
    const make = this.functions.get(callee);
    if (make === undefined && this.keepsUnknown) return new OpaqueObject(callee.__py, given);
    if (make === undefined) throw new PickleError(`the Python object ${callee.__py} cannot be called`);
    return this.attempt(
      () => make(given),
      (problem) => new OpaqueObject(callee.__py, given, problem),
    );
  }

  private build(state: unknown): void {
    const object = this.pop();
    const built = this.attempt(
      () => this.resolver.build?.(object, state),
      (problem) => {
        const kept = object instanceof OpaqueObject ? object : new OpaqueObject("a value", null);
        kept.problem = problem;
        kept.state = state;
        return kept;
      },
    );
    if (built === undefined) {
      if (!(object instanceof OpaqueObject)) throw new PickleError("state is set on a value that has none");
      object.state = state;
    }
    const result = built ?? object;
    this.stack.push(result);
    const slot = this.slots.get(object);
    if (slot === undefined || result === object) return;
    this.memo.set(slot, result);
    this.slots.set(result, slot);
  }

  private persistent(id: unknown): unknown {
    if (this.resolver.persistent === undefined) throw new PickleError("a reference to data outside the pickle");
    const load = this.resolver.persistent;
    return this.attempt(
      () => load(id),
      (problem) => new OpaqueObject("persistent id", [id], problem),
    );
  }

  private attempt(make: () => unknown, keep: (problem: string) => unknown): unknown {
    try {
      return make();
    } catch (error) {
      if (error instanceof PickleError && this.keepsUnknown) return keep(error.message);
      throw error;
    }
  }
}

function itemsOf(object: OpaqueObject): unknown[] {
  object.items ??= [];
  return object.items;
}
