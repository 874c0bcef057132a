import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PYTHON_NOTE, pythonWithTorch, runPython } from "../../test/python.ts";
import type { NdArray } from "./array.ts";
import { openFile } from "./byte-source.ts";
import type { LazyArray } from "./lazy.ts";
import { openTorchFile } from "./torchfile.ts";
import { type SavedTensor, StateDict, type TorchValue, writeTorchFile } from "./torchfile-writer.ts";
import { ZipArchive } from "./zip.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "torchfile-writer-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function saved(array: NdArray): SavedTensor {
  return { dtype: array.dtype, shape: array.shape, read: () => array };
}

const ARRAYS: Record<string, NdArray> = {
  f64: { dtype: "float64", shape: [2], data: Float64Array.of(Math.PI, Number.NaN) },
  f32: { dtype: "float32", shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, Number.POSITIVE_INFINITY, 1e-40) },
  f16: { dtype: "float16", shape: [2], data: Uint16Array.of(0x3c00, 0x7bff) },
  bf16: { dtype: "bfloat16", shape: [2], data: Uint16Array.of(0x3f80, 0xff7f) },
  i64: { dtype: "int64", shape: [], data: BigInt64Array.of(-(2n ** 63n)) },
  i32: { dtype: "int32", shape: [1, 1], data: Int32Array.of(-7) },
  i16: { dtype: "int16", shape: [3], data: Int16Array.of(-1, 0, 32_767) },
  i8: { dtype: "int8", shape: [2], data: Int8Array.of(-128, 127) },
  u8: { dtype: "uint8", shape: [3], data: Uint8Array.of(0, 128, 255) },
  bool: { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) },
  empty: { dtype: "float32", shape: [0, 4], data: new Float32Array(0) },
};

function write(name: string, root: TorchValue): string {
  const path = join(folder, name);
  writeTorchFile(path, root);
  return path;
}

function writeArrays(): string {
  return write(
    "arrays.pt",
    new StateDict(new Map(Object.entries(ARRAYS).map(([name, array]) => [name, saved(array)]))),
  );
}

describe("writeTorchFile()", () => {
  test("writes tensors of every element type that are read back bit for bit, in order", () => {
    const file = openTorchFile(writeArrays());
    const tensors = file.root as Map<string, LazyArray>;
    expect([...tensors.keys()]).toEqual(Object.keys(ARRAYS));
    for (const [name, array] of tensors) expect(array.read()).toEqual(ARRAYS[name]);
    file.close();
  });

  test("writes plain values around them", () => {
    const plain = new Map<string, TorchValue>([
      ["epoch", 3],
      ["lr", 1e-3],
      ["name", "Ä"],
      ["list", [null, true, [1]]],
    ]);
    const state = new StateDict(new Map([["w", saved(ARRAYS.f32!)]]));
    const file = openTorchFile(write("plain.pt", new Map([...plain, ["state_dict", state]])));
    const { state_dict, ...rest } = Object.fromEntries(file.root as Map<string, unknown>);
    expect(rest).toEqual(Object.fromEntries(plain));
    expect((state_dict as Map<string, LazyArray>).get("w")!.read()).toEqual(ARRAYS.f32);
    file.close();
  });

  test("writes a tensor with two names once, and only then", () => {
    const [one, equal] = [saved(ARRAYS.f32!), saved(ARRAYS.f32!)];
    const path = write(
      "shared.pt",
      new StateDict(
        new Map([
          ["a", one],
          ["b", equal],
          ["c", one],
        ]),
      ),
    );
    const archive = new ZipArchive(openFile(path));
    expect([...archive.entries.keys()]).toEqual([
      "archive/data.pkl",
      "archive/byteorder",
      "archive/.storage_alignment",
      "archive/data/0",
      "archive/data/1",
      "archive/version",
    ]);
    const tensors = openTorchFile(path).root as Map<string, LazyArray>;
    for (const name of "abc") expect(tensors.get(name)!.read()).toEqual(ARRAYS.f32);
  });

  test("starts every storage at a multiple of 64 bytes, uncompressed", () => {
    const bytes = readFileSync(writeArrays());
    for (const marker of [Float64Array.of(Math.PI, Number.NaN), Float32Array.of(1, -2, 3.5)]) {
      const at = bytes.indexOf(Buffer.from(marker.buffer));
      expect(at).toBeGreaterThan(0);
      expect(at % 64).toBe(0);
    }
  });

  test("gives equal bytes for equal content", () => {
    expect(readFileSync(writeArrays())).toEqual(readFileSync(writeArrays()));
  });

  test("leaves nothing behind when a tensor cannot be read or is another than announced", () => {
    const reading: SavedTensor = {
      ...saved(ARRAYS.f32!),
      read: () => {
        throw new Error("lost connection");
      },
    };
    const other: SavedTensor = { ...saved(ARRAYS.f32!), read: () => ARRAYS.i64! };
    for (const [tensor, message] of [
      [reading, "lost connection"],
      [other, "was declared float32"],
    ] as const) {
      expect(() => write("failed.pt", new StateDict(new Map([["w", tensor]])))).toThrow(message);
    }
    expect(readdirSync(folder).filter((name) => name.includes("failed"))).toEqual([]);
  });

  test.skipIf(pythonWithTorch === undefined)(`is opened by torch.load, also mapped${PYTHON_NOTE}`, () => {
    const script = `
import json, sys, torch
found = {}
for kind, options in {"plain": {}, "mapped": {"mmap": True}}.items():
    state = torch.load(sys.argv[1], weights_only=True, **options)
    found[kind] = {k: [str(v.dtype), list(v.shape), v.reshape(-1).view(torch.uint8).tolist() if v.numel() else []] for k, v in state.items()}
shared = torch.load(sys.argv[2], weights_only=True)
found["shared"] = shared["a"].data_ptr() == shared["c"].data_ptr() != shared["b"].data_ptr()
print(json.dumps(found))`;
    const [one, equal] = [saved(ARRAYS.f32!), saved(ARRAYS.f32!)];
    const shared = write(
      "python.pt",
      new StateDict(
        new Map([
          ["a", one],
          ["b", equal],
          ["c", one],
        ]),
      ),
    );
    const expected = Object.fromEntries(
      Object.entries(ARRAYS).map(([name, { dtype, shape, data }]) => [
        name,
        [`torch.${dtype}`, [...shape], [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]],
      ]),
    );
    expect(runPython(script, [writeArrays(), shared])).toEqual({ plain: expected, mapped: expected, shared: true });
  });
});
