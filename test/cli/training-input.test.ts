/**
 * @file What a user reads when the settings of a training run, or the checkpoint it is to continue from, are bad.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { type CliResult, fixture, runCli } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "training-input-"));
afterAll(() => rmSync(folder, { recursive: true }));

const MODEL = fixture("tiny-model.yaml");
const LIGHTNING = resolve(import.meta.dirname, "../fixtures/formats/checkpoint/checkpoint_tiny.ckpt");
const FILES = `--model-config ${MODEL} --dataset-configs data/dataset.yaml`;
const SHORT = "--batch-size 8 --steps-per-epoch 2 --max-epochs 1 --limit-val-batches 1 --precision 32";

function run(command: string, env?: Record<string, string>): Promise<CliResult> {
  return runCli(command.split(" "), { cwd: folder, ...(env && { env }) });
}

/** A short run of its own, with more flags. */
function train(flags: string): Promise<CliResult> {
  const name = flags.replaceAll(/\W+/g, "_");
  return run(`train ${FILES} ${SHORT} --experiment-name ${name} ${flags}`);
}

/** What a command says that fails because of its input. */
async function refusal(result: Promise<CliResult>): Promise<string> {
  const { status, stdout, stderr } = await result;
  expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(/^error: /m);
  expect(stderr).not.toMatch(/\n {4}at |defect/);
  return stderr;
}

beforeAll(async () => {
  const { status, stderr } = await run("synth data --preset tiny --sessions 2");
  expect(status, stderr).toBe(0);
}, 60_000);

describe("flags", () => {
  test.each([
    ["--device cpu --gpu 0", "'--gpu <index>' cannot be used with option '--device <name>'"],
    ["--num-gpus 2 --device cpu", "'--num-gpus <count>' cannot be used with option '--device <name>'"],
    ["--num-processes 2 --num-gpus 2", "'--num-processes <count>' cannot be used with option '--num-gpus <count>'"],
    ["--print-config --dry-run", "'--print-config' cannot be used with option '--dry-run'"],
    ["--frozen-core a --pretrained-checkpoint b", "both a frozen core and a pretrained checkpoint were given"],
    ["--optimizer schedule_free --lr-scheduler cosine", "with optimizer schedule_free and lrScheduler cosine"],
    ["--freeze-vision", "Say where it comes from: --pretrained-checkpoint."],
  ])("that contradict each other are refused: %s", async (flags, message) => {
    expect(await refusal(train(`${flags}`))).toContain(message);
  });

  test.each([
    ["--curriculum-floor 0.1", "curriculumFloor", "--enable-curriculum"],
    [
      "--warmup-epochs 5 --lr-scheduler cosine",
      "warmupEpochs",
      "--lr-scheduler cosine_warmup or cosine_warmup_restart",
    ],
    ["--allow-config-change", "allowConfigChange", "--resume"],
  ])("that would be ignored are refused, with what they need: %s", async (flags, option, needed) => {
    const message = await refusal(train(flags));
    expect(message).toContain(`Cannot train: ${option} is given and would be ignored, as it acts only with ${needed}`);
    expect(message).toContain(`hint: Add what it needs, or leave out ${flags.split(" ")[0]}.`);
  });

  test("about several processes are refused where there is one", async () => {
    expect(await refusal(train("--master-port 4000"))).toContain(
      "--master-port is for several processes, and this run",
    );
    expect(await refusal(train("--process-timeout 9"))).toContain("--process-timeout is for several processes");
  });

  test.each(["0", "NaN"])("with a learning rate of %s are refused", async (rate) => {
    expect(await refusal(train(`--learning-rate ${rate}`))).toContain(
      `option '--learning-rate <rate>' argument '${rate}' is invalid. Expected a number above 0.`,
    );
  });

  test("with a metric that is not logged are refused before training, with those that are", async () => {
    const message = await refusal(train("--monitor val_bps_overal --early-stopping-patience 3"));
    expect(message).toContain('Cannot monitor "val_bps_overal": there is no such metric after every epoch. There are ');
    expect(message).toContain("val_bps_overall, val_loss, train_loss_epoch, val_bps/Synth,");
    expect(message).toContain('hint: Did you mean "val_bps_overall"?');
    expect(message).not.toContain("epoch 1");
  });

  test("with a batch larger than the data are refused", async () => {
    expect(await refusal(train("--batch-size 1000000"))).toMatch(
      /\d+ training samples do not fill a batch of 1000000\nhint: Use a smaller batch size/,
    );
  });

  test("with a schedule longer than the run are doubted, with the rate at its end, and trackers' names noted", async () => {
    const flags = "--lr-scheduler cosine_warmup --warmup-epochs 4 --learning-rate 1e-3 --max-epochs 2 --project-name p";
    const { status, stderr, stdout } = await train(`${flags} --monitor val_loss`);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain(
      "warning: The warm-up takes 4 epochs and the run has 2: the learning rate ends at 0.00025 and never reaches 0.001",
    );
    expect(stderr).toContain("--project-name has no effect: neither --wandb nor --mlflow is given.");
    expect(stdout).toMatch(
      /^best {2}val_loss \d\.\d{4}, \d\.\d{4} bits\/spike in epoch \d {2}.*epoch=0\d-val_loss=\d/m,
    );
  });
});

describe("a checkpoint to continue from", () => {
  beforeAll(async () => {
    const { status, stderr } = await run(`train ${FILES} ${SHORT} --device cpu --experiment-name base`);
    expect(status, stderr).toBe(0);
  });
  const RESUME = "train --device cpu --resume checkpoints/base";

  /** A model and a dataset file in which something differs, but no shape. */
  function changedFiles(): string {
    const change = (from: string, to: string, pattern: RegExp, replacement: string) => {
      const text = readFileSync(from, "utf8");
      expect(text).toMatch(pattern);
      writeFileSync(join(folder, to), text.replace(pattern, replacement));
    };
    change(MODEL, "changed.yaml", /output_activation: \w+/, "output_activation: relu");
    change(join(folder, "data/dataset.yaml"), "data/changed.yaml", /seed: 1002/, "seed: 7");
    return "--model-config changed.yaml --dataset-configs data/changed.yaml";
  }

  test("of another configuration is refused, with every key that differs", async () => {
    const message = await refusal(run(`${RESUME} ${changedFiles()} --learning-rate 0.5 --max-epochs 3`));
    expect(message).toContain(
      'error: Cannot resume from "checkpoints/base/last.safetensors" with another configuration:',
    );
    expect(message).toContain("\n  learningRate is 0.5, the checkpoint had 0.0001\n");
    expect(message).toContain("\n  maxEpochs is 3, the checkpoint had 1\n");
    expect(message).toContain("\n  model.output_activation is relu, the checkpoint had softplus\n");
    expect(message).toContain("\n  dataset.seed is 7, the checkpoint had 1002\n");
    expect(message).toContain(
      "hint: Leave them out to continue the run as it was, or allow the change: --allow-config-change.",
    );
  });

  test.each(["--allow-config-change", "--override-on-resume"])(
    "goes on with %s, which lists what it accepts",
    async (flag) => {
      const name = flag.slice(2);
      const changes = `${changedFiles()} --learning-rate 0.5 --max-epochs 2 --experiment-name ${name}`;
      const { status, stderr } = await run(`${RESUME} ${changes} ${flag}`);
      expect(status, stderr).toBe(0);
      const accepted = stderr.split("\n").filter((line) => line.includes("Accepted change: "));
      expect(accepted.map((line) => line.replace(/^warning: Accepted change: /, ""))).toEqual([
        "learningRate is 0.5, the checkpoint had 0.0001",
        "maxEpochs is 2, the checkpoint had 1",
        "model.output_activation is relu, the checkpoint had softplus",
        "dataset.seed is 7, the checkpoint had 1002",
        expect.stringMatching(/^the data of Synth_\S+ are not those the checkpoint was trained on$/),
        expect.stringMatching(/^the data of Synth_\S+ are not those the checkpoint was trained on$/),
      ]);
    },
  );

  test.each<[string, (path: string) => void, string]>([
    ["last.ckpt", (path) => copyFileSync(LIGHTNING, path), "it is a PyTorch file, whose training cannot go on here"],
    ["weights.pt", (path) => writeFileSync(path, "whatever"), "it is a PyTorch file, whose training cannot go on here"],
    ["renamed.safetensors", (path) => copyFileSync(LIGHTNING, path), "it is not a safetensors file or is damaged"],
    ["archive.zip", (path) => copyFileSync(LIGHTNING, path), "it is not a safetensors file or is damaged"],
    [
      "info.json",
      (path) => writeFileSync(path, '{"epoch": 3, "loss": 1.5}'),
      "it is not a safetensors file or is damaged",
    ],
    ["empty.safetensors", (path) => writeFileSync(path, ""), "it has 0 bytes"],
    [
      "bare.safetensors",
      (path) => writeSafetensors(path, new Map([["w", { dtype: "float32", shape: [2], data: new Float32Array(2) }]])),
      "its 1 tensors carry no description of a VisionCore model\nhint: Another program wrote this file.",
    ],
    [
      "cut.safetensors",
      (path) => {
        copyFileSync(join(folder, "checkpoints/base/last.safetensors"), path);
        truncateSync(path, 10_000);
      },
      "but has only 10000 in all\nhint: The file is damaged or was cut short",
    ],
    [
      "lonely.safetensors",
      (path) => copyFileSync(join(folder, "checkpoints/base/last.safetensors"), path),
      'there is no "lonely.state.safetensors"\nhint: The checkpoint can be evaluated, but',
    ],
  ])("that is foreign or damaged is refused: %s", async (name, make, message) => {
    make(join(folder, name));
    const text = await refusal(run(`train --device cpu --resume ${name}`));
    expect(text).toContain(`"${name}": `);
    expect(text).toContain(message);
  });

  test("that was imported says what to do instead", async () => {
    expect(await refusal(run(`train --device cpu --resume ${LIGHTNING}`))).toContain(
      `hint: Start a new run with what it has learnt: visioncore import ${LIGHTNING}, then --pretrained-checkpoint or`,
    );
    const imported = await run(`import ${LIGHTNING} --output twin.safetensors`);
    expect(imported.status, imported.stderr).toBe(0);
    const message = await refusal(run("train --device cpu --resume twin.safetensors"));
    expect(message).toContain(
      'Cannot resume from "twin.safetensors": it was imported from checkpoint_tiny.ckpt, without its training state',
    );
    expect(message).toContain("--pretrained-checkpoint, or --frozen-core.");
  });

  test("is not continued with parts of another", async () => {
    expect(await refusal(run(`${RESUME} --frozen-core checkpoints/base`))).toContain(
      'Cannot resume with parts of "checkpoints/base": the checkpoint has all parameters',
    );
  });

  test("must be there, or a folder with one", async () => {
    expect(await refusal(run("train --device cpu --resume nowhere"))).toContain(
      'Cannot find the checkpoint "nowhere": there is no such file or folder',
    );
    expect(await refusal(run("train --device cpu --resume data"))).toContain('Cannot find a checkpoint in "data"');
  });
});
