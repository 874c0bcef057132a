import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setNumThreads, tensorStats } from "../torch/index.ts";
import { dryRun } from "./dry-run.ts";
import { tinyModel, tinySessions } from "./tiny-run.fake.ts";
import { train } from "./trainer.ts";

setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dry-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const options = () => ({
  modelConfig: tinyModel(),
  sessions: tinySessions(),
  batchSize: 16,
  maxEpochs: 4,
  stepsPerEpoch: 7,
  accumulateGradBatches: 2,
  precision: "32" as const,
});

describe("dryRun()", () => {
  test("says what the run will be, writes nothing and keeps nothing", async () => {
    const { live } = tensorStats();
    const found = dryRun({ ...options(), checkpointDir: folder }, 2);
    expect(found).toMatchObject({ sessions: 3, epochs: 4, batchesPerEpoch: 7, steps: 16 });
    const sets = tinySessions();
    expect(found.samples.train).toBe(sets.reduce((sum, { train: set }) => sum + set.length, 0));
    expect(found.units).toBe(sets.reduce((sum, { nUnits }) => sum + nUnits, 0));
    expect(found.parameters.trainable).toBeLessThanOrEqual(found.parameters.all);
    expect(found.samplesPerSecond).toBeGreaterThan(0);
    expect(found.seconds.total).toBeCloseTo(4 * (found.seconds.epoch + found.seconds.validation), 9);
    for (const bytes of Object.values(found.memory)) expect(bytes).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
    expect(tensorStats().live).toBe(live);

    const { globalStep } = await train({ ...options(), checkpointDir: folder, experimentName: "real" });
    expect(globalStep).toBe(found.steps);
  });

  test("counts what is left of a run that would be resumed, and leaves it alone", async () => {
    const abort = new AbortController();
    const where = { checkpointDir: folder, experimentName: "half" };
    const { last } = await train({ ...options(), ...where, onEpoch: () => abort.abort(), signal: abort.signal });
    const before = readdirSync(join(folder, "half"));
    expect(dryRun({ resume: last, sessions: tinySessions() }, 1)).toMatchObject({ epochs: 3, steps: 12 });
    expect(readdirSync(join(folder, "half"))).toEqual(before);
    expect(existsSync(join(folder, "dry-run"))).toBe(false);
  });
});
