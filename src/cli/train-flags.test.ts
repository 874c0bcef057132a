import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { normalizeFlags } from "./argv.ts";
import { referenceFlagNotes } from "./reference-flags.ts";
import { addTrainFlags, resumeCommand, type TrainFlags, trainOptions } from "./train-flags.ts";

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
    });
    expect(referenceFlagNotes(command).map((sentence) => sentence.split(" ")[0])).toEqual([
      "--num-workers",
      "--dset-dtype",
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

  test("refuses values out of range and unknown flags, with the closest one", () => {
    expect(() => parse(["--batch-size", "0"])).toThrow("at least 1");
    expect(() => parse(["--learning-rate", "fast"])).toThrow("at least 0");
    expect(() => parse(["--lr-scheduler", "linear"])).toThrow("cosine_warmup");
    expect(() => parse(["--bach-size", "8"])).toThrow("Did you mean --batch-size?");
    expect(() => parse(["--gpu", "0", "--device", "cpu"])).toThrow("cannot be used with");
  });
});

describe("referenceFlagNotes()", () => {
  test("refuses what is not offered", () => {
    expect(() => referenceFlagNotes(parse(["--num-gpus", "2"]))).toThrow("--num-gpus is not available yet");
    expect(() => referenceFlagNotes(parse(["--gpu_ids", "0,1"]))).toThrow("--gpu-ids");
    expect(() => referenceFlagNotes(parse(["--model-index", "1"]))).toThrow("--model-index");
    expect(referenceFlagNotes(parse(["--gpu-ids", "0"]))).toEqual([]);
  });
});

test("resumeCommand() repeats what a checkpoint does not know, quoted for a shell", () => {
  expect(resumeCommand("checkpoints/a b", { device: "cpu", threads: 1, dataDir: "it's", batchSize: 8 })).toBe(
    "npx visioncore train --resume 'checkpoints/a b' --device cpu --threads 1 --data-dir 'it'\\''s'",
  );
});
