/**
 * @file A training run that is killed at any moment, also within the writing of a checkpoint, goes on to the same result, bit
 * for bit.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MersenneTwister } from "../../src/data/random.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { fixture, runCli } from "./run-cli.ts";

let folder: string;
let dataset: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kill-"));
  dataset = join(folder, "data", "dataset.yaml");
  const made = await runCli(["synth", join(folder, "data"), "--preset", "tiny", "--sessions", "1"]);
  expect(made.status).toBe(0);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

// Every step writes a checkpoint, so that most kills fall into a write.
const settings = ["--batch-size", "32", "--steps-per-epoch", "12", "--max-epochs", "3", "--checkpoint-every", "1"];
const schedule = ["--lr-scheduler", "cosine_warmup", "--warmup-epochs", "1", "--accumulate-grad-batches", "2"];

function start(name: string): string[] {
  const files = ["--model-config", fixture("tiny-model.yaml"), "--dataset-configs", dataset];
  return ["train", ...files, ...settings, ...schedule, "--enable-curriculum", "--experiment-name", name];
}

/** All bytes of a checkpoint's tensors by name: parameters, moments, random states. */
function contents(name: string): unknown {
  const read = (file: string) => {
    const open = openSafetensors(join(folder, "checkpoints", name, file));
    const tensors = [...open.tensors].map(([key, array]) => {
      const { data } = array.read();
      return [key, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")];
    });
    open.close();
    return Object.fromEntries(tensors);
  };
  return [read("last.safetensors"), read("last.state.safetensors")];
}

test("a run killed again and again ends like one that was not", { timeout: 240_000 }, async () => {
  const whole = await runCli(start("whole"), { cwd: folder });
  expect(whole.status, whole.stderr).toBe(0);

  const random = new MersenneTwister(20);
  const directory = join(folder, "checkpoints", "parts");
  const savedAt = () => statSync(join(directory, "last.safetensors"), { throwIfNoEntry: false })?.mtimeMs;
  const names = () => readdirSync(directory);
  const isWriting = () => savedAt() !== undefined && names().some((name) => name.endsWith(".tmp"));
  /**
   * Runs a command and kills it once it has written a checkpoint: after some milliseconds, or (`null`) as soon as it is
   * writing the next one.
   */
  const killed = (args: string[], delay: number | null) => {
    const before = savedAt();
    let watch: NodeJS.Timeout | undefined;
    const onStart = (child: ChildProcess) => {
      watch = setInterval(() => {
        if (savedAt() === before || (delay === null && !isWriting())) return;
        clearInterval(watch);
        if (delay === null) child.kill("SIGKILL");
        else setTimeout(() => child.kill("SIGKILL"), delay);
      }, 1);
    };
    return runCli(args, { cwd: folder, onStart }).finally(() => clearInterval(watch));
  };
  let withinWrite = 0;
  let kills = 0;
  let result = await killed(start("parts"), null);
  while (result.status === null) {
    kills++;
    if (isWriting()) withinWrite++;
    const args = ["train", "--resume", directory, "--checkpoint-every", "1"];
    result =
      kills < 6 ? await killed(args, kills % 2 === 0 ? null : random.next() % 60) : await runCli(args, { cwd: folder });
  }
  expect(result.status, result.stderr).toBe(0);
  expect(kills).toBeGreaterThanOrEqual(4);
  expect(withinWrite).toBeGreaterThanOrEqual(1);
  expect(contents("parts")).toEqual(contents("whole"));
  expect(names().filter((name) => /tmp$|previous/.test(name))).toEqual([]);
});
