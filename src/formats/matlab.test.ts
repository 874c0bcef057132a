import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { openMat5 } from "./mat5.ts";
import { listMatlab, matlabValue } from "./matlab.ts";

const file = openMat5(new URL("../../test/fixtures/convert/octave-v7.mat", import.meta.url).pathname);

function failure(path: string): string {
  try {
    matlabValue(file, path);
  } catch (error) {
    if (error instanceof UserError) return `${error.message} ${error.hint}`.replaceAll(file.path, "F");
    throw error;
  }
  throw new Error("it succeeded");
}

describe("matlabValue()", () => {
  test.each([
    ["spike", 'Cannot read "spike" of "F": it has no variable "spike" Did you mean "spikes"?'],
    ["gaze", "The file holds numbers, single_number"],
    ["exp.trails", '"exp" has no field "trails" Did you mean "trial"?'],
    ["exp.zzz", "Its fields are name, trial, sub."],
    ["exp.trial{3}", '"exp.trial" is cell [1, 2]: {3} lies outside; indices count from 1'],
    ["exp.trial{0}", "{0} lies outside"],
    ["spikes{2,1}", "{2,1} lies outside"],
    ["spikes{1,1,1}", "{1,1,1} has 3 indices"],
    ["spikes(1)", '"spikes" is cell [1, 3], not a struct array Cells are opened with braces: {1}.'],
    ["numbers{1}", '"numbers" is double [2, 3, 4], not a cell array'],
    ["numbers.x", 'not a struct: it has no field "x"'],
    ["exp..trial", "not a name in MATLAB's notation"],
    ["{1}", "it starts with an index"],
    ["", "not a name in MATLAB's notation"],
  ])("explains what is wrong with %s", (path, message) => {
    expect(failure(path)).toContain(message);
  });

  test("takes one index through the whole array, or one for each axis", () => {
    for (const path of ["spikes{3}", "spikes{1,3}", "spikes{ 1, 3 }"]) {
      expect(matlabValue(file, path)).toMatchObject({ kind: "numbers", shape: [3, 1] });
    }
  });
});

test("listMatlab() goes into structs, and into the first of many", () => {
  const names = listMatlab(file).map(({ name, type, shape }) => `${name} ${type} [${shape.join(", ")}]`);
  expect(names).toContain("exp.trial{1}.stim double [1, 3]");
  expect(names).toContain("units(1).times double [1, 2]");
  expect(names).toContain("spikes{1} double [1, 2]");
  expect(names).toContain("filled_in sparse double [3, 4]");
  expect(names).not.toContain("spikes{2} double [0, 0]");
});
