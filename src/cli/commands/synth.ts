/**
 * @file `visioncore synth`: a synthetic population with known truth, ready to train on.
 */
import { type Command, Option } from "commander";
import type { SynthesisProgress } from "../../data/synthetic/population.ts";
import { describeCommand } from "../command.ts";
import { withInterrupt } from "../interrupt.ts";
import { type Progress, ProgressLine } from "../progress.ts";
import { formatBytes } from "../quantities.ts";
import { print } from "../terminal.ts";
import { numberBetween, positiveNumber, wholeNumber } from "../values.ts";

interface SynthFlags {
  preset: string;
  seed: number;
  sessions?: number;
  minutes?: number;
  units?: number;
  crop?: number;
  gaze?: "ideal" | "marmoset";
  saccadicModulation?: number;
  adaptation?: number;
  gainFluctuations?: number;
  refractory?: number;
  stimPhase?: boolean;
}

/** The `synth` command. */
export function synthCommand(): Command {
  const command = describeCommand(
    "synth",
    "Make a synthetic V1 population whose true rates are known, ready to train on.",
    [
      "synth data/tiny --preset tiny",
      "synth data/large --sessions 12 --seed 7",
      "synth data/lab --preset lab --sessions 10 --minutes 5",
    ],
  )
    .argument("<dir>", "folder to write to; made if missing")
    .option(
      "--preset <name>",
      "tiny (2 sessions of 6 units, seconds), demo (4 sessions of 16 units) or lab (30 sessions of 23 to 181 units and " +
        "an hour each, 100 GB)",
      "demo",
    )
    .option("--seed <number>", "everything random follows from it", wholeNumber(0), 0)
    .option("--sessions <count>", "number of sessions (default: the preset's)", wholeNumber(1))
    .option("--minutes <number>", "time of trials per session (default: the preset's)", positiveNumber)
    .option("--units <count>", "units of every session (default: the preset's)", wholeNumber(1))
    .option("--crop <pixels>", "side of the stimulus (default: the preset's)", wholeNumber(9))
    .addOption(
      new Option(
        "--gaze <style>",
        "eye movements: ideal, or as recorded with the tracker's artefacts: marmoset",
      ).choices(["ideal", "marmoset"]),
    )
    .option("--saccadic-modulation <depth>", "largest share of the rate; 0 for none", numberBetween(0, 1))
    .option("--adaptation <strength>", "median strength of firing rate adaptation; 0 for none", numberBetween(0))
    .option(
      "--gain-fluctuations <sd>",
      "standard deviation of the log of a shared gain; 0 for none",
      numberBetween(0, 2),
    )
    .option("--refractory <ms>", "mean absolute refractory period; 0 for none", numberBetween(0, 4))
    .option("--stim-phase", "store the phase of gratings in every pixel (four times their size)");
  return command.action(async (out: string, flags: SynthFlags) => {
    const { synthesize } = await import("../../data/synthetic/population.ts");
    const { preset, seed, sessions, crop, saccadicModulation, refractory, ...same } = flags;
    const { debug: _, ...features } = same as typeof same & { debug?: boolean };
    const line = new ProgressLine();
    const show = progressReport();
    const result = await withInterrupt(
      (text) => line.line(text),
      (signal) =>
        synthesize({
          ...features,
          out,
          preset,
          seed,
          signal,
          ...(sessions === undefined ? {} : { sessions }),
          ...(crop === undefined ? {} : { cropSize: crop }),
          ...(saccadicModulation === undefined ? {} : { saccadeModulation: saccadicModulation }),
          ...(refractory === undefined ? {} : { refractoryMs: refractory }),
          onProgress: (progress) => line.update(show(progress)),
        }),
    );
    line.clear();
    if (result.kept > 0) print(`${result.kept} of the sessions were there already`);
    print(`${result.sessions.length} sessions, ${result.frames} frames at 240 Hz`);
    print(result.dataset);
  });
}

/** Turns frames done into a line with rate, time left and memory. */
function progressReport(): (progress: SynthesisProgress) => Progress {
  const start = performance.now();
  return ({ done, total, session }) => {
    const perSecond = (1000 * done) / (performance.now() - start);
    return {
      label: session,
      done,
      total,
      remaining: (total - done) / perSecond,
      details: [`${Math.round(perSecond)} frames/s`, `${formatBytes(process.memoryUsage.rss())} of memory`],
    };
  };
}
