import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { arrayBytes, type NdArray, toFloat64 } from "../formats/array.ts";
import type { LazyArray } from "../formats/lazy.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { openDset } from "./dset.ts";

const fixtures = new URL("../../test/fixtures/formats/", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "dset-"));
afterAll(() => rmSync(folder, { recursive: true }));

function messageOf(path: string): string {
  try {
    openDset(path);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  throw new Error("nothing was thrown");
}

/** Metadata as JSON has it: numpy arrays as nested lists of numbers. */
function listed(value: unknown): unknown {
  const array = value as NdArray;
  if (array?.data === undefined) return value;
  const flat = [...toFloat64(array)];
  const [rows, columns] = array.shape as [number, number];
  return Array.from({ length: rows }, (_, i) => flat.slice(i * columns, (i + 1) * columns));
}

describe("openDset()", () => {
  test.each(["fixrsvp", "gaborium"])("reads %s.dset bit for bit like its safetensors twin", (type) => {
    const recording = openDset(`${fixtures}recording/${type}.dset`);
    const twin = openSafetensors(`${fixtures}recording/${type}.safetensors`);
    const listing = JSON.parse(readFileSync(`${fixtures}recording/${type}.json`, "utf8"));
    expect([...recording.covariates.keys()]).toEqual(listing.key_order);
    expect(twin.tensors.size).toBe(recording.covariates.size);
    for (const [key, covariate] of recording.covariates) {
      const [ours, theirs] = [covariate.read(), twin.tensor(key).read()];
      expect([ours.dtype, ours.shape]).toEqual([listing.covariates[key].dtype, listing.covariates[key].shape]);
      expect([ours.dtype, ours.shape]).toEqual([theirs.dtype, theirs.shape]);
      expect(Buffer.compare(arrayBytes(ours), arrayBytes(theirs))).toBe(0);
      expect(covariate.readRows(20, 23)).toEqual(twin.tensor(key).readRows(20, 23));
    }
    const metadata = Object.entries(recording.metadata).map(([key, value]) => [key, listed(value)]);
    expect(Object.fromEntries(metadata)).toEqual(listing.metadata);
    recording.close();
    twin.close();
  });

  test("keeps unknown objects in the metadata as records", () => {
    const { covariates, metadata, close } = openDset(`${fixtures}torch/unknown.dset`);
    expect([...covariates.get("stim")!.read().data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(metadata.namespace).toMatchObject({ __py: "argparse.Namespace", state: { lr: 0.1, layers: [1, 2] } });
    const session = metadata.session as { state: { name: string; itself: unknown } };
    expect(session).toMatchObject({ __py: "lab.sessions.Session", state: { name: "Syn" } });
    expect(session.state.itself).toBe(session);
    expect(metadata.default).toMatchObject({ __py: "collections.defaultdict", items: ["left", [1]] });
    expect(metadata.command).toMatchObject({ args: ["touch executed"] });
    expect(metadata.names).toMatchObject({ __py: "numpy.ndarray", problem: expect.stringContaining('"<U5"') });
    expect(metadata.complex_tensor).toMatchObject({ problem: expect.stringContaining("torch.ComplexFloatStorage") });
    expect(metadata.eye).toBe("right");
    expect(metadata.by_number).toEqual({ 0: "zero", 1.5: "more" });
    expect([...(metadata.by_pair as Map<unknown, unknown>)]).toEqual([[[1, 2], "tuple key"]]);
    expect((metadata.tensor as LazyArray).shape).toEqual([4, 6]);
    close();
  });

  test("refuses covariates that are not tensors of equal length", () => {
    expect(messageOf(`${fixtures}torch/unequal.dset`)).toMatch(/different lengths: "stim" 4 frames, "robs" 3/);
    expect(messageOf(`${fixtures}torch/unreadable.dset`)).toMatch(
      /"stim" in "covariates" is a Python object \w+\.system/,
    );
    expect(messageOf(`${fixtures}torch/complex.dset`)).toContain("torch.ComplexFloatStorage are not supported");
  });

  test("refuses files that are not recordings", () => {
    expect(messageOf(`${fixtures}torch/state.pt`)).toContain(
      'it has no "covariates", so it is not a recording; it has "state_dict"',
    );
    expect(messageOf(`${fixtures}npy/stored.npz`)).toContain("not a PyTorch file");
    expect(messageOf(folder)).toBe(`Cannot read "${folder}": it is a folder, not a file`);
    expect(messageOf(join(folder, "missing.dset"))).toContain("no such file");
  });

  test("refuses truncated files", () => {
    const bytes = readFileSync(`${fixtures}recording/fixrsvp.dset`);
    const path = join(folder, "cut.dset");
    for (const size of [bytes.length - 1, bytes.length - 30, bytes.length - 2000, 5000, 100, 22]) {
      writeFileSync(path, bytes);
      truncateSync(path, size);
      expect(messageOf(path)).toContain(`cut short after ${size} bytes`);
    }
  });
});
