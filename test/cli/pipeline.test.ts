import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arrayBytes } from "../../src/formats/array.ts";
import { writeNpy } from "../../src/formats/npy.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { fixture, runCli } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "cli-pipeline-"));
afterAll(() => rmSync(folder, { recursive: true }));

const MODEL = fixture("tiny-model.yaml");

/** Runs a command in the test's folder and expects it to succeed. */
async function succeed(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runCli(args, { cwd: folder });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Flags of a short run of 2 epochs. */
function training(name: string): string[] {
  const sizes = "--batch_size 16 --steps-per-epoch 6 --max-epochs 2 --learning-rate 1e-3 --limit-val-batches 3";
  const run = `--device cpu --precision 32 --experiment-name ${name}`;
  return ["train", "--model-config", MODEL, "--dataset-configs", "tiny/dataset.yaml", ...`${sizes} ${run}`.split(" ")];
}

/** Bytes of every tensor of a checkpoint. */
function weights(path: string): Record<string, string> {
  const file = openSafetensors(path);
  const entries = [...file.tensors].map(([name, tensor]) => [
    name,
    Buffer.from(arrayBytes(tensor.read())).toString("hex"),
  ]);
  file.close();
  return Object.fromEntries(entries);
}

beforeAll(() => succeed("synth", "tiny", "--preset", "tiny", "--sessions", "1"));

describe("synth, inspect, train", () => {
  test("inspect knows the recordings, the dataset and the model for it", async () => {
    const recordings = JSON.parse(await succeed("inspect", "recording", "tiny/Synth_2024-01-01", "--json"));
    expect(recordings.map(({ type }: { type: string }) => type)).toEqual([
      "backimage",
      "fixrsvp",
      "gaborium",
      "gratings",
    ]);
    expect(await succeed("inspect", "config", "tiny/dataset.yaml")).toContain("session: Synth_2024-01-01 #");
    expect(await succeed("inspect", "model", MODEL, "--dataset-configs", "tiny/dataset.yaml")).toContain(
      "12 lags of 15 x 15",
    );
  });

  test("train --print-config shows flags and defaults, and trains nothing", async () => {
    const text = await succeed(...training("printed"), "--print-config");
    expect(text).toContain("batch_size: 16 # --batch-size");
    expect(text).toContain("weight_decay: 0.00001 # default");
    expect(existsSync(join(folder, "checkpoints", "printed"))).toBe(false);
  });

  test("train writes checkpoints and metrics, and prints where", async () => {
    const stdout = await succeed(...training("whole"));
    expect(stdout).toContain("finished after 2 epochs, 12 steps");
    expect(stdout).toContain(join("checkpoints", "whole", "last.safetensors"));
    const metrics = readFileSync(join(folder, "checkpoints", "whole", "metrics.jsonl"), "utf8")
      .trim()
      .split("\n");
    expect(metrics.map((line) => JSON.parse(line)).filter((record) => "val_loss" in record)).toHaveLength(2);
    const listed = await succeed("inspect", "checkpoint", "checkpoints/whole");
    expect(listed).toContain("last.safetensors");
    expect(await succeed("inspect", "checkpoint", "checkpoints/whole/last.safetensors")).toContain("epoch 2, 12 steps");
  });

  test("eval scores the best checkpoint and writes every unit", async () => {
    const table = await succeed("eval", "--device", "cpu", "--checkpoint", "checkpoints/whole", "--out", "scores.csv");
    expect(table).toMatch(/^mean \(median\) +units +bits per spike +bits per spike of the true rates/);
    expect(table).toMatch(/^Synth_2024-01-01 +6 +-?\d\.\d{4} \(-?\d\.\d{4}\)/m);
    const csv = readFileSync(join(folder, "scores.csv"), "utf8").trim().split("\n");
    expect(csv).toHaveLength(7);
    expect(csv[0]).toMatch(/^session,unit,bps,bps_true_rates,.*ccnorm,ccnorm_low,ccnorm_high,ccmax/);
    expect(csv[1]).toMatch(/^Synth_2024-01-01,0,-?[\d.e-]+,-?[\d.e-]+,/);
    const json = JSON.parse(await succeed("eval", "--device", "cpu", "--checkpoint", "checkpoints/whole", "--json"));
    expect(json.checkpoint.path).toContain("val_bps_overall=");
    expect(json.sessions[0].units).toHaveLength(6);
    expect(json.sessions[0].analyses.qc.status).toBe("missing");
    const { bps, bps_true_rates: truth } = json.sessions[0].summary;
    expect(bps.mean).toBeLessThan(truth.mean);
    expect(existsSync(join(folder, "checkpoints", "whole", "evaluation"))).toBe(true);
  });

  test("eval gives what it is asked for, and lists what there is", async () => {
    const args = ["eval", "--device", "cpu", "--checkpoint", "checkpoints/whole", "--analyses"];
    await succeed(...args, "bps,correlation", "--out", "both.csv");
    const [header] = readFileSync(join(folder, "both.csv"), "utf8").split("\n");
    expect(header).toMatch(/^session,unit,bps,.*correlation_backimage/);
    const json = JSON.parse(await succeed(...args, "correlation", "--json"));
    expect(Object.keys(json.sessions[0].units[0])).toEqual(expect.arrayContaining(["unit", "correlation_backimage"]));
    const unknown = await runCli([...args, "corelation"], { cwd: folder });
    expect(unknown.status).toBe(1);
    expect(unknown.stderr).toContain('There is no analysis "corelation"');
    expect(unknown.stderr).toContain('Did you mean "correlation"?');
    expect(await succeed("eval", "--list")).toMatch(/^ccnorm +noise-corrected correlation/m);
  });

  test("compare puts checkpoints and baselines into one table", async () => {
    const paths = ["checkpoints/whole", "checkpoints/whole/last.safetensors"];
    const args = ["compare", ...paths, "--device", "cpu", "--baselines", "mean-rate,psth", "--out", "table.csv"];
    const table = await succeed(...args);
    expect(table).toMatch(/^mean \(median\) +bits per spike, validation/);
    for (const name of [...paths, "mean-rate", "psth"]) expect(table).toContain(`\n${name} `);
    expect(table).toMatch(/1 sessions, 6 units, \d+ validation samples, \d+ samples of repeats/);
    const rows = readFileSync(join(folder, "table.csv"), "utf8").trim().split("\n");
    expect(rows).toHaveLength(1 + 4 * 6);
    const wrong = await runCli(["compare", paths[0]!, "--baselines", "gml"], { cwd: folder });
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain('"gml" is not one of mean-rate, psth, lnp, glm, gabor-energy');
  });

  test("eval says what is wrong with a checkpoint", async () => {
    const none = await runCli(["eval", "--device", "cpu", "--checkpoint", "nowhere"], { cwd: folder });
    expect(none).toMatchObject({ status: 1, stdout: "" });
    expect(none.stderr).toContain('Cannot find the checkpoint "nowhere"');
    const data = "tiny/Synth_2024-01-01/backimage.safetensors";
    const other = await runCli(["eval", "--device", "cpu", "--checkpoint", data], { cwd: folder });
    expect(other.status).toBe(1);
    expect(other.stderr).toContain("no description of a VisionCore model");
  });

  test("train refuses to overwrite another run", async () => {
    const { status, stderr } = await runCli(training("whole"), { cwd: folder });
    expect(status).toBe(1);
    expect(stderr).toContain("--resume");
  });

  test("a run that was interrupted goes on with the printed command and ends with the same weights", async () => {
    const args = training("stopped");
    // Stop at the first sign of life after the first epoch; more epochs, so that there is time for it.
    const stopped = await runCli([...args, "--max-epochs", "400"], {
      cwd: folder,
      onStderr: (child, text) => {
        if (text.includes("epoch   1/400") && !text.includes("Stopping")) child.kill("SIGINT");
      },
    });
    expect(stopped.status, stopped.stderr).toBe(130);
    expect(stopped.stdout).toMatch(/^interrupted after \d+ epochs/);
    const command = /npx visioncore (train --resume .*)/.exec(stopped.stderr)![1]!.split(" ");
    const epochs = Number(/interrupted after (\d+)/.exec(stopped.stdout)![1]) + 2;
    await succeed(...command, "--max-epochs", String(epochs), "--allow-config-change");
    await succeed(...training("straight"), "--max-epochs", String(epochs));
    const run = (name: string) => weights(join(folder, "checkpoints", name, "last.safetensors"));
    expect(run("stopped")).toEqual(run("straight"));
  });
});

test("convert npy makes a dataset that trains", async () => {
  const frames = 400;
  const stim = Float32Array.from({ length: frames }, (_, t) => (Math.sin(t * 12.9898) > 0 ? 0.48 : -0.48));
  const robs = Uint8Array.from({ length: 2 * frames }, (_, i) => (stim[Math.max(0, (i >> 1) - 3)]! > 0 ? 1 : 0));
  writeNpy(join(folder, "stim.npy"), { dtype: "float32", shape: [frames], data: stim });
  writeNpy(join(folder, "robs.npy"), { dtype: "uint8", shape: [frames, 2], data: robs });
  const files = ["--stim", "stim.npy", "--robs", "robs.npy", "--session", "Cell_2024-01-01", "--type", "flicker"];
  const settings = ["--rate_hz", "100", "--trial_length", "40", "--lags", "8", "--dataset_config", "cell.yaml"];
  const stdout = await succeed("convert", "npy", ...files, ...settings);
  expect(stdout).toContain("400 frames of 1 x 1 pixels, 2 units, 10 trials; read back and compared");
  const args = training("cell").map((word) => (word === "tiny/dataset.yaml" ? "cell.yaml" : word));
  expect(await succeed(...args)).toContain("finished after 2 epochs");
});

test("demo makes a population, trains, scores and writes a report; a second run uses the population again", async () => {
  const size = ["--preset", "tiny", "--model-config", MODEL, "--max-epochs", "1", "--seconds", "4"];
  const first = await runCli(["demo", "--device", "cpu", ...size], { cwd: folder });
  expect(first.status, first.stderr).toBe(0);
  expect(first.stdout).toContain("bits per spike on trials the twin had not seen");
  expect(first.stdout).toContain(`report: ${join("demo", "report.html")}`);
  const html = readFileSync(join(folder, "demo", "report.html"), "utf8");
  expect(html).toContain("<h1>A twin of the demo population</h1>");
  expect(html).toContain("<h2>Predicted and observed</h2>");
  expect(html).not.toMatch(/NaN|undefined/);
  const second = await runCli(["demo", "--device", "cpu", ...size], { cwd: folder });
  expect(second.status, second.stderr).toBe(0);
  expect(second.stderr).toContain(`Using the population in ${join("demo", "data")}`);
  expect(existsSync(join(folder, "demo", "runs", "run-2", "last.safetensors"))).toBe(true);
});
