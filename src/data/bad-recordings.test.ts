/**
 * @file Recordings that are wrong in themselves: each is refused with a message that says where, or gives nothing to train on.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";
import { writeSafetensors } from "../formats/safetensors.ts";
import { prepareSession } from "./prepare.ts";
import { openRecording, writeRecording } from "./recording-files.ts";
import { fakeConfig, fakeRecording, fakeSession, withColumns } from "./session.fake.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bad-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function problemOf(attempt: () => unknown): UserError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("expected a UserError");
}

function vector(values: Float64Array): NdArray {
  return { dtype: "float64", shape: [values.length], data: values };
}

/** Prepares a fake recording with some columns replaced. */
function prepareWith(columns: Record<string, NdArray>) {
  return prepareSession(fakeConfig(), { session: fakeSession(withColumns(fakeRecording("gaborium"), columns)) });
}

describe("prepareSession()", () => {
  test("refuses times that go backwards within a trial", () => {
    const times = fakeRecording("gaborium").numbers("t_bins").slice();
    times[70] = times[60]!;
    const { message } = problemOf(() => prepareWith({ t_bins: vector(times) }));
    expect(message).toContain('Time goes backwards in recording "Fake_2020-01-01/gaborium"');
    expect(message).toContain("in frame 70, both of trial 1");
  });

  test("accepts times that start again in another trial", () => {
    const times = fakeRecording("gaborium").numbers("t_bins").slice();
    times.copyWithin(50, 0, 50);
    expect(prepareWith({ t_bins: vector(times) }).train.length).toBeGreaterThan(0);
  });

  test("refuses negative counts, unless a transform makes the responses", () => {
    const robs = structuredClone(fakeRecording("gaborium").get("robs"));
    robs.data[3 * 40 + 1] = -2;
    const { message, hint } = problemOf(() => prepareWith({ robs }));
    expect(message).toContain("negative spike count: -2 in frame 40, column 1 of robs");
    expect(hint).toContain("transform of robs");
    const transforms = { ...fakeConfig().transforms, robs: { ops: [{ mul: 1 }] } };
    const session = fakeSession(withColumns(fakeRecording("gaborium"), { robs }));
    expect(prepareSession(fakeConfig({ transforms }), { session }).train.length).toBeGreaterThan(0);
  });

  test("refuses counts that are not numbers in frames that train", () => {
    const robs = structuredClone(fakeRecording("gaborium").get("robs"));
    robs.data[3 * 40] = Number.NaN;
    expect(problemOf(() => prepareWith({ robs })).message).toContain('"robs" is not a number (NaN) in frame 40');
  });

  test("finds nothing to train on in trials of one frame", () => {
    const trials = vector(Float64Array.from({ length: 300 }, (_, t) => t));
    const { message } = problemOf(() => prepareWith({ trial_inds: trials }));
    expect(message).toContain("no training frame is left; gaborium has 0 valid of 300 frames in 300 trials");
  });

  test("refuses covariates of different lengths", () => {
    expect(
      problemOf(() => withColumns(fakeRecording("gaborium"), { eyepos: vector(new Float64Array(299)) })).message,
    ).toContain('"eyepos" has 299 frames');
  });
});

describe("openRecording()", () => {
  test("refuses files that are cut short or of another version, naming them", () => {
    const recording = fakeRecording("gaborium");
    const here = join(folder, "whole");
    writeRecording(here, recording);
    truncateSync(join(here, "gaborium.safetensors"), 5000);
    expect(problemOf(() => openRecording(here, "gaborium")).message).toContain("gaborium.safetensors");

    const newer = join(folder, "newer");
    writeRecording(newer, recording);
    const json = join(newer, "gaborium.json");
    writeFileSync(json, readFileSync(json, "utf8").replace('"schema": 1', '"schema": 9'));
    expect(problemOf(() => openRecording(newer, "gaborium")).message).toContain("its schema is 9, expected 1");
  });

  test("refuses a pair of files that do not belong together", () => {
    const one = join(folder, "one");
    const other = join(folder, "other");
    writeRecording(one, fakeRecording("gaborium"));
    writeRecording(other, withColumns(fakeRecording("gaborium"), { extra: vector(new Float64Array(300)) }));
    copyFileSync(join(other, "gaborium.json"), join(one, "gaborium.json"));
    expect(problemOf(() => openRecording(one, "gaborium")).message).toContain("lists extra which the tensors lack");
  });

  test("refuses a file whose covariates have different lengths, naming both", () => {
    const here = join(folder, "uneven");
    mkdirSync(here);
    const tensors = new Map([
      ["robs", vector(new Float64Array(300))],
      ["eyepos", vector(new Float64Array(299))],
    ]);
    writeSafetensors(join(here, "gaborium.safetensors"), tensors);
    expect(problemOf(() => openRecording(here, "gaborium", "Fake_2020-01-01")).message).toMatch(
      /^Cannot open ".*gaborium\.safetensors": Recording "Fake_2020-01-01\/gaborium" is inconsistent: "eyepos" has 299 frames/,
    );
  });

  test("refuses a folder where a file should be", () => {
    const here = join(folder, "folders");
    writeRecording(join(here, "gaborium.safetensors"), fakeRecording("noise"));
    expect(problemOf(() => openRecording(here, "gaborium")).message).toContain("it is a folder, not a file");
  });
});
