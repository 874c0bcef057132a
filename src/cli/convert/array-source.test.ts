import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { toFloat64 } from "../../formats/array.ts";
import { writeNpy } from "../../formats/npy.ts";
import { type ArraySource, openArraySource } from "./array-source.ts";
import { draftMapping } from "./draft-mapping.ts";

const fixtures = resolve(import.meta.dirname, "../../../test/fixtures/convert");
const folder = mkdtempSync(join(tmpdir(), "array-source-"));
afterAll(() => rmSync(folder, { recursive: true }));
writeNpy(join(folder, "gaze.npy"), { dtype: "float64", shape: [2, 2], data: Float64Array.of(1, 2, 3, 4) });
writeFileSync(join(folder, "notes.txt"), "not an array");

function lines(source: ArraySource): string[] {
  return source.list().map(({ name, type, shape }) => `${name} ${type} [${shape.join(", ")}]`);
}

describe("openArraySource()", () => {
  test.each([
    ["octave-v6.mat", "exp.trial{1}.stim double [1, 3]"],
    ["matlab73.mat", "exp.trial{1}.stim double [1, 3]"],
    ["experiment.npz", "stimulus uint8 [60, 4, 3]"],
    ["experiment.h5", "stim/frames uint8 [60, 4, 3]"],
    ["octave.h5", "numbers/value float64 [4, 3, 2]"],
  ])("lists %s by its content", async (name, entry) => {
    using source = await openArraySource(join(fixtures, name));
    expect(lines(source)).toContain(entry);
  });

  test("opens folders of .npy, and single ones without a name", async () => {
    using source = await openArraySource(folder);
    expect(lines(source)).toEqual(["gaze float64 [2, 2]"]);
    expect([...toFloat64(source.array("gaze.npy").read())]).toEqual([1, 2, 3, 4]);
    expect(() => source.array("gase")).toThrow('Cannot read "gase" of');
    using single = await openArraySource(join(folder, "gaze.npy"));
    expect(single.array("").shape).toEqual([2, 2]);
    expect(single.fileOf("")).toBe(join(folder, "gaze.npy"));
  });

  test("asks for a name where there are several", async () => {
    for (const name of ["octave-v7.mat", "experiment.npz", "experiment.h5"]) {
      using source = await openArraySource(join(fixtures, name));
      expect(() => source.array("")).toThrow("say which array, with from");
    }
  });

  test("gives the vectors of cells, structs, arrays of structs and groups", async () => {
    using matlab = await openArraySource(join(fixtures, "scipy.mat"));
    expect(matlab.vectors("spikes")!.map((times) => [...times])).toEqual([[0.1, 0.2], [], [1.5, 2.5, 3.5]]);
    expect(matlab.vectors("units.times")!.map((times) => [...times])).toEqual([[0.25, 0.5], [7]]);
    expect(matlab.vectors("exp.sub")!.map((times) => [...times])).toEqual([[9]]);
    expect(matlab.vectors("numbers")).toBeUndefined();
    expect(() => matlab.vectors("exp")).toThrow('Cannot read "exp.name" of');
    using hdf5 = await openArraySource(join(fixtures, "experiment.h5"));
    // unit2 comes before unit10.
    expect(hdf5.vectors("spikes")!.map((times) => times.length)).toEqual([80, 19]);
    expect(hdf5.vectors("stim/frames")).toBeUndefined();
  });

  test("refuses what is missing, cut short or something else", async () => {
    await expect(openArraySource(join(folder, "gaze.np"))).rejects.toThrow("no such file");
    await expect(openArraySource(join(folder, "notes.txt"))).rejects.toThrow("neither .npz, .npy, MATLAB nor HDF5");
    const empty = join(folder, "empty.mat");
    writeFileSync(empty, "");
    await expect(openArraySource(empty)).rejects.toThrow("it is empty");
  });
});

describe("draftMapping()", () => {
  test("guesses keys and axes, and leaves the rest to the user", async () => {
    using source = await openArraySource(join(fixtures, "experiment.mat"));
    const draft = draftMapping("experiment.mat", source.list());
    expect(draft).toContain('  stim: {from: "stimulus", axes: hwt} # uint8 [4, 3, 60]');
    expect(draft).toContain('  robs: {from: "counts", axes: nt} # double [2, 60]');
    expect(draft).toContain('  eyepos: {from: "gaze"} # double [60, 2]');
    expect(draft).toContain('  trial_inds: {from: "trials"}');
    expect(draft).toContain("session: # TODO");
  });

  test("offers spikes where there are no counts", async () => {
    using source = await openArraySource(join(fixtures, "experiment.h5"));
    const draft = draftMapping("e.h5", source.list());
    expect(draft).toContain('spikes: {from: "spikes"} # group []');
    expect(draft).toContain("trial_length: # TODO");
  });
});
