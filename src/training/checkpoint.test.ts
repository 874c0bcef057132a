import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { UserError } from "../errors.ts";
import { AdamW, setNumThreads, tensorStats } from "../torch/index.ts";
import { loadTrainingState } from "./checkpoint.ts";
import { previousStatePath, statePath } from "./checkpoint-files.ts";
import { saveModelFile } from "./model-file.ts";
import { parameterGroups } from "./optimizers.ts";
import { saveTiny, tinyInfo, tinyTwin } from "./tiny-checkpoint.fake.ts";

/** Bytes that can still be written before the disk is full. */
const disk = vi.hoisted(() => ({ free: Number.POSITIVE_INFINITY }));

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const writeSync = (fd: number, bytes: Uint8Array, ...rest: [number, number]) => {
    disk.free -= bytes.length;
    if (disk.free < 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    return fs.writeSync(fd, bytes, ...rest);
  };
  return { ...fs, writeSync, default: { ...fs, writeSync } };
});

setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "checkpoint-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("saveCheckpoint()", () => {
  test.each([
    ["at once", 0, 0],
    ["in the training state", 0.5, 0],
    ["in the parameters", 1, 0.5],
  ])("leaves the old pair intact when the disk is full %s", (_, stateShare, twinShare) => {
    const run = mkdtempSync(join(folder, "full-"));
    const path = join(run, "last.safetensors");
    saveTiny(path, 1);
    const before = [readFileSync(path), readFileSync(statePath(path))];
    const { live } = tensorStats();
    disk.free = stateShare * before[1]!.length + twinShare * before[0]!.length;
    expect(() => saveTiny(path, 2)).toThrow(
      /^Cannot write ".*": no space left on the disk; the previous file is intact$/,
    );
    disk.free = Number.POSITIVE_INFINITY;
    expect([readFileSync(path), readFileSync(statePath(path))]).toEqual(before);
    expect(readdirSync(run).sort()).toEqual(["last.safetensors", "last.state.safetensors"]);
    expect(tensorStats().live).toBe(live);
  });

  test("needs a folder to write to", () => {
    expect(() => saveTiny(join(folder, "nowhere", "last.safetensors"))).toThrow(UserError);
  });
});

test("saveModelFile() leaves no file behind when the disk is full", () => {
  const run = mkdtempSync(join(folder, "full-"));
  const twin = tinyTwin(0);
  disk.free = 5000;
  expect(() => saveModelFile(join(run, "twin.safetensors"), twin, tinyInfo())).toThrow("no space left on the disk");
  disk.free = Number.POSITIVE_INFINITY;
  expect(readdirSync(run)).toEqual([]);
  twin.dispose();
});

describe("loadTrainingState()", () => {
  function optimizerOf(twin: ReturnType<typeof tinyTwin>): AdamW {
    return new AdamW(parameterGroups(twin.namedParameters(), { learningRate: 1, coreLrScale: 1, weightDecay: 0 }));
  }

  test("gives back moments, step counts and what the trainer counted", () => {
    const path = join(folder, "state.safetensors");
    saveTiny(path, 5);
    const twin = tinyTwin(5);
    const optimizer = optimizerOf(twin);
    expect(loadTrainingState(path, optimizer, "cpu")).toEqual({ counted: 5 });
    const { step, expAvg } = optimizer.state.get("readouts.2.features.weight")!;
    expect(step.item()).toBe(1);
    const weight = twin.stateDict().get("readouts.2.features.weight")!;
    const expected = Array.from(weight.toTypedArray() as Float32Array, (g) => Math.fround(g) * 0.1);
    expect(Array.from(expAvg.toTypedArray() as Float32Array)).toEqual(expected.map((m) => expect.closeTo(m, 7)));
    for (const moments of optimizer.state.values()) for (const t of Object.values(moments)) t.dispose();
    twin.dispose();
  });

  test("finds the state of a model file whose replacement was cut off between the two files", () => {
    const path = join(folder, "cut.safetensors");
    saveTiny(path, 5);
    // What is there when a process dies after it has put the new state in its place, and before the new model file.
    renameSync(statePath(path), previousStatePath(path));
    saveTiny(join(folder, "new.safetensors"), 6);
    renameSync(statePath(join(folder, "new.safetensors")), statePath(path));
    const twin = tinyTwin(0);
    const counted = () => loadTrainingState(path, optimizerOf(twin), "cpu");
    expect(counted()).toEqual({ counted: 5 });
    saveTiny(path, 7);
    expect(counted()).toEqual({ counted: 7 });
    expect(existsSync(previousStatePath(path))).toBe(false);
    twin.dispose();
  });

  test("refuses a model file that has none, and one of another save", () => {
    const [path, other] = [join(folder, "alone.safetensors"), join(folder, "other.safetensors")];
    const twin = tinyTwin(0);
    saveModelFile(path, twin, tinyInfo());
    const load = () => loadTrainingState(path, optimizerOf(twin), "cpu");
    expect(load).toThrow(`Cannot resume from "${path}": there is no "${statePath(path)}"`);
    saveTiny(other);
    saveModelFile(other, twin, tinyInfo());
    expect(() => loadTrainingState(other, optimizerOf(twin), "cpu")).toThrow("was saved with another checkpoint");
    twin.dispose();
  });
});
