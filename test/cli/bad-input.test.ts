/**
 * @file What a user reads when input is bad: every message names the file, key or session, and ends without a stack.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Recording } from "../../src/data/recording.ts";
import { openRecording, writeRecording } from "../../src/data/recording-files.ts";
import type { NdArray } from "../../src/formats/array.ts";
import { type CliResult, fixture, runCli } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "cli-bad-input-"));
afterAll(() => rmSync(folder, { recursive: true }));

const FORMATS = resolve(import.meta.dirname, "../fixtures/formats");
const FULL_DISK = resolve(import.meta.dirname, "full-disk.mjs");
const MODEL = fixture("tiny-model.yaml");
const SESSION = "Synth_2024-01-01";
const SHORT = "--batch-size 8 --steps-per-epoch 2 --max-epochs 1 --limit-val-batches 1 --device cpu --precision 32";

function run(command: string, env?: Record<string, string>): Promise<CliResult> {
  return runCli(command.split(" "), { cwd: folder, ...(env && { env }) });
}

function train(dataset: string, flags = ""): Promise<CliResult> {
  const name = dataset.replaceAll(/\W/g, "_");
  return run(`train --model-config ${MODEL} --dataset-configs ${dataset} --experiment-name ${name} ${SHORT}${flags}`);
}

/** Message and hint of a command that fails because of its input. */
async function refusal(result: Promise<CliResult>): Promise<string> {
  const { status, stdout, stderr } = await result;
  expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(/^error: /m);
  expect(stderr).not.toMatch(/\n {4}at |defect/);
  return stderr;
}

type Replacement = readonly [from: string, to: string];

/** A copy of the population, its dataset file changed. */
function population(name: string, ...changes: readonly Replacement[]): string {
  cpSync(join(folder, "tiny"), join(folder, name), { recursive: true });
  const path = join(folder, name, "dataset.yaml");
  let text = readFileSync(path, "utf8");
  for (const [from, to] of changes) {
    expect(text).toContain(from);
    text = text.replace(from, to);
  }
  writeFileSync(path, text);
  return `${name}/dataset.yaml`;
}

/** A copy of the population in which columns of a recording, and perhaps the dataset file, are changed. */
function changedData(
  name: string,
  change: (columns: Map<string, NdArray>) => void,
  changes: readonly Replacement[] = [],
): string {
  const dataset = population(name, ...changes);
  const where = join(folder, name, SESSION);
  const recording = openRecording(where, "backimage")!;
  const columns = new Map(recording.keys().map((key) => [key, recording.get(key)]));
  change(columns);
  writeRecording(where, new Recording("backimage", columns, recording.metadata));
  return dataset;
}

beforeAll(async () => {
  const { status, stderr } = await run("synth tiny --preset tiny --sessions 1");
  expect(status, stderr).toBe(0);
});

describe("a recording", () => {
  /** A session whose only recording is the file `content`. */
  function onlyDset(name: string, content: Uint8Array): string {
    const dataset = population(name);
    rmSync(join(folder, name, SESSION), { recursive: true });
    mkdirSync(join(folder, name, SESSION));
    writeFileSync(join(folder, name, SESSION, "backimage.dset"), content);
    return dataset;
  }

  test("that is missing is named with the folder where it was looked for", async () => {
    const dataset = onlyDset("missing", new Uint8Array());
    rmSync(join(folder, "missing", SESSION, "backimage.dset"));
    expect(await refusal(train(dataset))).toBe(
      `error: Cannot prepare session "${SESSION}": it has none of the types backimage, gaborium, gratings in ` +
        `"${join(folder, "missing")}"\nhint: It has no .dset or .safetensors file at all.\n`,
    );
    const one = await train(population("one-missing", ["- gratings", "- flashes"]));
    expect(one.status, one.stderr).toBe(0);
    expect(one.stderr).toContain(`warning: Session "${SESSION}": there is no recording of type "flashes"`);
  });

  test("that was cut short is named with its size", async () => {
    const whole = readFileSync(join(FORMATS, "recording/gaborium.dset"));
    const message = await refusal(train(onlyDset("cut", whole.subarray(0, 5000))));
    const path = join(folder, "cut", SESSION, "backimage.dset");
    expect(message).toContain(`Cannot read "${path}": it is a zip archive cut short after 5000 bytes`);
    expect(message).toContain("copy or create it again");
    expect(await refusal(run(`inspect recording ${path}`))).toContain("cut short after 5000 bytes");
    expect(await refusal(run(`convert dset ${path} --out converted`))).toContain("cut short after 5000 bytes");
  });

  test("that would run a program is refused, and the program named", async () => {
    const message = await refusal(train(onlyDset("evil", readFileSync(join(FORMATS, "torch/unreadable.dset")))));
    expect(message).toMatch(/"stim" in "covariates" is a Python object \w+\.system, not a tensor/);
    expect(message).toContain("hint: Nothing in the file was executed.");
  });

  test("without trials is refused, and one with a single trial trains nothing, with a warning", async () => {
    const none = await refusal(train(changedData("no-trials", (columns) => columns.delete("trial_inds"))));
    expect(none).toContain(`session "${SESSION}", type "backimage"`);
    expect(none).toContain('has no "trial_inds"');
    expect(none).toContain("hint: Training and validation are divided by trials");
    const noNumbers = changedData("nan-trials", (columns) => {
      const data = new Float64Array(columns.get("trial_inds")!.data.length).fill(Number.NaN);
      columns.set("trial_inds", { dtype: "float64", shape: [data.length], data });
    });
    expect(await refusal(train(noNumbers))).toContain(
      `Cannot prepare session "${SESSION}", type "backimage": trial_inds is not a number (NaN) in frame 0`,
    );
    const single = await train(
      changedData("one-trial", (columns) => columns.get("trial_inds")!.data.fill(1n as never)),
    );
    expect(single.status, single.stderr).toBe(0);
    expect(single.stderr).toMatch(/warning: .* type "backimage" trains nothing: \d+ valid of 1914 frames in 1 trial\n/);
  });

  test("with NaN in the behaviour is refused before training", async () => {
    const dataset = changedData("nan", (columns) => {
      columns.get("eyepos")!.data[1000] = Number.NaN;
    });
    const message = await refusal(train(dataset));
    expect(message).toMatch(
      /session "Synth_2024-01-01", type "backimage": "behavior" is not a number \(NaN\) in frame \d+/,
    );
    expect(message).toContain("hint: Mark such frames as invalid");
  });

  test("in which a unit is masked in all training frames trains, with a warning", async () => {
    // A unit that misses spikes in most frames counts as a multi-unit; this one does in the trials that train.
    const changes = [
      ["- gaborium\n  - gratings", ""],
      ["split: 0.8", "split: 0.4\nsplit_by: time"],
    ] as const;
    const masked = (columns: Map<string, NdArray>): void => {
      const [frames, units] = columns.get("robs")!.shape as [number, number];
      const data = Float32Array.from({ length: frames * units }, (_, i) =>
        i % units === 2 && i < 0.49 * frames * units ? 100 : 0,
      );
      columns.set("missing_pct", { dtype: "float32", shape: [frames, units], data });
    };
    const { status, stderr } = await train(changedData("masked", masked, changes));
    expect(status, stderr).toBe(0);
    expect(stderr).toContain(
      `warning: Session "${SESSION}": unit 2 has no valid training frame and will not be fitted`,
    );
    expect(stderr).not.toMatch(/nan/i);
  });
});

describe("a dataset file", () => {
  test("with a misspelt key is shown with line, column and the right key", async () => {
    const message = await refusal(train(population("typo", ["datafilters:", "datafilter:"])));
    expect(message).toMatch(/^typo\/dataset\.yaml:\d+:1 unknown key "datafilter": did you mean "datafilters"\?$/m);
  });

  test("with values of a wrong type is shown with all of them", async () => {
    const dataset = population("type", ["split: 0.8", "split: most"], ["seed: 1002", "seed: soon"]);
    const message = await refusal(train(dataset));
    expect(message).toMatch(/type\/dataset\.yaml:\d+:18 train_val_split: expected a number, found "most"/);
    expect(message).toMatch(/type\/dataset\.yaml:\d+:7 seed: expected a number, found "soon"/);
  });

  test("with units that a recording lacks is refused", async () => {
    const dataset = population("units");
    writeFileSync(join(folder, "units", "sessions", `${SESSION}.yaml`), "cids: [0, 7, 99]\n");
    expect(await refusal(train(dataset))).toContain(
      `Cannot select units 7, 99 of recording "${SESSION}/backimage": it has units 0 to 5\nhint: Correct the session's cids.`,
    );
  });

  test("whose lags leave the recording is refused, into the past and into the future", async () => {
    const past = await refusal(train(population("past", ["    - 11\n", "    - 5000\n"])));
    expect(past).toMatch(
      /"backimage" \(1914 frames\): (\d+) of \1 frames need data up to 5000 frames before the start/,
    );
    expect(past).toContain("hint: Shorten keys_lags");
    const future = await refusal(train(population("future", ["robs: 0", "robs: -3"])));
    expect(future).toMatch(/3 of \d+ frames need data up to 3 frames after the end/);
    expect(future).toContain("hint: Negative entries of keys_lags look into the future");
  });
});

describe("a checkpoint", () => {
  const base = () => join(folder, "checkpoints", "tiny_dataset_yaml");
  beforeAll(async () => {
    const { status, stderr } = await train("tiny/dataset.yaml");
    expect(status, stderr).toBe(0);
  });

  function damagedCopy(name: string, damage: (path: string) => void, file = "last.safetensors"): string {
    cpSync(base(), join(folder, name), { recursive: true });
    for (const best of readdirSync(join(folder, name)).filter((entry) => entry.startsWith("epoch=")))
      rmSync(join(folder, name, best));
    damage(join(folder, name, file));
    return name;
  }

  test("of another model is refused with the names and shapes that differ", async () => {
    writeFileSync(join(folder, "other.yaml"), readFileSync(MODEL, "utf8").replace("channels: [8]", "channels: [6]"));
    const message = await refusal(
      run(`train --device cpu --resume ${base()} --model-config other.yaml --allow-config-change`),
    );
    expect(message).toContain(`Cannot load "${join(base(), "last.safetensors")}" into this model: `);
    expect(message).toContain("readouts.0.features.weight: [6, 16, 1, 1] in the file, [6, 12, 1, 1] in the model");
    expect(message).toContain("hint: It was trained with another model configuration");
  });

  test("that was cut short is refused by eval, and by train --resume", async () => {
    const cut = damagedCopy("cut-short", (path) => truncateSync(path, 10_000));
    const expected = /Cannot read "cut-short\/last\.safetensors": its tensors take \d+ data bytes but \d+ are there/;
    expect(await refusal(run(`eval --device cpu --checkpoint ${cut}`))).toMatch(expected);
    expect(await refusal(run(`train --device cpu --resume ${cut}`))).toMatch(expected);
    const state = damagedCopy("cut-state", (path) => truncateSync(path, 10_000), "last.state.safetensors");
    expect(await refusal(run(`train --device cpu --resume ${state}`))).toContain("cut-state/last.state.safetensors");
  });

  test("whose description is damaged, or that PyTorch wrote, is refused", async () => {
    const damaged = damagedCopy("damaged", (path) => {
      const text = readFileSync(path, "latin1");
      writeFileSync(path, text.replace('\\"schema\\"', "xxxxxxxxxx"), "latin1");
    });
    expect(await refusal(run(`eval --device cpu --checkpoint ${damaged}`))).toContain(
      'Cannot load "damaged/last.safetensors": its description is damaged',
    );
    const torch = join(FORMATS, "checkpoint/checkpoint_tiny.ckpt");
    expect(await refusal(run(`inspect checkpoint ${torch}`))).toContain("it is a PyTorch file\nhint: ");
    expect(await refusal(run(`eval --device cpu --checkpoint ${torch}`))).toMatch(
      /the file does not say how its data are prepared\nhint: .* --dataset-configs/,
    );
  });

  test("survives a full disk, and the run goes on from it", async () => {
    cpSync(base(), join(folder, "full"), { recursive: true });
    const last = () => ["last.safetensors", "last.state.safetensors"].map((n) => readFileSync(join(folder, "full", n)));
    const before = last();
    const resume = "train --device cpu --resume full --max-epochs 2 --allow-config-change";
    const options = `--import ${FULL_DISK}`;
    const free = String(before[0]!.length + before[1]!.length);
    const message = await refusal(run(resume, { NODE_OPTIONS: options, VISIONCORE_FREE_BYTES: free }));
    expect(message).toMatch(/Cannot write ".*": no space left on the disk; /);
    expect(message).toContain("hint: Free some space");
    expect(last()).toEqual(before);
    expect(readdirSync(join(folder, "full")).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    const again = await run(resume);
    expect(again.status, again.stderr).toBe(0);
    expect(again.stdout).toContain("finished after 2 epochs, 4 steps");
  });

  test("cannot be written where a file is in the way", async () => {
    expect(await refusal(train("tiny/dataset.yaml", " --checkpoint-dir tiny/dataset.yaml"))).toMatch(
      /Cannot make the folder ".*": a part of its path is a file/,
    );
  });
});

describe("a device", () => {
  test("that is unknown is refused with the names that exist", async () => {
    const message = await refusal(
      run(`train --device tpu --model-config ${MODEL} --dataset-configs tiny/dataset.yaml`),
    );
    expect(message).toBe('error: Unknown device "tpu"\nhint: Use "cpu", "cuda", "cuda:1" or a GPU index.\n');
  });

  test.each(["--device cuda", "--gpu 0"])("that is not there is refused: %s", async (flag) => {
    const command = `train ${flag} --model-config ${MODEL} --dataset-configs tiny/dataset.yaml`;
    const message = await refusal(run(command, { CUDA_VISIBLE_DEVICES: "" }));
    expect(message).toMatch(/Cannot use device "(cuda|0)": libtorch [\d.]+\S* sees no CUDA device/);
    expect(message).toContain("hint: Train on the CPU with --device cpu");
  });
});
