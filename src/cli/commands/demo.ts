/**
 * @file `visioncore demo`: from nothing to a scored twin and a report. `npm start` runs it.
 */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { describeCommand } from "../command.ts";
import { addDeviceFlags, chooseDevice, type DeviceFlags } from "../device.ts";
import { withInterrupt } from "../interrupt.ts";
import { ProgressLine } from "../progress.ts";
import { note, print } from "../terminal.ts";
import { resumeCommand } from "../train-flags.ts";
import { positiveNumber, wholeNumber } from "../values.ts";

/** The model file that comes with the package. */
const MODEL = fileURLToPath(new URL("../../../experiments/model_configs/demo.yaml", import.meta.url));

interface DemoFlags extends DeviceFlags {
  dir: string;
  preset: string;
  modelConfig?: string;
  maxEpochs: number;
  seconds: number;
  seed: number;
}

/** The `demo` command. */
export function demoCommand(): Command {
  const command = describeCommand(
    "demo",
    "Make a small population, train a twin of it, score it, and write a report.",
    ["demo", "demo --seconds 600 --max-epochs 20", "demo --model-config my_model.yaml"],
  )
    .option("--dir <dir>", "folder for population, runs and report; made if missing", "demo")
    .option("--preset <name>", "size of the population: demo, or tiny with a model that fits it", "demo")
    .option("--model-config <file>", "model YAML (default: demo.yaml of this package)")
    .option("--max-epochs <count>", "epochs of 75 batches of 256 samples", wholeNumber(1), 16)
    .option("--seconds <seconds>", "time for training; fewer epochs if it does not suffice", positiveNumber, 200)
    .option("--seed <number>", "of initialisation, shuffling and dropout", wholeNumber(0), 0);
  return addDeviceFlags(command).action(runCommand);
}

async function runCommand(flags: DemoFlags): Promise<void> {
  const { dir, preset, modelConfig = MODEL, maxEpochs, seconds, seed } = flags;
  const device = await chooseDevice(flags);
  const { runDemo } = await import("../demo/demo.ts");
  const line = new ProgressLine();
  const { training, report, scores } = await withInterrupt(
    (text) => line.line(text),
    (signal) => runDemo({ directory: dir, preset, modelConfig, maxEpochs, seconds, seed, device, signal }, line),
  );
  if (report === null || scores === null) {
    note(`Go on with:\n  ${resumeCommand(relative(".", training.directory), flags)}`);
    return;
  }
  const { bits, oracleBits, fraction } = scores;
  if (bits !== null) print(`${bits.toFixed(3)} bits per spike on trials the twin had not seen`);
  if (oracleBits !== null && fraction !== null) {
    print(`${(100 * fraction).toFixed(0)} % of the ${oracleBits.toFixed(3)} that the true rates reach`);
  }
  print(`report: ${report}`);
  const checkpoint = relative(".", training.best?.path ?? training.last);
  note(
    [
      "",
      "Next:",
      `  npx visioncore inspect recording ${dir}/data/Synth_2024-01-01    what the twin was trained on`,
      `  npx visioncore eval --checkpoint ${checkpoint}    the scores as a table`,
      "  npx visioncore convert npy --help    bring your own recordings",
    ].join("\n"),
  );
}
