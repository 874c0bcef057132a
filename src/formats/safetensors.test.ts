import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { arrayBytes, type DType, type NdArray, toFloat64, zerosArray } from "./array.ts";
import { memorySource } from "./byte-source.ts";
import { createSafetensorsWriter, openSafetensors, type SafetensorsFile, writeSafetensors } from "./safetensors.ts";

const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixtures = new URL("../../test/fixtures/formats/", import.meta.url).pathname;

/** A file with that header text and so many data bytes; `length` may lie about the header. */
function fileOf(header: unknown, dataBytes = 0, length?: number): SafetensorsFile {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(length ?? json.length));
  return openSafetensors(memorySource(Buffer.concat([start, json, Buffer.alloc(dataBytes)]), "x.safetensors"));
}

const entry = (dtype: string, shape: number[], start: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

const DTYPES: DType[] = [
  "bool",
  "uint8",
  "int8",
  "int16",
  "float16",
  "bfloat16",
  "int32",
  "float32",
  "int64",
  "float64",
];

function sampleTensors(): Map<string, NdArray> {
  const tensors = new Map<string, NdArray>();
  for (const dtype of DTYPES) {
    const array = zerosArray(dtype, [3, 5]);
    arrayBytes(array).set(
      Uint8Array.from({ length: array.data.byteLength }, (_, i) => (dtype === "bool" ? i & 1 : 37 * i)),
    );
    tensors.set(`readouts.0.${dtype}`, array);
  }
  tensors.set("scalar", { dtype: "float64", shape: [], data: Float64Array.of(0.5) });
  tensors.set("empty", zerosArray("float32", [0, 4]));
  return tensors;
}

describe("writeSafetensors()", () => {
  const path = join(folder, "all.safetensors");

  test("writes what openSafetensors() reads", () => {
    const tensors = sampleTensors();
    writeSafetensors(path, tensors, { config: '{"a": 1}', µ: "✓" });
    const file = openSafetensors(path);
    expect(file.path).toBe(path);
    expect(file.metadata).toEqual({ config: '{"a": 1}', µ: "✓" });
    expect([...file.tensors.keys()]).toEqual([...tensors.keys()]);
    for (const [name, array] of tensors) expect(file.tensor(name).read()).toEqual(array);
    expect(file.tensor("readouts.0.int16").readRows(1, 3).data).toEqual(tensors.get("readouts.0.int16")!.data.slice(5));
    file.close();
  });

  test("starts every tensor at a multiple of its element size", () => {
    writeSafetensors(path, sampleTensors());
    const bytes = readFileSync(path);
    const headerBytes = Number(bytes.readBigUInt64LE());
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes)) as Record<string, ReturnType<typeof entry>>;
    expect(header.__metadata__).toBeUndefined();
    for (const { dtype, data_offsets } of Object.values(header)) {
      const width = dtype.includes("64") ? 8 : dtype.includes("32") ? 4 : dtype.includes("16") ? 2 : 1;
      expect(data_offsets[0]! % width).toBe(0);
    }
  });

  test("writes files without tensors and tensors with odd names", () => {
    writeSafetensors(path, new Map());
    expect(openSafetensors(path).tensors.size).toBe(0);
    writeSafetensors(path, new Map([["__proto__", zerosArray("uint8", [3])]]));
    expect(openSafetensors(path).tensor("__proto__").shape).toEqual([3]);
    expect(() => writeSafetensors(path, new Map([["__metadata__", zerosArray("uint8", [3])]]))).toThrow(RangeError);
  });
});

describe("createSafetensorsWriter()", () => {
  const path = join(folder, "stream.safetensors");
  const declared = new Map([
    ["stim", { dtype: "uint8" as const, shape: [4, 2] }],
    ["robs", { dtype: "float32" as const, shape: [4] }],
    ["none", { dtype: "float32" as const, shape: [0] }],
  ]);
  const rows = (start: number, count: number): NdArray => ({
    dtype: "uint8",
    shape: [count, 2],
    data: Uint8Array.from({ length: 2 * count }, (_, i) => 2 * start + i),
  });
  const robs: NdArray = { dtype: "float32", shape: [4], data: Float32Array.of(1, 2, 3, 4) };

  test("appends in pieces, widest element type first", () => {
    using writer = createSafetensorsWriter(path, declared, { rate: "240" });
    expect(writer.order).toEqual(["robs", "none", "stim"]);
    writer.append("robs", robs);
    writer.append("stim", rows(0, 3));
    writer.append("stim", rows(3, 1));
    writer.finish();
    const file = openSafetensors(path);
    expect([...file.tensors.keys()]).toEqual(["stim", "robs", "none"]);
    expect(file.metadata).toEqual({ rate: "240" });
    expect([...file.tensor("stim").read().data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(file.tensor("robs").read()).toEqual(robs);
    file.close();
  });

  test("lets tensors take turns and writes the same bytes", () => {
    const before = readFileSync(path);
    using writer = createSafetensorsWriter(path, declared, { rate: "240" });
    for (let row = 0; row < 4; row++) {
      writer.append("stim", rows(row, 1));
      writer.append("robs", { dtype: "float32", shape: [1], data: Float32Array.of(row + 1) });
    }
    writer.finish();
    expect(readFileSync(path)).toEqual(before);
  });

  test("refuses what was not declared and leaves the previous file", () => {
    const before = readFileSync(path);
    const attempt = () => {
      using writer = createSafetensorsWriter(path, declared);
      expect(() => writer.append("spikes", robs)).toThrow("it is not declared");
      expect(() => writer.append("robs", rows(0, 1))).toThrow("it is declared float32");
      writer.append("robs", robs);
      expect(() => writer.append("stim", rows(0, 5))).toThrow("8 are missing");
      writer.append("stim", rows(0, 3));
      writer.finish();
    };
    expect(attempt).toThrow('"stim" lacks 2 bytes');
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("openSafetensors()", () => {
  test("reads the state dict of a checkpoint written by safetensors", () => {
    const file = openSafetensors(`${fixtures}checkpoint/checkpoint_tiny.safetensors`);
    const listing = JSON.parse(readFileSync(`${fixtures}checkpoint/checkpoint_tiny.json`, "utf8")) as {
      state_dict: { name: string; shape: number[]; dtype: string; sum: number }[];
    };
    expect(file.tensors.size).toBe(listing.state_dict.length);
    for (const { name, shape, dtype, sum } of listing.state_dict) {
      const array = file.tensor(name).read();
      expect([`torch.${array.dtype}`, array.shape]).toEqual([dtype, shape]);
      expect(toFloat64(array).reduce((a, b) => a + b, 0)).toBeCloseTo(sum, 4);
    }
    file.close();
  });

  test("reads tensors beyond 4 GiB by rows", () => {
    const path = join(folder, "large.safetensors");
    const rowCount = 5000;
    const bytes = rowCount * 2 ** 20;
    const header = Buffer.from(JSON.stringify({ stim: entry("U8", [rowCount, 1024, 1024], 0, bytes) }));
    const fd = openSync(path, "w");
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(header.length));
    writeSync(fd, Buffer.concat([start, header]));
    // A sparse file: zeros that take no space on the disk.
    ftruncateSync(fd, 8 + header.length + bytes);
    writeSync(fd, Uint8Array.of(7), 0, 1, 8 + header.length + bytes - 1);
    closeSync(fd);
    const file = openSafetensors(path);
    const last = file.tensor("stim").readRows(rowCount - 1, rowCount);
    expect(last.shape).toEqual([1, 1024, 1024]);
    expect(last.data.at(-1)).toBe(7);
    file.close();
    rmSync(path);
  });

  test("suggests the closest name for a missing tensor", () => {
    const file = fileOf({ "model.readouts.0.mean": entry("F32", [1], 0, 4) }, 4);
    try {
      file.tensor("model.readouts.0.maen");
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).hint).toBe('Did you mean "model.readouts.0.mean"?');
    }
  });

  test.each<[string, () => unknown, string]>([
    ["is shorter than its length", () => openSafetensors(memorySource(new Uint8Array(5), "x")), "it has 5 bytes"],
    ["announces a huge header", () => fileOf({}, 0, 2 ** 53), "announces a header of 9007199254740992 bytes"],
    ["announces more header than there is", () => fileOf({}, 0, 50), "announces a header of 50 bytes but has only 10"],
    ["announces less header than there is", () => fileOf({ a: entry("U8", [1], 0, 1) }, 1, 20), "not valid JSON"],
    ["has text for a header", () => fileOf("{'a': 1}"), "not valid JSON"],
    ["has a list for a header", () => fileOf([]), "not a JSON object"],
    ["has a number for an entry", () => fileOf({ a: 5 }), 'entry of tensor "a"'],
    ["has numbers for metadata", () => fileOf({ __metadata__: { a: 5 } }), "not a mapping of strings to strings"],
    [
      "has an unknown element type",
      () => fileOf({ a: entry("F8_E4M3", [1], 0, 1) }, 1),
      '"F8_E4M3"; supported are F64',
    ],
    ["has a negative size", () => fileOf({ a: entry("U8", [-1], 0, 1) }, 1), "has shape [-1]"],
    ["has a fractional size", () => fileOf({ a: entry("U8", [1.5], 0, 1) }, 1), "has shape [1.5]"],
    ["has no offsets", () => fileOf({ a: { dtype: "U8", shape: [1] } }, 1), "has data_offsets undefined"],
    ["has reversed offsets", () => fileOf({ a: entry("U8", [1], 1, 0) }, 1), "has data_offsets [1,0]"],
    [
      "has offsets that disagree with the shape",
      () => fileOf({ a: entry("F32", [2], 0, 4) }, 4),
      "8 bytes, but spans 4",
    ],
    [
      "has a size beyond counting",
      () => fileOf({ a: entry("U8", [2 ** 53 - 1, 2 ** 53 - 1], 0, 9) }, 9),
      "but spans 9",
    ],
    [
      "has overlapping tensors",
      () => fileOf({ a: entry("U8", [4], 0, 4), b: entry("U8", [4], 2, 6) }, 6),
      'tensor "b" overlaps the one before it at data byte 2',
    ],
    [
      "has the same bytes twice",
      () => fileOf({ a: entry("U8", [4], 0, 4), b: entry("U8", [4], 0, 4) }, 4),
      'tensor "b" overlaps',
    ],
    [
      "has a gap",
      () => fileOf({ a: entry("U8", [4], 0, 4), b: entry("U8", [1], 6, 7) }, 7),
      "data bytes 4 to 6 belong to no tensor",
    ],
    ["has bytes at the end", () => fileOf({ a: entry("U8", [4], 0, 4) }, 9), "data bytes 4 to 9 belong to no tensor"],
    ["was cut short", () => fileOf({ a: entry("U8", [9], 0, 9) }, 4), "take 9 data bytes but 4 are there"],
  ])("refuses a file that %s", (_, open, message) => {
    expect(open).toThrow(UserError);
    expect(open).toThrow(message);
  });

  test("refuses a file that is text", () => {
    const path = join(folder, "text.safetensors");
    writeFileSync(path, "model_type: v1\n");
    expect(() => openSafetensors(path)).toThrow("not a safetensors file");
  });
});
