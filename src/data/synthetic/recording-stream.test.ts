import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { NdArray } from "../../formats/array.ts";
import { Recording } from "../recording.ts";
import { writeRecording } from "../recording-files.ts";
import { RecordingStream } from "./recording-stream.ts";

const root = mkdtempSync(join(tmpdir(), "recording-stream-"));
afterAll(() => rmSync(root, { recursive: true }));

const FRAMES = 5;
/** Rows `start` to `stop` of a small recording. */
const rows = (start: number, stop: number): Map<string, NdArray> => {
  const count = stop - start;
  const at = (i: number) => start + i;
  return new Map<string, NdArray>([
    ["t_bins", { dtype: "float64", shape: [count], data: Float64Array.from({ length: count }, (_, i) => at(i) / 240) }],
    [
      "stim",
      { dtype: "uint8", shape: [count, 1, 2], data: Uint8Array.from({ length: 2 * count }, (_, i) => 2 * start + i) },
    ],
    [
      "robs",
      { dtype: "float32", shape: [count, 3], data: Float32Array.from({ length: 3 * count }, (_, i) => 3 * start + i) },
    ],
  ]);
};
const metadata = { name: "gaborium", ppd: 16, planted: { units: [{ sf: 2 }] } };
const options = (folder: string) => ({ folder, type: "gaborium", frames: FRAMES, rateHz: 240, metadata });

describe("RecordingStream", () => {
  test("writes the same bytes as writeRecording(), whatever the pieces", () => {
    const whole = join(root, "whole");
    writeRecording(whole, new Recording("gaborium", rows(0, FRAMES), metadata, "s"), { rateHz: 240 });
    for (const [name, edges] of Object.entries({ once: [0, 5], pieces: [0, 1, 4, 5] })) {
      const folder = join(root, name);
      mkdirSync(folder);
      const stream = new RecordingStream(options(folder));
      for (let i = 1; i < edges.length; i++) stream.append(rows(edges[i - 1]!, edges[i]!));
      stream.finish();
      stream.abort();
      expect(readdirSync(folder)).toEqual(["gaborium.json", "gaborium.safetensors"]);
      for (const file of readdirSync(folder)) {
        expect(readFileSync(join(folder, file))).toEqual(readFileSync(join(whole, file)));
      }
    }
  });

  test("leaves nothing when rows are missing or it is given up", () => {
    const folder = join(root, "unfinished");
    mkdirSync(folder);
    const stream = new RecordingStream(options(folder));
    expect(() => stream.finish()).toThrow("it has no rows");
    stream.append(rows(0, 4));
    expect(() => stream.finish()).toThrow("lacks");
    expect(() => stream.append(rows(2, 5))).toThrow("are missing");
    stream.abort();
    expect(readdirSync(folder)).toEqual([]);
  });
});
