/**
 * @file `visioncore synth`: a synthetic population with known truth, ready to train on.
 */
import type { Command } from "commander";
import { describeCommand } from "../command.ts";
import { withInterrupt } from "../interrupt.ts";
import { ProgressLine } from "../progress.ts";
import { print } from "../terminal.ts";
import { wholeNumber } from "../values.ts";

interface SynthFlags {
  preset: string;
  seed: number;
  sessions?: number;
}

/** The `synth` command. */
export function synthCommand(): Command {
  return describeCommand("synth", "Make a synthetic V1 population whose true rates are known, ready to train on.", [
    "synth data/tiny --preset tiny",
    "synth data/large --sessions 12 --seed 7",
  ])
    .argument("<dir>", "folder to write to; made if missing")
    .option("--preset <name>", "size: tiny (2 sessions of 6 units, seconds) or demo (4 sessions of 16 units)", "demo")
    .option("--seed <number>", "everything random follows from it", wholeNumber(0), 0)
    .option("--sessions <count>", "number of sessions (default: the preset's)", wholeNumber(1))
    .action(async (out: string, { preset, seed, sessions }: SynthFlags) => {
      const { synthesize } = await import("../../data/synthetic/population.ts");
      const progress = new ProgressLine();
      const result = await withInterrupt(
        (line) => progress.line(line),
        (signal) =>
          synthesize({
            out,
            preset,
            seed,
            signal,
            ...(sessions === undefined ? {} : { sessions }),
            onProgress: ({ done, total, session }) =>
              progress.update({ label: `session ${session}`, done, total, details: [] }),
          }),
      );
      progress.clear();
      print(`${result.sessions.length} sessions, ${result.frames} frames at 240 Hz`);
      print(result.dataset);
    });
}
