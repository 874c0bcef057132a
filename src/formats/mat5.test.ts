import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { toFloat64 } from "./array.ts";
import { memorySource } from "./byte-source.ts";
import { openMat5 } from "./mat5.ts";
import { type MatlabFile, matlabValue } from "./matlab.ts";

const folder = new URL("../../test/fixtures/convert/", import.meta.url).pathname;
const expected: Record<string, { shape: number[]; values: number[] }> = JSON.parse(
  readFileSync(`${folder}matlab.json`, "utf8"),
);

function array(file: MatlabFile, path: string) {
  const value = matlabValue(file, path);
  if (value.kind !== "numbers") throw new Error(`${path} is ${value.type}`);
  return value.array().read();
}

function rows(file: MatlabFile, path: string) {
  const value = matlabValue(file, path);
  return value.kind === "text" ? value.rows() : value.kind;
}

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof UserError) return `${error.message} ${error.hint}`;
    throw error;
  }
  throw new Error("it succeeded");
}

describe.each(["octave-v6.mat", "octave-v7.mat", "scipy.mat", "scipy-packed.mat"])("openMat5() of %s", (name) => {
  const file = openMat5(folder + name);

  test.each(Object.entries(expected))("gives %s row-major, as MATLAB shows it", (variable, { shape, values }) => {
    const found = array(file, variable);
    expect([found.shape, [...toFloat64(found)]]).toEqual([shape, values]);
    expect(matlabValue(file, variable).shape).toEqual(shape);
  });

  test("keeps element types, widening the unsigned ones", () => {
    const types = ["numbers", "single_number", "int8s", "uint8s", "int16s", "uint16s", "int32s", "uint32s", "flags"];
    expect(types.map((variable) => array(file, variable).dtype)).toEqual(
      "float64 float32 int8 uint8 int16 int32 int32 int64 bool".split(" "),
    );
    expect(["int64s", "uint64s"].map((variable) => array(file, variable).data[0])).toEqual([-5n, 5n]);
  });

  test("gives rows of an array and of its last axis", () => {
    const value = matlabValue(file, "numbers");
    if (value.kind !== "numbers") throw new Error(value.kind);
    const row = value.array().readRows(1, 2);
    expect([row.shape, [...toFloat64(row)]]).toEqual([[1, 3, 4], expected.numbers!.values.slice(12)]);
  });

  test("opens cells, structs and arrays of structs", () => {
    expect([0, 1, 2].map((i) => [...toFloat64(array(file, `spikes{${i + 1}}`))])).toEqual([
      [0.1, 0.2],
      [],
      [1.5, 2.5, 3.5],
    ]);
    expect([...toFloat64(array(file, "exp.trial{1}.stim"))]).toEqual([1, 2, 3]);
    expect(array(file, "exp.sub.deep").data[0]).toBe(9);
    expect([...toFloat64(array(file, "units(1).times"))]).toEqual([0.25, 0.5]);
    expect(array(file, "units(2).id").data[0]).toBe(9);
    const all = matlabValue(file, "units.times");
    expect([all.kind, all.shape]).toEqual(["cell", [1, 2]]);
  });

  test("reads text, a string for each row", () => {
    expect(rows(file, "words")).toEqual(["ab", "cd", "ef"]);
    expect(rows(file, "exp.name")).toEqual(["mo"]);
    expect(rows(file, "exp.trial{2}")).toEqual(["none"]);
  });

  test("leaves complex numbers unread, with advice", () => {
    expect(matlabValue(file, "complex_one")).toMatchObject({ kind: "other", type: "complex double", shape: [1, 1] });
  });
});

describe("openMat5() of a big-endian file", () => {
  const file = openMat5(`${folder}big-endian.mat`);

  test("reads whole numbers stored in a smaller type as the doubles they are", () => {
    const ramp = array(file, "ramp");
    expect([ramp.dtype, ramp.shape]).toEqual(["float64", [2, 3, 4]]);
    expect([...toFloat64(ramp)].slice(0, 5)).toEqual([1, 7, 13, 19, 3]);
  });

  test("reads text and cells, one of them empty", () => {
    expect(rows(file, "words")).toEqual(["ab", "cd"]);
    expect([...toFloat64(array(file, "spikes{1}"))]).toEqual([0.5, 1.5]);
    expect(array(file, "spikes{2}").shape).toEqual([0, 0]);
  });

  test("names the classes of objects, and hides what belongs to them", () => {
    expect(file.names).toEqual(["ramp", "words", "spikes", "thing", "text"]);
    for (const name of ["thing", "text"]) {
      const value = matlabValue(file, name);
      expect(value).toMatchObject({ kind: "other", type: "string" });
      expect(value.kind === "other" && value.hint).toContain("as a struct");
    }
  });
});

describe("openMat5() refuses", () => {
  test.each([
    ["level4.mat", "it is a MATLAB level 4 file", "-v7"],
    ["octave-text.mat", "it is a text file of Octave", "save -v7"],
    ["matlab73.mat", "it is a MATLAB 7.3 file", ""],
    ["stored.npz", "it is not a MATLAB file", ""],
  ])("%s", (name, message, hint) => {
    expect(failure(() => openMat5(folder + name))).toMatch(new RegExp(`${message}.*${hint}`));
  });

  test("missing files and folders", () => {
    expect(failure(() => openMat5(`${folder}octave_v6.mat`))).toContain('Did you mean "octave-v6.mat"?');
    expect(failure(() => openMat5(folder))).toContain("it is a folder");
  });

  test("a variable that claims to unpack to far more than it weighs", () => {
    expect(failure(() => openMat5(packed(2 ** 30, 100)))).toContain("is said to unpack to 1073741824 bytes");
    const bomb = openMat5(packed(200, 2 ** 20));
    expect(failure(() => array(bomb, "x"))).toContain("cannot be unpacked");
    const short = openMat5(packed(2 ** 14, 200));
    expect(failure(() => array(short, "x"))).toContain("unpacks to 200 bytes, 16392 were declared");
  });

  test("a cell array of more cells than there are bytes", () => {
    const file = openMat5(memorySource(hostileCell(), "hostile.mat"));
    expect(failure(() => matlabValue(file, "c{1}"))).toContain("1000000000 parts do not fit");
  });
});

function header(): Buffer {
  const bytes = Buffer.alloc(128, " ");
  bytes.write("MATLAB 5.0 MAT-file");
  bytes.writeUInt16LE(0x0100, 124);
  bytes.write("IM", 126);
  return bytes;
}

function words(...numbers: number[]): Buffer {
  return Buffer.from(Int32Array.from(numbers).buffer);
}

/** A packed double array `x` that says it has `declared` bytes and unpacks to `actual` ones. */
function packed(declared: number, actual: number) {
  const data = Buffer.alloc(actual);
  words(14, declared, 6, 8, 6, 0, 5, 8, 1, 10, 0x10001, 0x78, 9, 80).copy(data);
  const body = deflateSync(data);
  return memorySource(Buffer.concat([header(), words(15, body.length), body]), "packed.mat");
}

function hostileCell(): Buffer {
  const body = words(6, 8, 1, 0, 5, 8, 1, 1_000_000_000, 0x10001, 0x63);
  return Buffer.concat([header(), words(14, body.length), body]);
}
