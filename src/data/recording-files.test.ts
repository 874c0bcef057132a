import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Recording } from "./recording.ts";
import { fileDigest, openRecording, writeRecording } from "./recording-files.ts";
import { fakeRecording } from "./session.fake.ts";

const RAW = join(import.meta.dirname, "../../test/fixtures/data/raw/Syn_2020-01-01");

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "visioncore-recording-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

/** Rewrites the JSON beside a recording. */
function edit(path: string, change: (json: Record<string, unknown>) => void): void {
  const json = JSON.parse(readFileSync(path, "utf8"));
  change(json);
  writeFileSync(path, JSON.stringify(json));
}

describe("writeRecording()", () => {
  test("is read back with the same keys, arrays and metadata", () => {
    const root = folder();
    const written = fakeRecording("gaborium", { metadata: { ppd: 37.5, region: ["V1", "V2"] } });
    writeRecording(join(root, "new", "folder"), written, { rateHz: 240 });
    const read = openRecording(join(root, "new", "folder"), "gaborium", "Fake_2020-01-01")!;
    expect(read.keys()).toEqual(written.keys());
    for (const key of written.keys()) expect(read.get(key)).toEqual(written.get(key));
    expect(read.metadata).toEqual({ ppd: 37.5, region: ["V1", "V2"], rate_hz: 240 });
    const json = JSON.parse(readFileSync(join(root, "new", "folder", "gaborium.json"), "utf8"));
    expect(json).toMatchObject({ schema: 1, name: "gaborium", frames: 300, units: 3, rate_hz: 240, source: null });
  });

  test("converts a .dset file without changing a bit and notes its digest", () => {
    const root = folder();
    const sourcePath = join(RAW, "fixrsvp.dset");
    copyFileSync(sourcePath, join(root, "fixrsvp.dset"));
    const dset = openRecording(root, "fixrsvp")!;
    writeRecording(root, dset, { sourcePath });
    const own = openRecording(root, "fixrsvp")!;
    expect(own.keys()).toEqual(dset.keys());
    for (const key of own.keys()) expect(own.get(key)).toEqual(dset.get(key));
    expect(own.metadata.roi_src).toEqual([
      [-6, 6],
      [-6, 6],
    ]);
    const json = JSON.parse(readFileSync(join(root, "fixrsvp.json"), "utf8"));
    expect(json.source).toEqual({ file: "fixrsvp.dset", sha256: fileDigest(sourcePath) });
  });

  test("refuses metadata that contains itself, before writing anything", () => {
    const root = folder();
    const metadata: Record<string, unknown> = {};
    metadata.self = [metadata];
    const recording = fakeRecording("gaborium", { metadata });
    expect(() => writeRecording(root, recording)).toThrow("it contains itself");
    expect(readdirSync(root)).toEqual([]);
  });

  test("writes metadata that JSON does not know as text and lists", () => {
    const root = folder();
    const metadata = { a: Number.NaN, b: 2n ** 60n, c: new Map([[1, "x"]]), d: new Set([3]), e: Uint8Array.of(7) };
    writeRecording(root, fakeRecording("gaborium", { metadata }));
    expect(openRecording(root, "gaborium")!.metadata).toEqual({
      a: "NaN",
      b: "1152921504606846976",
      c: [[1, "x"]],
      d: [3],
      e: [7],
    });
  });
});

describe("openRecording()", () => {
  test("gives null for a type that does not exist", () => {
    expect(openRecording(folder(), "gaborium")).toBeNull();
  });

  test("does without the JSON", () => {
    const root = folder();
    writeRecording(root, fakeRecording("gaborium"));
    rmSync(join(root, "gaborium.json"));
    expect(openRecording(root, "gaborium")).toBeInstanceOf(Recording);
  });

  test.each([
    ["is cut short", (path: string) => writeFileSync(path, '{"schema": 1,'), "it is not valid JSON"],
    ["is a list", (path: string) => writeFileSync(path, "[]"), "it holds no JSON object"],
    [
      "has a newer schema",
      (path: string) =>
        edit(path, (json) => {
          json.schema = 2;
        }),
      "its schema is 2, expected 1",
    ],
    [
      "lists another key",
      (path: string) => edit(path, (json) => (json.key_order as string[]).splice(0, 1, "other")),
      "lists other which the tensors lack and does not list t_bins",
    ],
    [
      "states another length",
      (path: string) =>
        edit(path, (json) => {
          json.frames = 299;
        }),
      "describes 299 frames of 3 units, the tensors beside it are 300 frames of 3 units",
    ],
    [
      "states other units",
      (path: string) =>
        edit(path, (json) => {
          json.units = 4;
        }),
      "describes 300 frames of 4 units",
    ],
    [
      "has damaged digests",
      (path: string) =>
        edit(path, (json) => {
          json.sha256 = ["robs"];
        }),
      "its sha256 is not a mapping",
    ],
    [
      "has a damaged key order",
      (path: string) =>
        edit(path, (json) => {
          json.key_order = 3;
        }),
      "its key_order is not a list of keys",
    ],
  ])("refuses a JSON file that %s", (_, damage, message) => {
    const root = folder();
    writeRecording(root, fakeRecording("gaborium"));
    damage(join(root, "gaborium.json"));
    expect(() => openRecording(root, "gaborium")).toThrow(
      expect.objectContaining({ name: "UserError", message: expect.stringContaining(message) }),
    );
  });
});
