import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { type NdArray, toFloat64, zerosArray } from "./array.ts";
import { memorySource } from "./byte-source.ts";
import { openNpy, readNpy, writeNpy } from "./npy.ts";

const folder = mkdtempSync(join(tmpdir(), "npy-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixtures = new URL("../../test/fixtures/formats/npy/", import.meta.url).pathname;
const expected = JSON.parse(readFileSync(`${fixtures}expected.json`, "utf8")) as Record<
  string,
  { dtype: string; shape: number[]; values: string[] }
>;

function texts(array: NdArray): string[] {
  if (array.dtype === "int64") return [...(array.data as BigInt64Array)].map(String);
  return [...toFloat64(array)].map((value) => (Object.is(value, -0) ? "-0" : String(value)));
}

/** Python's spelling of numbers in JavaScript's. */
function normalized(values: string[]): string[] {
  const special: Record<string, string> = { nan: "NaN", inf: "Infinity", "-inf": "-Infinity", "-0.0": "-0" };
  return values.map((value) => special[value] ?? (value.includes(".") ? String(Number(value)) : value));
}

describe("readNpy()", () => {
  test.each(Object.keys(expected))("reads %s.npy written by numpy", (name) => {
    const array = readNpy(`${fixtures}${name}.npy`);
    const { dtype, shape, values } = expected[name]!;
    expect([array.dtype, array.shape]).toEqual([dtype, shape]);
    expect(texts(array)).toEqual(normalized(values));
  });

  test.each(["version2", "version3"])("reads %s.npy", (name) => {
    expect(readNpy(`${fixtures}${name}.npy`)).toEqual(readNpy(`${fixtures}f4.npy`));
  });

  test.each([
    ["complex", 'elements of type "<c8"'],
    ["text", 'elements of type "<U5"'],
    ["object", 'elements of type "|O"'],
    ["record", "it holds records"],
    ["date", 'elements of type "<M8[s]"'],
    ["large_u8", "value 9223372036854775808 at index 1 does not fit into int64"],
  ])("refuses %s.npy", (name, message) => {
    expect(() => readNpy(`${fixtures}${name}.npy`)).toThrow(UserError);
    expect(() => readNpy(`${fixtures}${name}.npy`)).toThrow(message);
  });

  test("refuses damaged files", () => {
    const sound = readFileSync(`${fixtures}f4.npy`);
    const read = (bytes: Uint8Array) => () => readNpy(memorySource(bytes, "x.npy"));
    const header = (text: string) => Buffer.concat([sound.subarray(0, 10), Buffer.from(text.padEnd(118))]);
    expect(read(sound)).not.toThrow();
    expect(read(new Uint8Array(0))).toThrow("it is not an .npy file");
    expect(read(Buffer.from("PK not numpy at all"))).toThrow("it is not an .npy file");
    expect(read(sound.subarray(0, 60))).toThrow('Cannot read "x.npy"');
    expect(read(sound.subarray(0, -1))).toThrow("its array takes 96 bytes but 95 are there");
    expect(read(Buffer.concat([sound, sound]))).toThrow("its array takes 96 bytes but 320 are there");
    expect(read(Buffer.concat([sound.subarray(0, 6), Buffer.of(4, 0), sound.subarray(8)]))).toThrow("version 4");
    expect(read(header("{'descr': '<f4'}"))).toThrow("its header is damaged");
    expect(read(header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"))).toThrow("its header is damaged");
    expect(read(header(`{'descr': '<f4', 'fortran_order': False, 'shape': (${"9".repeat(30)},)}`))).toThrow(
      "its shape is",
    );
  });
});

describe("openNpy()", () => {
  test.each(["f4", "fortran_f4", "big_u2"])("reads rows of %s.npy", (name) => {
    const array = openNpy(`${fixtures}${name}.npy`);
    const whole = array.read();
    const perRow = whole.data.length / whole.shape[0]!;
    expect(array.readRows(1, 2)).toEqual({
      dtype: whole.dtype,
      shape: [1, ...whole.shape.slice(1)],
      data: whole.data.slice(perRow, 2 * perRow),
    });
  });
});

describe("writeNpy()", () => {
  test.each(["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "b1", "scalar", "empty"])(
    "writes %s.npy byte for byte as numpy does",
    (name) => {
      const path = join(folder, `${name}.npy`);
      writeNpy(path, readNpy(`${fixtures}${name}.npy`));
      expect(readFileSync(path).equals(readFileSync(`${fixtures}${name}.npy`))).toBe(true);
    },
  );

  test("refuses bfloat16 and keeps the previous file", () => {
    const path = join(folder, "weights.npy");
    writeFileSync(path, "previous");
    expect(() => writeNpy(path, zerosArray("bfloat16", [2]))).toThrow("npy has no element type for bfloat16");
    expect(readFileSync(path, "utf8")).toBe("previous");
  });
});
