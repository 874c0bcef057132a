import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setNumThreads } from "../torch/index.ts";
import { type Comparison, compareModels, type NamedModel } from "./compare.ts";
import { type LoadedModel, loadModel } from "./load-model.ts";
import { saveTwin, type TinyEvaluation, tinyEvaluation } from "./tiny-evaluation.fake.ts";

setNumThreads(1);

let made: TinyEvaluation;
const loaded: LoadedModel[] = [];
beforeAll(async () => {
  made = await tinyEvaluation();
});
afterAll(() => {
  for (const { twin } of loaded) twin.dispose();
  rmSync(made.folder, { recursive: true });
});

async function named(name: string, checkpoint = made.checkpoint): Promise<NamedModel> {
  const model = await loadModel({ checkpoint });
  loaded.push(model);
  return { name, model };
}

/** A twin whose sessions are divided with another seed or hold other units. */
async function otherwise(name: string, change: Record<string, unknown>): Promise<NamedModel> {
  const one = await named(name);
  const sessions = one.model.sessions.map((session) => ({ ...session, config: { ...session.config!, ...change } }));
  return { name, model: { ...one.model, sessions } };
}

function scoresOf({ contestants }: Comparison, name: string) {
  return contestants.find((one) => one.name === name)!.scores;
}

describe("compareModels()", () => {
  test("gives the same twin the same scores, and differences of 0", async () => {
    const comparison = await compareModels({ models: [await named("a"), await named("b")], splits: 10 });
    expect(scoresOf(comparison, "b")).toEqual(scoresOf(comparison, "a"));
    for (const { difference } of comparison.differences) expect(difference).toEqual({ mean: 0, low: 0, high: 0 });
    expect(comparison.sessions[0]).toMatchObject({ name: made.sessions[0], cids: [0, 1, 2, 3, 4, 5] });
  });

  test("scores on samples that no twin was trained on", async () => {
    const [a, b] = [await named("a"), await otherwise("b", { seed: 77 })];
    const alone = await compareModels({ models: [a], splits: 10 });
    const both = await compareModels({ models: [a, b], splits: 10 });
    expect(both.sessions[0]!.validation).toBeLessThan(alone.sessions[0]!.validation);
    // Repeats are no part of training: all of them are scored in either case.
    expect(both.sessions[0]!.repeats).toBe(alone.sessions[0]!.repeats);
    expect(both.ccmax).toEqual(alone.ccmax);
  });

  test("ranks baselines as they deserve: mean rate below the average of repeats", async () => {
    const checkpoint = join(made.folder, "runs", "other", "last.safetensors");
    saveTwin(checkpoint, join(made.data, "dataset.yaml"), 3);
    const models = [await named("twin", checkpoint)];
    const comparison = await compareModels({ models, baselines: ["mean-rate", "psth", "lnp"], splits: 10 });
    const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(scoresOf(comparison, "psth").bps_repeats)).toBeGreaterThan(
      mean(scoresOf(comparison, "mean-rate").bps_repeats),
    );
    expect(mean(scoresOf(comparison, "lnp").bps)).toBeGreaterThan(mean(scoresOf(comparison, "mean-rate").bps));
    // A mean over training samples scores about 0 on others, and never above it.
    expect(Math.max(...scoresOf(comparison, "mean-rate").bps)).toBeLessThanOrEqual(1e-6);
    expect(scoresOf(comparison, "psth").bps.every(Number.isNaN)).toBe(true);
    expect(comparison.differences.filter(({ name }) => name === "psth").map(({ score }) => score)).toContain(
      "bps_repeats",
    );
  });

  test("refuses twins that see other rates or share no session", async () => {
    const a = await named("a");
    const slow = await otherwise("slow", { sampling: { source_rate: 240, target_rate: 60 } });
    await expect(compareModels({ models: [a, slow] })).rejects.toThrow("frames per second");
    const stranger = { name: "stranger", model: { ...a.model, sessions: [{ ...a.model.sessions[0]!, name: "X_1" }] } };
    await expect(compareModels({ models: [a, stranger] })).rejects.toThrow("no session is known to all twins");
    await expect(compareModels({ models: [a], sessions: ["Y_2"] })).rejects.toThrow('Cannot use session "Y_2"');
  });
});
