/**
 * @file Safetensors files: a length, a JSON header and raw little-endian tensors.
 *
 * Opening reads the header only and checks it in full, so that a damaged file is refused before any number is used:
 * the tensors must cover the data exactly, without gaps or overlaps.
 *
 * Writing is atomic, whole or in pieces. Data lies widest element type first, so that every tensor starts at a multiple
 * of its element size: programs that map the file need that. The header lists tensors in the order they were declared.
 */
import { didYouMean, UserError } from "../errors.ts";
import { arrayBytes, bytesPerElement, type DType, elementCount, type NdArray } from "./array.ts";
import { type AtomicWriter, createAtomicWriter } from "./atomic.ts";
import { asSource, type ByteSource } from "./byte-source.ts";
import { type LazyArray, lazyArray } from "./lazy.ts";

/** Names of the element types on disk. */
const DISK_NAMES: Readonly<Record<DType, string>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
};

const DTYPE_OF: ReadonlyMap<string, DType> = new Map(
  Object.entries(DISK_NAMES).map(([dtype, name]) => [name, dtype as DType]),
);

/** The largest header other readers accept. */
const MAX_HEADER_BYTES = 100_000_000;

/** An open safetensors file. */
export interface SafetensorsFile {
  readonly path: string;
  /** The strings under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Tensors by name, in header order. */
  readonly tensors: ReadonlyMap<string, LazyArray>;
  /** The tensor of that name. Throws a UserError that suggests the closest name when there is none. */
  tensor(name: string): LazyArray;
  /** Closes the file; tensors can no longer be read. */
  close(): void;
}

interface HeaderEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

/**
 * Opens a safetensors file; tensors are read when asked for.
 *
 * @throws UserError when the file cannot be opened, the header is damaged, or tensors overlap, leave gaps, reach beyond
 *   the file or have an element type without a counterpart here
 */
export function openSafetensors(input: string | ByteSource): SafetensorsFile {
  const source = asSource(input);
  const { header, dataStart } = readHeader(source);
  const { __metadata__: metadata = {}, ...declared } = header;
  const entries = Object.entries(declared).map(([name, value]) => parseEntry(source, name, value));
  checkCoverage(source, entries, source.size - dataStart);
  const tensors = new Map(
    entries.map(({ name, dtype, shape, start }) => [
      name,
      lazyArray(source, { dtype, shape, offset: dataStart + start }),
    ]),
  );
  return {
    path: source.name,
    metadata: parseMetadata(source, metadata),
    tensors,
    tensor(name) {
      const found = tensors.get(name);
      if (found !== undefined) return found;
      const near = didYouMean(name, tensors.keys());
      throw new UserError(`Cannot read "${source.name}": it has no tensor "${name}" among its ${tensors.size}`, {
        hint: near === undefined ? undefined : `Did you mean "${near}"?`,
      });
    },
    close: () => source.close(),
  };
}

function readHeader(source: ByteSource): { header: Record<string, unknown>; dataStart: number } {
  if (source.size < 8) throw problem(source, `it has ${source.size} bytes, a safetensors file has at least 10`);
  const lengthBytes = source.read(0, 8);
  const length = Number(new DataView(lengthBytes.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) {
    throw problem(source, `it announces a header of ${length} bytes; it is not a safetensors file or is damaged`);
  }
  if (8 + length > source.size) {
    throw problem(source, `it announces a header of ${length} bytes but has only ${source.size} in all`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(source.read(8, length)));
  } catch (error) {
    throw problem(source, "its header is not valid JSON", error);
  }
  if (!isRecord(header)) throw problem(source, "its header is not a JSON object");
  return { header, dataStart: 8 + length };
}

function parseMetadata(source: ByteSource, metadata: unknown): Record<string, string> {
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== "string")) {
    throw problem(source, "its __metadata__ is not a mapping of strings to strings");
  }
  return metadata as Record<string, string>;
}

function parseEntry(source: ByteSource, name: string, value: unknown): HeaderEntry {
  if (!isRecord(value)) throw problem(source, `the entry of tensor "${name}" is not a JSON object`);
  const { dtype: dtypeName, shape, data_offsets: offsets } = value;
  const dtype = typeof dtypeName === "string" ? DTYPE_OF.get(dtypeName) : undefined;
  if (dtype === undefined) {
    const known = [...DTYPE_OF.keys()].join(", ");
    throw problem(source, `tensor "${name}" has element type ${JSON.stringify(dtypeName)}; supported are ${known}`);
  }
  if (!isSizeList(shape)) throw problem(source, `tensor "${name}" has shape ${JSON.stringify(shape)}`);
  if (!isSizeList(offsets) || offsets.length !== 2 || offsets[1]! < offsets[0]!) {
    throw problem(source, `tensor "${name}" has data_offsets ${JSON.stringify(offsets)}`);
  }
  const [start, end] = offsets as [number, number];
  const wanted = elementCount(shape) * bytesPerElement(dtype);
  if (end - start !== wanted) {
    throw problem(
      source,
      `tensor "${name}" is ${dtype} [${shape.join(", ")}], ${wanted} bytes, but spans ${end - start}`,
    );
  }
  return { name, dtype, shape, start, end };
}

function checkCoverage(source: ByteSource, entries: readonly HeaderEntry[], dataBytes: number): void {
  let covered = 0;
  for (const { name, start, end } of entries.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    if (start < covered) throw problem(source, `tensor "${name}" overlaps the one before it at data byte ${start}`);
    if (start > covered) throw problem(source, `data bytes ${covered} to ${start} belong to no tensor`);
    covered = end;
  }
  if (covered > dataBytes) throw problem(source, `its tensors take ${covered} data bytes but ${dataBytes} are there`);
  if (covered < dataBytes) throw problem(source, `data bytes ${covered} to ${dataBytes} belong to no tensor`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function problem(source: ByteSource, what: string, cause?: unknown): UserError {
  return new UserError(`Cannot read "${source.name}": ${what}`, {
    hint: "The file is damaged or was cut short, or another program wrote it in a different format.",
    cause,
  });
}

/** Element type and shape of a tensor to be written. */
export interface TensorDeclaration {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

interface Span {
  readonly dtype: DType;
  /** Where the next elements go, and where the tensor ends, in bytes of the file. */
  next: number;
  readonly end: number;
}

/** Writes one safetensors file piece by piece; see {@link createSafetensorsWriter}. */
export class SafetensorsWriter {
  /** Names in the order in which they lie in the file: widest element type first, else as declared. */
  readonly order: readonly string[];
  private readonly file: AtomicWriter;
  private readonly spans: ReadonlyMap<string, Span>;

  constructor(
    path: string,
    tensors: ReadonlyMap<string, TensorDeclaration>,
    metadata: Readonly<Record<string, string>>,
  ) {
    const entries: Record<string, unknown> = Object.fromEntries([...tensors.keys()].map((name) => [name, null]));
    if (tensors.has("__metadata__"))
      throw new RangeError(`Cannot write "${path}": no tensor may be named __metadata__`);
    const sorted = widestFirst(tensors);
    let bytes = 0;
    for (const [name, { dtype, shape }] of sorted) {
      const end = bytes + elementCount(shape) * bytesPerElement(dtype);
      entries[name] = { dtype: DISK_NAMES[dtype], shape, data_offsets: [bytes, end] };
      bytes = end;
    }
    const header = encodeHeader(
      path,
      Object.keys(metadata).length > 0 ? { __metadata__: metadata, ...entries } : entries,
    );
    const spans = new Map<string, Span>();
    let start = header.length;
    for (const [name, { dtype, shape }] of sorted) {
      const end = start + elementCount(shape) * bytesPerElement(dtype);
      spans.set(name, { dtype, next: start, end });
      start = end;
    }
    this.spans = spans;
    this.order = [...spans.keys()];
    this.file = createAtomicWriter(path);
    this.file.write(header);
  }

  /**
   * Appends the next elements of a tensor, any number at a time (rows of a recording, for example). Tensors may take
   * turns; one after the other in `order` writes the file from front to back.
   *
   * @throws RangeError when no such tensor is declared, the element type differs or elements would be too many
   * @throws UserError when the disk is full and the like; the previous file is intact then
   */
  append(name: string, chunk: NdArray): void {
    const span = this.spans.get(name);
    if (span === undefined) {
      throw new RangeError(`Cannot append to "${name}" in "${this.file.path}": it is not declared`);
    }
    if (chunk.dtype !== span.dtype) {
      throw new RangeError(
        `Cannot append ${chunk.dtype} to "${name}" in "${this.file.path}": it is declared ${span.dtype}`,
      );
    }
    const bytes = arrayBytes(chunk);
    if (span.next + bytes.length > span.end) {
      throw new RangeError(`Cannot append ${bytes.length} bytes to "${name}": ${span.end - span.next} are missing`);
    }
    this.file.write(bytes, span.next);
    span.next += bytes.length;
  }

  /** Puts the file in its place. Throws a RangeError when elements are missing. */
  finish(): void {
    for (const [name, { next, end }] of this.spans) {
      if (next < end) throw new RangeError(`Cannot finish "${this.file.path}": "${name}" lacks ${end - next} bytes`);
    }
    this.file.commit();
  }

  /** Gives up and removes what was written; does nothing after {@link finish}. */
  abort(): void {
    this.file.abort();
  }

  [Symbol.dispose](): void {
    this.abort();
  }
}

/**
 * Starts a safetensors file whose data need not fit into memory: declare every tensor, append their elements,
 * finish.
 *
 * @example
 * using writer = createSafetensorsWriter("stim.safetensors", new Map([["stim", { dtype: "uint8", shape: [900, 51, 51] }]]));
 * for (const frames of chunks) writer.append("stim", frames);
 * writer.finish();
 * @throws UserError when the folder is missing or not writable
 */
export function createSafetensorsWriter(
  path: string,
  tensors: ReadonlyMap<string, TensorDeclaration>,
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsWriter {
  return new SafetensorsWriter(path, tensors, metadata);
}

/**
 * Writes tensors and metadata strings to a safetensors file.
 *
 * @throws UserError when the disk is full, permission is missing and the like; the previous file is intact then
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, NdArray>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  using writer = createSafetensorsWriter(path, tensors, metadata);
  for (const name of writer.order) {
    const tensor = tensors.get(name)!;
    if (tensor.data.length > 0) writer.append(name, tensor);
  }
  writer.finish();
}

function widestFirst(tensors: ReadonlyMap<string, TensorDeclaration>): [string, TensorDeclaration][] {
  return [...tensors].sort(([, a], [, b]) => bytesPerElement(b.dtype) - bytesPerElement(a.dtype));
}

function encodeHeader(path: string, header: Record<string, unknown>): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new RangeError(
      `Cannot write "${path}": the header takes ${length} bytes, at most ${MAX_HEADER_BYTES} are allowed`,
    );
  }
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}
