/**
 * @file `visioncore convert`: recordings of others into our own format.
 */
import { type Command, Option } from "commander";
import { describeCommand } from "../command.ts";
import type { TrialOptions } from "../convert/trials.ts";
import { note, print } from "../terminal.ts";
import { numberBetween, positiveNumber, wholeNumber, wholeNumbers } from "../values.ts";
import { listCommand, mappedCommand } from "./convert-mapped.ts";
import { nwbCommand } from "./convert-nwb.ts";

/** The `convert` command with its kinds of source. */
export function convertCommand(): Command {
  return describeCommand("convert", "Convert recordings to VisionCore's own format (safetensors and JSON).", [
    "convert dset data/Allen_2022-02-16 --out converted/Allen_2022-02-16",
    "convert npy --stim frames.npy --robs counts.npy --rate-hz 120 \\\n--session Mo_2024-05-01 --type movie --trial-length 1200",
  ])
    .addCommand(dsetCommand())
    .addCommand(npyCommand())
    .addCommand(nwbCommand())
    .addCommand(mappedCommand())
    .addCommand(listCommand());
}

function dsetCommand(): Command {
  return describeCommand("convert dset", "Convert .dset files, with a hash check of every column.", [
    "convert dset data/Allen_2022-02-16/datasets/backimage.dset --out converted/Allen_2022-02-16",
    "convert dset data --out converted",
  ])
    .argument("<input>", ".dset file, or a folder with some anywhere below it; the layout is kept")
    .requiredOption("--out <dir>", "folder to write to; made if missing")
    .option("--rate-hz <hz>", "frames per second of the recordings, noted down", positiveNumber)
    .action(async (input: string, { out, rateHz }: { out: string; rateHz?: number }) => {
      const { convertDset } = await import("../convert/dset.ts");
      const onFile = (path: string, done: number, total: number) => note(`${done + 1}/${total} ${path}`);
      const { recordings, copied } = convertDset({ input, out, rateHz, onFile });
      for (const path of recordings) print(`${path}.safetensors`);
      for (const path of copied) print(path);
    });
}

interface NpyFlags {
  stim: string;
  robs: string;
  stimAxes?: string;
  robsAxes?: string;
  height?: number;
  width?: number;
  rateHz?: number;
  dt?: number;
  trialLength?: number;
  trials?: string;
  trialPerFrame?: boolean;
  session: string;
  type: string;
  out: string;
  cids?: number[];
  valTrials?: string;
  datasetConfig?: string;
  lags?: number;
  splitBy?: "trial" | "time";
  trainFraction: number;
}

function npyCommand(): Command {
  const trialFlags = ["trialLength", "trials", "trialPerFrame"];
  const conflicting = (option: Option) =>
    option.conflicts(trialFlags.filter((name) => name !== option.attributeName()));
  return describeCommand(
    "convert npy",
    "Convert stimulus and responses in .npy files, and write the files to train on them.",
    [
      "convert npy --stim stim.npy --robs counts.npy --dt 0.00834 --trial-length 1200 \\\n--session Rgc_2004-01-01 --type flicker --dataset-config data/rgc.yaml",
      "convert npy --stim images.npy --robs responses.npy --robs-axes nt --rate-hz 10 \\\n--trial-per-frame --height 28 --width 28 --lags 8 \\\n--session Pe_2021-03-25 --type images --dataset-config data/v4.yaml",
    ],
  )
    .requiredOption(
      "--stim <file>",
      "stimulus, frames first: [frames], [frames, width] or [frames, height, width]; uint8 grey levels or floats of about -1 to 1",
    )
    .requiredOption(
      "--robs <file>",
      "responses, [frames, units]: spike counts, or mean counts, per frame; floats stay as they are",
    )
    .option("--stim-axes <letters>", "order of the stimulus' axes where it is another, of t (frames), h, w: hwt")
    .option("--robs-axes <letters>", "order of the responses' axes where it is another, of t (frames), n (units): nt")
    .option("--height <pixels>", "average frames down to this height (default: keep)", wholeNumber(1))
    .option("--width <pixels>", "average frames down to this width (default: keep)", wholeNumber(1))
    .addOption(new Option("--rate-hz <hz>", "frames per second").argParser(positiveNumber).conflicts("dt"))
    .addOption(new Option("--dt <seconds>", "duration of a frame, instead of --rate-hz").argParser(positiveNumber))
    .addOption(
      conflicting(
        new Option("--trial-length <frames>", "cut into trials of this many frames").argParser(wholeNumber(1)),
      ),
    )
    .addOption(conflicting(new Option("--trials <file>", "trial number of every frame, .npy")))
    .addOption(conflicting(new Option("--trial-per-frame", "every frame is a trial of its own: still images")))
    .requiredOption("--session <name>", "name of the session, <subject>_<date>")
    .requiredOption("--type <name>", "name of the stimulus type")
    .option("--out <dir>", "folder to write to; made if missing", "data")
    .option("--cids <list>", "units to train on, counted from 0: 0,2,5-9 (default: all)", wholeNumbers)
    .option("--val-trials <list>", "trials that validate: 0,4,10-19, or a .npy file (default: --split-by decides)")
    .option("--dataset-config <file>", "write the dataset file to train with, or add the session to it")
    .option(
      "--lags <frames>",
      "in it: stimulus frames a sample reaches back; stills are held for as long (default: 0.2 s, stills 1)",
      wholeNumber(1),
    )
    .addOption(
      new Option(
        "--split-by <way>",
        "in it: divide trials by time or at random (default: time, stills at random)",
      ).choices(["time", "trial"]),
    )
    .option("--train-fraction <share>", "in it: share of the trials that train, 0 to 1", numberBetween(0, 1), 0.8)
    .action(runNpy);
}

async function runNpy(flags: NpyFlags, command: Command): Promise<void> {
  const frameSeconds = flags.dt ?? (flags.rateHz === undefined ? undefined : 1 / flags.rateHz);
  if (frameSeconds === undefined) command.error("error: say how long a frame lasts: --rate-hz <hz> or --dt <seconds>");
  const trials = trialOptions(flags);
  if (trials === undefined) {
    command.error(
      "error: say what a trial is (trials are kept whole when data are split): --trial-length <frames>, --trials <file> or --trial-per-frame",
    );
  }
  const isStill = trials.kind === "frame";
  const { convertNpy } = await import("../convert/npy.ts");
  const datasetConfig =
    flags.datasetConfig === undefined
      ? undefined
      : ({
          path: flags.datasetConfig,
          lags: flags.lags ?? (isStill ? 1 : Math.max(1, Math.round(0.2 / frameSeconds))),
          splitBy: flags.splitBy ?? (isStill ? "trial" : "time"),
          trainFraction: flags.trainFraction,
        } as const);
  const done = convertNpy({ ...flags, frameSeconds, trials, datasetConfig });
  for (const warning of done.warnings) note(`warning: ${warning}`);
  print(
    `${flags.session}/${flags.type}: ${done.frames} frames of ${done.height} x ${done.width} pixels, ` +
      `${done.units} units, ${done.trials} trials; read back and compared`,
  );
  print(done.sessionFile);
  if (flags.datasetConfig !== undefined) print(flags.datasetConfig);
}

function trialOptions({ trialLength, trials, trialPerFrame }: NpyFlags): TrialOptions | undefined {
  if (trialLength !== undefined) return { kind: "length", frames: trialLength };
  if (trials !== undefined) return { kind: "file", path: trials };
  return trialPerFrame ? { kind: "frame" } : undefined;
}
