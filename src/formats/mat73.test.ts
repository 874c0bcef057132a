import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFloat64 } from "./array.ts";
import { isMat73, openMat73 } from "./mat73.ts";
import { listMatlab, type MatlabFile, matlabValue } from "./matlab.ts";

const folder = new URL("../../test/fixtures/convert/", import.meta.url).pathname;
const expected: Record<string, { shape: number[]; values: number[] }> = JSON.parse(
  readFileSync(`${folder}matlab.json`, "utf8"),
);

let file: MatlabFile;
beforeAll(async () => {
  file = await openMat73(`${folder}matlab73.mat`);
});
afterAll(() => file.close());

function column(path: string) {
  const value = matlabValue(file, path);
  if (value.kind !== "numbers") throw new Error(`${path} is ${value.type}`);
  return value.array();
}

describe("openMat73()", () => {
  test.each(Object.entries(expected))("gives %s row-major, as MATLAB shows it", (name, { shape, values }) => {
    const found = column(name).read();
    expect([found.shape, [...toFloat64(found)]]).toEqual([shape, values]);
    expect(matlabValue(file, name).shape).toEqual(shape);
  });

  test("keeps element types; logical values are booleans", () => {
    expect(["numbers", "single_number", "uint8s", "flags"].map((name) => column(name).read().dtype)).toEqual(
      "float64 float32 uint8 bool".split(" "),
    );
    expect([...column("flags").readRows(0, 1).data]).toEqual([1, 0, 1]);
  });

  test("opens cells, structs and arrays of structs", () => {
    expect([...toFloat64(column("spikes{3}").read())]).toEqual([1.5, 2.5, 3.5]);
    expect(column("spikes{2}").shape).toEqual([0, 0]);
    expect([...toFloat64(column("exp.trial{1}.stim").read())]).toEqual([1, 2, 3]);
    expect([...toFloat64(column("units(2).times").read())]).toEqual([7]);
    expect(matlabValue(file, "units.times")).toMatchObject({ kind: "cell", shape: [1, 2] });
  });

  test("reads text, a string for each row", () => {
    const rows = ["greek", "words", "exp.trial{2}"].map((path) => {
      const value = matlabValue(file, path);
      return value.kind === "text" ? value.rows() : value.kind;
    });
    expect(rows).toEqual([["µ"], ["ab", "cd", "ef"], ["none"]]);
  });

  test("names what it does not read, and hides MATLAB's own groups", () => {
    expect(matlabValue(file, "complex_one")).toMatchObject({ kind: "other", type: "complex double" });
    expect(matlabValue(file, "thing")).toMatchObject({ kind: "other", type: "string" });
    expect(file.names.filter((name) => name.startsWith("#"))).toEqual([]);
    expect(listMatlab(file).find(({ name }) => name === "exp.trial{1}.stim")).toMatchObject({ shape: [1, 3] });
  });
});

test("isMat73() tells these files from others", () => {
  expect(
    ["matlab73.mat", "octave-v7.mat", "user-block.h5", "stored.npz"].map((name) => isMat73(folder + name)),
  ).toEqual([true, false, false, false]);
});
