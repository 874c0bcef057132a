import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setNumThreads } from "../torch/index.ts";
import { bestCheckpoint, checkpointFiles, lastCheckpoint, resumableCheckpoint } from "./checkpoint-files.ts";
import { saveTiny, tinyInfo } from "./tiny-checkpoint.fake.ts";

setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "checkpoint-files-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("bestCheckpoint()", () => {
  test("takes the best of a folder by the score in the file, the last only when there is no other", () => {
    const run = join(folder, "run");
    mkdirSync(run);
    expect(() => bestCheckpoint(run)).toThrow(`Cannot find a checkpoint in "${run}"`);
    const save = (name: string, val_bps_overall: number) =>
      saveTiny(join(run, name), 0, { ...tinyInfo(), metrics: { val_bps_overall } });
    save("last.safetensors", 0.9);
    expect(bestCheckpoint(run)).toBe(lastCheckpoint(run));
    save("epoch=00-val_bps_overall=0.0100.safetensors", 0.01);
    save("my favourite.safetensors", 0.3);
    save("epoch=02-val_bps_overall=0.2000.safetensors", 0.2);
    writeFileSync(join(run, "last.weights.safetensors"), "");
    expect(bestCheckpoint(run)).toBe(join(run, "my favourite.safetensors"));
    expect(checkpointFiles(run).map((path) => path.slice(run.length + 1))).toEqual([
      "epoch=00-val_bps_overall=0.0100.safetensors",
      "epoch=02-val_bps_overall=0.2000.safetensors",
      "last.safetensors",
      "my favourite.safetensors",
    ]);
    expect(resumableCheckpoint(run)).toBe(lastCheckpoint(run));
  });

  test("takes a file as it is", () => {
    const path = join(folder, "any.safetensors");
    writeFileSync(path, "");
    expect([bestCheckpoint(path), resumableCheckpoint(path), checkpointFiles(path)]).toEqual([path, path, [path]]);
  });

  test("names what is not there", () => {
    const path = join(folder, "nowhere");
    for (const find of [bestCheckpoint, resumableCheckpoint, checkpointFiles]) {
      expect(() => find(path)).toThrow(`Cannot find the checkpoint "${path}": there is no such file or folder`);
    }
  });
});

test("resumableCheckpoint() needs the last checkpoint of a folder", () => {
  const run = join(folder, "only-best");
  mkdirSync(run);
  writeFileSync(join(run, "epoch=00-val_bps_overall=0.0100.safetensors"), "");
  expect(() => resumableCheckpoint(run)).toThrow(`Cannot find a checkpoint in "${run}"`);
});
