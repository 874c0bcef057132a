import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openRecording } from "../../data/recording-files.ts";
import { convertDset } from "./dset.ts";
import { verifyRecording } from "./verify-recording.ts";

const DSET = "test/fixtures/cli/gaborium.dset";
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "convert-dset-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("convertDset()", () => {
  test("converts a folder, keeps its layout and takes its arrays along", () => {
    const session = join(folder, "in", "Syn_2020-01-01");
    mkdirSync(join(session, "datasets"), { recursive: true });
    mkdirSync(join(session, "qc"));
    copyFileSync(DSET, join(session, "datasets", "gaborium.dset"));
    writeFileSync(join(session, "qc", "truncation.npz"), "arrays");
    const out = join(folder, "out");
    const { recordings, copied } = convertDset({ input: join(folder, "in"), out, rateHz: 240 });
    expect(recordings).toEqual([join(out, "Syn_2020-01-01", "datasets", "gaborium")]);
    expect(copied).toEqual([join(out, "Syn_2020-01-01", "qc", "truncation.npz")]);
    const source = openRecording(join(session, "datasets"), "gaborium")!;
    const written = openRecording(join(out, "Syn_2020-01-01", "datasets"), "gaborium")!;
    expect(written.keys()).toEqual(source.keys());
    expect(written.get("robs")).toEqual(source.get("robs"));
  });

  test("converts a single file", () => {
    const { recordings } = convertDset({ input: DSET, out: folder });
    expect(recordings).toEqual([join(folder, "gaborium")]);
    expect(existsSync(join(folder, "gaborium.json"))).toBe(true);
  });

  test("refuses what is missing, empty or something else", () => {
    expect(() => convertDset({ input: join(folder, "none"), out: folder })).toThrow("no such file or folder");
    expect(() => convertDset({ input: folder, out: folder })).toThrow("no .dset file below it");
    const text = join(folder, "x.txt");
    writeFileSync(text, "x");
    expect(() => convertDset({ input: text, out: folder })).toThrow("not a .dset file");
    const damaged = join(folder, "x.dset");
    writeFileSync(damaged, "not a recording");
    expect(() => convertDset({ input: damaged, out: folder })).toThrow("x.dset");
  });
});

test("verifyRecording() finds a changed column", () => {
  convertDset({ input: DSET, out: folder });
  const original = openRecording("test/fixtures/cli", "gaborium")!;
  verifyRecording(folder, original);
  const robs = original.get("robs");
  original.set("robs", { ...robs, data: robs.data.slice().fill(9 as never) });
  expect(() => verifyRecording(folder, original)).toThrow("differs from its source in: robs");
});
