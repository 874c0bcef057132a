/**
 * @file PyTorch files for tests, honest and hostile ones: whatever a pickle can say, also what PyTorch never writes.
 */
import { ZipWriter } from "../formats/zip-writer.ts";

/** A class or function by name. */
export class Global {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
}

/** What Python would do: call a function with arguments. */
export class Call {
  readonly callee: Global;
  readonly args: readonly unknown[];

  constructor(module: string, name: string, ...args: readonly unknown[]) {
    this.callee = new Global(module, name);
    this.args = args;
  }
}

/** A value that is made and thrown away before another takes its place. */
export class After {
  readonly dropped: unknown;
  readonly value: unknown;

  constructor(dropped: unknown, value: unknown) {
    this.dropped = dropped;
    this.value = value;
  }
}

/** The same object wherever it stands. */
export class Shared {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

export interface FakeTensor {
  /** Name of the storage's class, without "Storage". */
  kind: string;
  /** Bytes of the storage. */
  bytes: Uint8Array;
  shape: readonly number[];
  strides: readonly number[];
  offset?: number;
  /** Elements the pickle claims for the storage. */
  elements?: number;
}

class Tensor {
  readonly fake: FakeTensor;

  constructor(fake: FakeTensor) {
    this.fake = fake;
  }
}

/** A tensor with any layout. */
export function rawTensor(fake: FakeTensor): unknown {
  return new Tensor(fake);
}

/** A row-major float32 tensor. */
export function floats(shape: readonly number[], values: readonly number[]): unknown {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  return new Tensor({ kind: "Float", bytes: new Uint8Array(Float32Array.from(values).buffer), shape, strides });
}

/** A zip archive as torch.save writes it, with the pickle of a value: Map, array (a tuple), string, number, … */
export function torchFile(value: unknown): Buffer {
  const pickler = new Pickler();
  const pickle = pickler.dump(value);
  const parts: Uint8Array[] = [];
  const writer = new ZipWriter((bytes) => parts.push(bytes.slice()), { alignment: 64 });
  writer.add("archive/data.pkl", pickle);
  writer.add("archive/byteorder", Buffer.from("little"));
  for (const [key, bytes] of pickler.storages.entries()) writer.add(`archive/data/${key}`, bytes);
  writer.finish();
  return Buffer.concat(parts);
}

class Pickler {
  readonly storages: Uint8Array[] = [];
  private readonly slots = new Map<Shared, number>();

  dump(value: unknown): Buffer {
    return Buffer.concat([Buffer.from([0x80, 2]), this.of(value), Buffer.from(".")]);
  }

  private of(value: unknown): Buffer {
    if (value === null) return Buffer.from("N");
    if (typeof value === "boolean") return Buffer.from([value ? 0x88 : 0x89]);
    if (typeof value === "number") return number(value);
    if (typeof value === "string") return text(value);
    if (value instanceof Shared) return this.shared(value);
    if (value instanceof After) return Buffer.concat([this.of(value.dropped), Buffer.from("0"), this.of(value.value)]);
    if (value instanceof Global) return Buffer.from(`c${value.module}\n${value.name}\n`);
    if (value instanceof Call) return Buffer.concat([this.of(value.callee), this.of(value.args), Buffer.from("R")]);
    if (value instanceof Tensor) return this.tensor(value.fake);
    if (Array.isArray(value))
      return Buffer.concat([Buffer.from("("), ...value.map((v) => this.of(v)), Buffer.from("t")]);
    if (value instanceof Map) {
      const items = [...value].flatMap(([key, item]) => [this.of(key), this.of(item)]);
      return Buffer.concat([Buffer.from("}("), ...items, Buffer.from("u")]);
    }
    throw new TypeError(`Cannot pickle ${String(value)}`);
  }

  private shared(shared: Shared): Buffer {
    const known = this.slots.get(shared);
    if (known !== undefined) return Buffer.from([0x68, known]);
    const bytes = this.of(shared.value);
    this.slots.set(shared, this.slots.size);
    return Buffer.concat([bytes, Buffer.from([0x71, this.slots.size - 1])]);
  }

  private tensor({ kind, bytes, shape, strides, offset = 0, elements }: FakeTensor): Buffer {
    const key = this.storages.push(bytes) - 1;
    const itemBytes = { Double: 8, Long: 8, Float: 4, Int: 4, Half: 2, BFloat16: 2, Bool: 1 }[kind]!;
    const id = [
      "storage",
      new Global("torch", `${kind}Storage`),
      String(key),
      "cpu",
      elements ?? bytes.length / itemBytes,
    ];
    return Buffer.concat([
      this.of(new Global("torch._utils", "_rebuild_tensor_v2")),
      Buffer.from("("),
      this.of(id),
      Buffer.from("Q"),
      ...[offset, shape, strides, false, new Call("collections", "OrderedDict")].map((part) => this.of(part)),
      Buffer.from("tR"),
    ]);
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(Number.isInteger(value) ? 5 : 9);
  if (Number.isInteger(value)) {
    bytes.write("J");
    bytes.writeInt32LE(value, 1);
  } else {
    bytes.write("G");
    bytes.writeDoubleBE(value, 1);
  }
  return bytes;
}

function text(value: string): Buffer {
  const utf8 = Buffer.from(value);
  const head = Buffer.alloc(5);
  head.write("X");
  head.writeUInt32LE(utf8.length, 1);
  return Buffer.concat([head, utf8]);
}
