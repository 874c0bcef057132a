import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { setNumThreads, tensorStats } from "../torch/index.ts";
import { verifyTraining } from "./training.ts";
import { verifyScheduleFree } from "./training-schedule-free.ts";
import { verifyTrajectory } from "./training-trajectory.ts";

setNumThreads(1);

const FIXTURES = join(import.meta.dirname, "../../test/fixtures/training");

describe("verifyTraining()", () => {
  const results = verifyTraining(FIXTURES);

  test("finds no difference from the reference", () => {
    expect(results.filter(({ status }) => status === "failed")).toEqual([]);
    expect(results.filter(({ status }) => status === "passed").length).toBeGreaterThanOrEqual(124);
  });

  test("runs every trajectory", () => {
    const passed = results.filter(({ status, name }) => status === "passed" && name.startsWith("trajectory_"));
    expect(passed.map(({ name }) => name.slice("trajectory_".length))).toEqual([
      "min_adamw",
      "tiny_full",
      "tiny_accum",
      "tiny_prox",
      "tiny_bf16",
      "modulator_only_log",
      "schedulefree_min",
      "schedulefree_tiny",
      "ddp",
    ]);
  });

  test("skips only what this program leaves out, with a reason", () => {
    const skipped = results.filter(({ status }) => status === "skipped");
    expect(skipped.map(({ name }) => name)).toEqual([
      "samplers/0_by_dataset",
      "samplers/1_by_dataset",
      "samplers/2_by_dataset",
      "samplers/3_by_dataset",
      "samplers/4_contrast",
      "checkpoint_frozencore",
    ]);
    for (const { reason } of skipped) expect(reason).toMatch(/\w/);
  });

  test("gives every case a name of its own", () => {
    expect(new Set(results.map(({ name }) => name)).size).toBe(results.length);
  });
});

describe("verifyScheduleFree()", () => {
  test.each([
    ["trajectory_schedulefree_min", { lr: 0.0101 }],
    ["trajectory_schedulefree_tiny", { warmup_steps: 7 }],
    ["trajectory_schedulefree_tiny", { weight_decay: 0.02 }],
  ])("notices that %s was run with %j", (name, settings) => {
    const folder = mkdtempSync(join(tmpdir(), "schedule-free-"));
    cpSync(FIXTURES, folder, { recursive: true });
    const path = join(folder, `${name}.json`);
    const json = JSON.parse(readFileSync(path, "utf8"));
    Object.assign(json.trainer, settings);
    writeFileSync(path, JSON.stringify(json));
    expect(verifyScheduleFree(folder, name)).toMatchObject({
      status: "failed",
      reason: expect.stringMatching(/^differs in/),
    });
    rmSync(folder, { recursive: true });
  });
});

describe("verifyTrajectory()", () => {
  const folder = mkdtempSync(join(tmpdir(), "trajectory-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Runs a golden trajectory with other settings than it was made with. */
  function altered(name: string, change: (trainer: Record<string, unknown>) => void) {
    cpSync(FIXTURES, folder, { recursive: true });
    const path = join(folder, `${name}.json`);
    const json = JSON.parse(readFileSync(path, "utf8"));
    change(json.trainer);
    writeFileSync(path, JSON.stringify(json));
    return verifyTrajectory(folder, name);
  }

  test.each([
    ["trajectory_min_adamw", { weight_decay: 0.011 }],
    ["trajectory_tiny_full", { gradient_clip_norm: 0.45 }],
    ["trajectory_tiny_full", { warmup_epochs: 0 }],
    ["trajectory_tiny_accum", { accumulate_grad_batches: 3 }],
  ])("notices that %s was run with %j", (name, settings) => {
    const { status, reason } = altered(name, (trainer) => Object.assign(trainer, settings));
    expect(status).toBe("failed");
    expect(reason).toMatch(/^differs in/);
  });

  test("leaves no tensors behind", () => {
    const { live } = tensorStats();
    verifyTrajectory(FIXTURES, "trajectory_min_adamw");
    verifyScheduleFree(FIXTURES, "trajectory_schedulefree_min");
    expect(tensorStats().live).toBe(live);
  });
});
