import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { normalizeFlags } from "./argv.ts";
import { referenceFlagNotes } from "./reference-flags.ts";
import { addTrainFlags, resumeCommand, type TrainFlags, trackingOptions, trainOptions } from "./train-flags.ts";

/** The train command after parsing, without running anything; errors are thrown. */
function parse(argv: readonly string[]): Command {
  const command = addTrainFlags(new Command("train"))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.parse(normalizeFlags(argv), { from: "user" });
}

describe("addTrainFlags()", () => {
  test("takes the flags of a launch script of the reference", () => {
    const script =
      "--model_config m.yaml --dataset_configs_path d.yaml --batch_size 256 --learning_rate 1e-3 --core_lr_scale 0.5 " +
      "--weight_decay 1e-5 --max_epochs 150 --gradient_clip_val 10 --accumulate_grad_batches 4 --max_datasets 20 " +
      "--lr_scheduler cosine_warmup_restart --warmup_epochs 5 --precision bf16-mixed --steps_per_epoch 512 " +
      "--experiment_name run_1 --checkpoint_dir out --early_stopping_patience 50 --limit_val_batches 0.2 " +
      "--time_budget_minutes 2880 --ckpt_path out/last --num_gpus 1 --num_workers 32 --dset_dtype bfloat16 --enable_logging";
    const command = parse(script.split(" "));
    expect(trainOptions(command.opts<TrainFlags>())).toMatchObject({
      modelConfig: "m.yaml",
      datasetConfigsPath: "d.yaml",
      batchSize: 256,
      learningRate: 1e-3,
      coreLrScale: 0.5,
      accumulateGradBatches: 4,
      lrScheduler: "cosine_warmup_restart",
      experimentName: "run_1",
      limitValBatches: 0.2,
      timeBudgetMinutes: 2880,
      resume: "out/last",
      dsetDtype: "bfloat16",
    });
    expect(referenceFlagNotes(command).map((sentence) => sentence.split(" ")[0])).toEqual([
      "--num-workers",
      "--enable-logging",
    ]);
  });

  test("says nothing about settings that are not given, so that the trainer or a checkpoint decides", () => {
    const options = trainOptions(parse(["--resume", "x"]).opts<TrainFlags>());
    expect(Object.entries(options).filter(([, value]) => value !== undefined)).toEqual([["resume", "x"]]);
  });

  test("can switch homogeneous batches on and off", () => {
    expect(parse(["--homogeneous-batches"]).opts().homogeneousBatches).toBe(true);
    expect(parse(["--no_homogeneous_batches"]).opts().homogeneousBatches).toBe(false);
  });

  test("says where stimuli lie", () => {
    const optionsOf = (argv: string) => trainOptions(parse(argv.split(" ")).opts<TrainFlags>());
    expect(optionsOf("--data-memory 2 --data-cache d")).toMatchObject({ dataMemory: 2 ** 31, dataCache: "d" });
    expect(optionsOf("--no-data-cache --data-on-device never")).toMatchObject({
      dataCache: false,
      dataOnDevice: "never",
    });
    expect(optionsOf("--data-on-device 0.5").dataOnDevice).toBe(2 ** 29);
    expect(() => parse(["--data-on-device", "maybe"])).toThrow("Expected a number");
  });

  test("knows optimisers and TF32, and leaves unsaid what was not said", () => {
    const optionsOf = (argv: string[]) => trainOptions(parse(argv).opts<TrainFlags>());
    expect(optionsOf(["--optimizer", "schedule_free", "--optimizer-warmup-steps", "9", "--no-tf32"])).toMatchObject({
      optimizer: "schedule_free",
      optimizerWarmupSteps: 9,
      tf32: false,
    });
    expect(optionsOf(["--tf32", "--bad-step-limit", "5"])).toMatchObject({ tf32: true, badStepLimit: 5 });
    expect(optionsOf([])).not.toHaveProperty("tf32");
    expect(() => parse(["--optimizer", "sgd"])).toThrow("adamw, schedule_free");
  });

  test("reads when to use CUDA graphs", () => {
    expect(trainOptions(parse(["--cuda-graphs", "off"]).opts<TrainFlags>())).toMatchObject({ cudaGraphs: "off" });
    expect(() => parse(["--cuda-graphs", "yes"])).toThrow("auto, off, on");
    expect(resumeCommand("run", { cudaGraphs: "on" })).toBe("npx visioncore train --resume run --cuda-graphs on");
  });

  test("refuses values out of range and unknown flags, with the closest one", () => {
    expect(() => parse(["--batch-size", "0"])).toThrow("at least 1");
    expect(() => parse(["--learning-rate", "fast"])).toThrow("above 0");
    expect(() => parse(["--lr-scheduler", "linear"])).toThrow("cosine_warmup");
    expect(() => parse(["--bach-size", "8"])).toThrow("Did you mean --batch-size?");
    expect(() => parse(["--gpu", "0", "--device", "cpu"])).toThrow("cannot be used with");
    expect(() => parse(["--num-processes", "2", "--num-gpus", "2"])).toThrow("cannot be used with");
  });
});

test("addTrainFlags() reads how many processes, and on which GPUs", () => {
  expect(parse(["--gpu_ids", "0,2"]).opts()).toMatchObject({ gpuIds: [0, 2] });
  expect(() => parse(["--gpu_ids", "1,1"])).toThrow("Expected different GPUs");
  expect(() => parse(["--num-gpus", "0"])).toThrow("at least 1");
});

describe("referenceFlagNotes()", () => {
  test("refuses what is not offered", () => {
    expect(() => referenceFlagNotes(parse(["--model-index", "1"]))).toThrow("--model-index is not offered");
  });
});

describe("trackingOptions()", () => {
  const options = (argv: string) => trackingOptions(parse(argv.split(" ")).opts<TrainFlags>());

  test("says where metrics go", () => {
    expect(options("--wandb offline --tensorboard --mlflow mlruns --project_name lab")).toEqual({
      wandb: "offline",
      tensorboard: true,
      mlflow: "mlruns",
      projectName: "lab",
    });
    expect(() => parse(["--wandb", "on"])).toThrow("offline, online");
  });

  test("has the reference's projects", () => {
    expect(options("--seed 1").projectName).toBeUndefined();
    expect(options("--frozen-core twin.safetensors").projectName).toBe("frozencore_readouts");
  });

  test("is no business of the trainer", () => {
    const flags = parse([
      "--wandb",
      "online",
      "--tensorboard",
      "--mlflow",
      "x",
      "--project-name",
      "y",
    ]).opts<TrainFlags>();
    expect(Object.values(trainOptions(flags)).filter((value) => value !== undefined)).toEqual([]);
  });
});

test("resumeCommand() repeats the trackers", () => {
  expect(resumeCommand("run", { wandb: "offline", tensorboard: true, mlflow: "ml runs", projectName: "p" })).toBe(
    "npx visioncore train --resume run --wandb offline --tensorboard --mlflow 'ml runs' --project-name p",
  );
});

test("resumeCommand() repeats what a checkpoint does not know, quoted for a shell", () => {
  expect(resumeCommand("checkpoints/a b", { device: "cpu", threads: 1, dataDir: "it's", batchSize: 8 })).toBe(
    "npx visioncore train --resume 'checkpoints/a b' --device cpu --threads 1 --data-dir 'it'\\''s'",
  );
});
