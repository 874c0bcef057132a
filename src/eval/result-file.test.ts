import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openSafetensors } from "../formats/safetensors.ts";
import { readResult, readResultHeader, writeResult } from "./result-file.ts";

const folder = mkdtempSync(join(tmpdir(), "result-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "one.safetensors");

describe("writeResult()", () => {
  const result = {
    name: "A_1",
    none: null,
    ceiling: Number.NaN,
    bound: Number.NEGATIVE_INFINITY,
    units: [
      { cid: 3, scores: Float64Array.of(0.1, Number.NaN) },
      { cid: 5, scores: new Float64Array() },
    ],
    map: { dtype: "float32", shape: [2, 1, 2], data: Float32Array.of(1, 2, 3, 4) },
    counts: Int32Array.of(-1, 7),
    mask: Uint8Array.of(0, 1),
  };

  test("keeps plain values, numbers that JSON does not have, and arrays bit by bit", () => {
    writeResult(path, { version: 1 }, result);
    expect(readResult(path)).toEqual(result);
    expect(readResultHeader(path)).toEqual({ version: 1 });
  });

  test("stores arrays as tensors with names that say where they were", () => {
    const file = openSafetensors(path);
    expect([...file.tensors.keys()].sort()).toEqual([
      "result.counts",
      "result.map",
      "result.mask",
      "result.units.0.scores",
      "result.units.1.scores",
    ]);
    expect(file.tensor("result.map").shape).toEqual([2, 1, 2]);
    file.close();
  });

  test("refuses arrays it cannot give back, and writes nothing then", () => {
    const other = join(folder, "other.safetensors");
    expect(() => writeResult(other, {}, { odd: new Uint32Array(1) })).toThrow('"result.odd"');
    expect(existsSync(other)).toBe(false);
  });
});
