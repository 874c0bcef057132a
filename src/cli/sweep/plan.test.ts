import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { planSweep } from "./plan.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sweep-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function plan(text: string) {
  const path = join(folder, "mine.yaml");
  writeFileSync(path, text);
  return planSweep(path);
}

describe("planSweep()", () => {
  test("makes a run of every combination, and of those listed", () => {
    const { name, runs } = plan(`
train: {model_config: models/a.yaml, max_epochs: 3, enable_curriculum: true}
vary:
  learning_rate: [0.01, 0.001]
  seed: [1, 2]
runs:
  - {model_config: models/b.yaml, homogeneous_batches: false}
`);
    expect(name).toBe("mine");
    expect(runs.map((run) => run.name)).toEqual([
      "learning_rate=0.01,seed=1",
      "learning_rate=0.01,seed=2",
      "learning_rate=0.001,seed=1",
      "learning_rate=0.001,seed=2",
      "model_config=b,homogeneous_batches=false",
    ]);
    const a = ["--model-config", join(folder, "models/a.yaml"), "--max-epochs", "3", "--enable-curriculum"];
    expect(runs[1]!.args).toEqual([...a, "--learning-rate", "0.01", "--seed", "2"]);
    expect(runs[4]!.args).toContain("--no-homogeneous-batches");
    expect(runs[4]!.args).toContain(join(folder, "models/b.yaml"));
  });

  test.each([
    ["train: {max_epochs: 3}", "nothing varies"],
    ["vary: {learning_rat: [1]}", 'train has no flag "learning_rat"'],
    ["vary: {experiment_name: [a]}", '"experiment_name" is decided by the sweep'],
    ["vary: {seed: [true]}", '"seed" is true, but the flag takes a value'],
    ["vary: {enable_curriculum: [3]}", '"enable_curriculum" is 3, but the flag is a switch'],
    ["vary: {seed: [1]}\nruns: [{seed: 1}]", 'two of its runs are "seed=1"'],
    ["vary: {seed: []}", "seed"],
    ["varry: {seed: [1]}", "vary"],
  ])("refuses %j", (text, message) => {
    expect(() => plan(text)).toThrow(message);
  });
});
