/**
 * @file The flagship model on a dataset file with the structure of the main dataset, from the command line: train, score
 * and go on, from other folders than the one it was started in.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeRecording } from "../../src/data/recording-files.ts";
import { generateSession } from "../../src/data/synthetic/population.ts";
import { PRESETS } from "../../src/data/synthetic/presets.ts";
import { openModelFile } from "../../src/training/model-file.ts";
import { runCli } from "./run-cli.ts";

const EXPERIMENTS = resolve(import.meta.dirname, "../../experiments");
const MODEL = join(EXPERIMENTS, "model_configs/learned_resnet_none_convgru_gaussian.yaml");
const SESSIONS = ["Synth_2024-01-01", "Synth_2024-01-02"];

const folder = mkdtempSync(join(tmpdir(), "cli-flagship-"));
afterAll(() => rmSync(folder, { recursive: true }));
const elsewhere = join(folder, "elsewhere");

async function succeed(command: string, cwd: string): Promise<string> {
  const { status, stdout, stderr } = await runCli(command.split(" "), { cwd });
  expect(status, stderr).toBe(0);
  // The reference's files hold keys that nothing reads, and its lag order is pointed out; nothing else is wrong with them.
  const warnings = stderr.split("\n").filter((line) => line.startsWith("warning:"));
  expect(warnings.filter((line) => !/ignored|lag/i.test(line))).toEqual([]);
  return stdout;
}

/** The main dataset's file, with two synthetic sessions in place of its 30. */
function datasetFile(): string {
  const main = readFileSync(join(EXPERIMENTS, "dataset_configs/multi_basic_120_long.yaml"), "utf8");
  const own = main.replace(/^sessions: \[[^\]]*\]/m, `sessions: [${SESSIONS.join(", ")}]\ndata_dir: .`);
  expect(own).toContain(`sessions: [${SESSIONS[0]}`);
  return own;
}

/** Five trials of each type that last little longer than the 33 frames of history: the flagship is slow on a CPU. */
function writeSession(name: string): void {
  const block = { trials: 5, trialSeconds: [0.36, 0.4] } as const;
  const blocks = { backimage: block, gaborium: block, gratings: block, fixrsvp: block };
  const { recordings } = generateSession({ ...PRESETS.tiny, blocks, name }, 0);
  for (const recording of recordings) writeRecording(join(folder, "data", name), recording);
  writeFileSync(join(folder, "data", "sessions", `${name}.yaml`), "cids: [0, 1, 2, 3, 4, 5]\n");
}

beforeAll(() => {
  mkdirSync(join(folder, "data", "sessions"), { recursive: true });
  SESSIONS.forEach(writeSession);
  writeFileSync(join(folder, "data", "main.yaml"), datasetFile());
  mkdirSync(elsewhere);
});

test("train, eval and --resume work on the main dataset's structure, wherever they are called", async () => {
  const sizes =
    "--batch-size 4 --steps-per-epoch 2 --max-epochs 1 --limit-val-batches 2 --device cpu --precision 32 --threads 2";
  const run = `--dataset-configs data/main.yaml --experiment-name run ${sizes}`;
  const trained = await succeed(`train --model-config ${MODEL} ${run}`, folder);
  expect(trained).toContain("finished after 1 epochs, 2 steps");

  const path = join(folder, "checkpoints", "run", "last.safetensors");
  using checkpoint = openModelFile(path);
  const { config, nUnits } = checkpoint.info.sessions[1]!;
  expect(nUnits).toBe(6);
  expect(config?.types).toEqual(["backimage", "gaborium", "gratings"]);
  expect(config?.keys_lags.stim).toHaveLength(33);
  expect(config?.data_dir).toBe(join(folder, "data"));

  const scores = await succeed(`eval --device cpu --threads 2 --batch-size 16 --checkpoint ${path}`, elsewhere);
  for (const name of SESSIONS) expect(scores).toMatch(new RegExp(`^${name} +6 +-?\\d\\.\\d{4}`, "m"));
  const more = "train --resume ../checkpoints/run --device cpu --threads 2 --max-epochs 2 --allow-config-change";
  expect((await runCli(more.split(" "), { cwd: elsewhere })).stdout).toContain("finished after 2 epochs, 4 steps");
}, 120_000);
