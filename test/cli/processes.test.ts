/**
 * @file Several processes that train together, started as users do: by one command, or one by one with torchrun's variables.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { freePort } from "../../src/torch/network.ts";
import { readMetrics } from "../../src/tracking/jsonl.ts";
import { type CliResult, fixture, runCli } from "./run-cli.ts";

let folder: string;
let dataset: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "processes-"));
  dataset = join(folder, "data", "dataset.yaml");
  const made = await runCli(["synth", join(folder, "data"), "--preset", "tiny", "--sessions", "2"]);
  expect(made.status).toBe(0);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

function start(name: string, ...more: string[]): string[] {
  return startWith(fixture("tiny-model.yaml"), name, ...more);
}

function startWith(model: string, name: string, ...more: string[]): string[] {
  const files = ["--model-config", model, "--dataset-configs", dataset];
  const settings = [
    "--precision",
    "32",
    "--learning-rate",
    "1e-2",
    "--limit-val-batches",
    "0.2",
    "--experiment-name",
    name,
  ];
  return ["train", ...files, ...settings, ...more];
}

function inRun(name: string, file: string): string {
  return join(folder, "checkpoints", name, file);
}

/** The values of all tensors of a checkpoint's files by name. */
function contents(name: string, files = ["last.safetensors", "last.state.safetensors"]): Map<string, Float32Array> {
  const tensors = files.flatMap((file) => {
    const open = openSafetensors(inRun(name, file));
    const read = [...open.tensors].map(
      ([key, array]) => [key, Float32Array.from(array.read().data as Float32Array)] as const,
    );
    open.close();
    return read;
  });
  return new Map(tensors);
}

/** What the last epoch measured; time and memory are the process's. */
function lastMetrics(name: string): Record<string, number> {
  const metrics = Object.entries(readMetrics(inRun(name, "metrics.jsonl")).at(-1)!);
  return Object.fromEntries(metrics.filter(([key]) => key !== "time" && !key.startsWith("process/")));
}

/** The process of a rank that a launcher has started. */
function pidOfRank(launcher: ChildProcess, rank: number): number | undefined {
  const { pid } = launcher;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  const isRank = (child: string) => readFileSync(`/proc/${child}/environ`, "utf8").split("\0").includes(`RANK=${rank}`);
  return children.filter((child) => child !== "" && isRank(child)).map(Number)[0];
}

/** Runs a command and does something to it as soon as the run has a checkpoint. */
function disturbed(
  args: readonly string[],
  name: string,
  disturb: (launcher: ChildProcess) => void,
): Promise<CliResult> {
  let watch: NodeJS.Timeout | undefined;
  const onStart = (child: ChildProcess) => {
    watch = setInterval(() => {
      if (!statSync(inRun(name, "last.safetensors"), { throwIfNoEntry: false })) return;
      clearInterval(watch);
      disturb(child);
    }, 5);
  };
  return runCli(args, { cwd: folder, onStart }).finally(() => clearInterval(watch));
}

describe("runs of one, two and three processes", () => {
  const sizes = { 1: 24, 2: 12, 3: 8 };
  const steps = ["--steps-per-epoch", "8", "--max-epochs", "1", "--accumulate-grad-batches", "2"];
  beforeAll(async () => {
    for (const [processes, batch] of Object.entries(sizes)) {
      const counts = ["--num-processes", processes, "--batch-size", String(batch), "--global-objective"];
      const result = await runCli(start(`global-${processes}`, ...counts, ...steps), { cwd: folder });
      expect(result.status, result.stderr).toBe(0);
    }
  }, 60_000);

  test("train the same twin with a global objective", { timeout: 60_000 }, async () => {
    const one = contents("global-1", ["last.safetensors"]);
    const metrics = lastMetrics("global-1");
    for (const processes of [2, 3]) {
      const several = contents(`global-${processes}`, ["last.safetensors"]);
      for (const [name, values] of one) {
        const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - several.get(name)![i]!)), 0);
        expect(worst, name).toBeLessThan(1e-4);
      }
      // First moments are gradients, averaged over steps.
      const state = contents(`global-${processes}`, ["last.state.safetensors"]);
      for (const [name, values] of contents("global-1", ["last.state.safetensors"])) {
        // Readouts begin round: their angle has no gradient but roundings.
        if (!name.startsWith("exp_avg.") || name.endsWith("theta")) continue;
        const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - state.get(name)![i]!)), 0);
        expect(worst, name).toBeLessThanOrEqual(2e-4 * scale);
      }
      const own = lastMetrics(`global-${processes}`);
      for (const [key, value] of Object.entries(metrics)) expect(own[key], key).toBeCloseTo(value, 4);
    }
    // Not because nothing was learnt: the usual objective leads elsewhere.
    const usual = await runCli(start("usual", "--num-processes", "2", "--batch-size", "12", ...steps), { cwd: folder });
    expect(usual.status).toBe(0);
    const name = "frontend.temporal_conv.conv.parametrizations.weight.original";
    const [a, b] = [one, contents("usual")].map((tensors) => tensors.get(name)!);
    expect(a!.some((value, i) => Math.abs(value - b![i]!) > 1e-3)).toBe(true);
  });

  test("validate the same, and go on in another number with a global objective", { timeout: 60_000 }, async () => {
    // With a rate too small for any weight to change, that of global-1.
    const scores = await Promise.all(
      ["1", "3"].map(async (processes) => {
        const directory = join(folder, "checkpoints", "global-1");
        const name = `on-${processes}`;
        const still = ["--learning-rate", "1e-30", "--max-epochs", "2", "--allow-config-change"];
        const args = [
          "train",
          "--resume",
          directory,
          "--num-processes",
          processes,
          "--experiment-name",
          name,
          ...still,
        ];
        const result = await runCli([...args, "--json"], { cwd: folder });
        expect(result.status, result.stderr).toBe(0);
        expect(result.stderr).not.toMatch(/Accepted change: (numProcesses|batchSize)/);
        expect(result.stderr).toContain("Accepted change: maxEpochs is 2, the checkpoint had 1");
        expect(JSON.parse(result.stdout)).toMatchObject({ globalStep: 8 });
        return Object.entries(lastMetrics(name)).filter(([key]) => key.startsWith("val_"));
      }),
    );
    const [one, three] = [scores[0]!, Object.fromEntries(scores[1]!)];
    expect(one.length).toBeGreaterThan(5);
    for (const [key, value] of one) {
      if (key.startsWith("val_loss")) expect(three[key], key).toBe(value);
      else expect(three[key], key).toBeCloseTo(value, 10);
    }
  });
});

describe("a run of two processes", () => {
  const settings = ["--num-processes", "2", "--batch-size", "16", "--steps-per-epoch", "8", "--max-epochs", "3"];
  const often = ["--checkpoint-every", "1"];
  let model: string;
  beforeAll(async () => {
    // Every process has its own random numbers for dropout.
    model = join(folder, "dropout.yaml");
    const plain = readFileSync(fixture("tiny-model.yaml"), "utf8");
    writeFileSync(model, plain.replace("norm_type: grn", "norm_type: grn\n        dropout: 0.2"));
    const whole = await runCli(startWith(model, "whole", ...settings), { cwd: folder });
    expect(whole.status, whole.stderr).toBe(0);
  }, 60_000);

  async function resumesExactly(name: string): Promise<void> {
    // Without a word about processes: it goes on with as many.
    const resumed = await runCli(["train", "--resume", join(folder, "checkpoints", name)], { cwd: folder });
    expect(resumed.status, resumed.stderr).toBe(0);
    expect(contents(name)).toEqual(contents("whole"));
    expect(readdirSync(join(folder, "checkpoints", name)).filter((file) => /tmp$|previous/.test(file))).toEqual([]);
  }

  test("ends when one is killed, says which, and goes on to the same bits", { timeout: 60_000 }, async () => {
    let pid: number | undefined;
    let killedAt = 0;
    const result = await disturbed(startWith(model, "killed", ...settings, ...often), "killed", (launcher) => {
      pid = pidOfRank(launcher, 1);
      killedAt = performance.now();
      process.kill(pid!, "SIGKILL");
    });
    expect(performance.now() - killedAt).toBeLessThan(30_000);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(`error: Rank 1 (process ${pid}) was killed by SIGKILL, so the others were stopped`);
    expect(result.stderr).toContain(`--resume ${join(folder, "checkpoints", "killed")}`);
    await resumesExactly("killed");
  });

  test("ends when one hangs, and says which", { timeout: 60_000 }, async () => {
    let pid: number | undefined;
    let stoppedAt = 0;
    const result = await disturbed(start("hung", ...settings, ...often), "hung", (launcher) => {
      pid = pidOfRank(launcher, 1);
      stoppedAt = performance.now();
      process.kill(pid!, "SIGSTOP");
    });
    expect(performance.now() - stoppedAt).toBeLessThan(30_000);
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(
      new RegExp(
        `error: Rank 0 stops because rank 1 \\(process ${pid} on .*\\) did not answer for 15 s\nhint: .*--resume`,
      ),
    );
    expect(result.stderr.match(/error:/g)).toHaveLength(1);
    expect(() => process.kill(pid!, 0)).toThrow("ESRCH");
  });

  test("stops with a checkpoint on Ctrl-C and goes on to the same bits", { timeout: 60_000 }, async () => {
    const result = await disturbed(
      startWith(model, "interrupted", ...settings, ...often),
      "interrupted",
      (launcher) => {
        launcher.kill("SIGINT");
      },
    );
    expect(result.status, result.stderr).toBe(130);
    expect(result.stderr).toContain("Stopping after this step");
    expect(result.stdout).toContain("interrupted after");
    await resumesExactly("interrupted");
  });

  test("is not continued by another number of processes", async () => {
    const directory = join(folder, "checkpoints", "whole");
    const result = await runCli(["train", "--resume", directory, "--num-processes", "1"], { cwd: folder });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("with another configuration:\n  numProcesses is 1, the checkpoint had 2");
    expect(result.stderr).toContain("Continue with 2 processes");
  });

  test("reports one error once when all fail alike", async () => {
    const args = start("bad", "--num-processes", "3", "--batch-size", "100000");
    const { status, stderr } = await runCli(args, { cwd: folder });
    expect(status).toBe(1);
    expect(stderr.match(/error:/g)).toHaveLength(1);
    expect(stderr).toContain("do not fill a batch of 100000 on each of 3 processes");
  });

  test("says that its port is in use", async () => {
    const server = createServer();
    const port = await new Promise<number>((done) => {
      server.listen(0, () => done((server.address() as { port: number }).port));
    });
    const { status, stderr } = await runCli(start("port", ...settings, "--master-port", String(port)), { cwd: folder });
    server.close();
    expect(status).toBe(1);
    expect(stderr).toContain(`error: Rank 0 cannot listen on port ${port}: it is in use`);
  });
});

describe("processes that were started one by one", () => {
  async function ranks(world: number, env: (rank: number) => Record<string, string> = () => ({})) {
    const port = String(await freePort());
    return (rank: number) => ({
      RANK: String(rank),
      WORLD_SIZE: String(world),
      MASTER_ADDR: "127.0.0.1",
      MASTER_PORT: port,
      ...env(rank),
    });
  }
  const settings = ["--batch-size", "16", "--steps-per-epoch", "8", "--max-epochs", "1"];

  test("train together on two hosts", { timeout: 60_000 }, async () => {
    // Two addresses stand for two machines, each with its own rank 0 of its GPUs.
    const envOf = await ranks(2, (rank) => ({ VISIONCORE_HOST: `127.0.0.${rank + 1}`, LOCAL_RANK: "0" }));
    const args = start("hosts", ...settings, "--device", "cpu");
    const [first, second] = await Promise.all([0, 1].map((rank) => runCli(args, { cwd: folder, env: envOf(rank) })));
    expect(first!.status, first!.stderr).toBe(0);
    expect(second!.status, second!.stderr).toBe(0);
    expect(first!.stdout).toContain("finished after 1 epochs, 8 steps");
    expect(second!.stdout + second!.stderr).toBe("");
    const together = await runCli(start("together", ...settings, "--num-processes", "2"), { cwd: folder });
    expect(together.status).toBe(0);
    expect(contents("hosts")).toEqual(contents("together"));
  });

  test("say that one is missing", async () => {
    const envOf = await ranks(2);
    const args = start("missing", ...settings, "--process-timeout", "2");
    const { status, stderr } = await runCli(args, { cwd: folder, env: envOf(0) });
    expect(status).toBe(1);
    expect(stderr).toContain("error: 1 of 2 processes joined within 2 s: rank 1 is missing");
  });

  test("refuse to train different things", async () => {
    const envOf = await ranks(2);
    const rates = ["1e-3", "2e-3"];
    const results = await Promise.all(
      rates.map((rate, rank) =>
        runCli(start("different", ...settings, "--learning-rate", rate), { cwd: folder, env: envOf(rank) }),
      ),
    );
    for (const { status, stderr } of results) {
      expect(status).toBe(1);
      expect(stderr).toContain("error: Cannot train together: the settings of rank 1 and of rank 0 are not the same");
    }
  });
});
