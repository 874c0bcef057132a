/**
 * @file `visioncore eval`: scores of a trained twin.
 */
import { extname } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { describeCommand } from "../command.ts";
import { addDeviceFlags, chooseDevice, type DeviceFlags } from "../device.ts";
import { ANALYSES, type Analysis, formatScores, scoresAsCsv, scoresAsData, summarizeScores } from "../format-scores.ts";
import { withInterrupt } from "../interrupt.ts";
import { ProgressLine } from "../progress.ts";
import { note, print, printJson } from "../terminal.ts";
import { listOf, wholeNumber } from "../values.ts";

interface EvalFlags extends DeviceFlags {
  checkpoint: string;
  analyses: Analysis[];
  dataDir?: string;
  sessions?: string[];
  batchSize: number;
  out?: string;
  json?: boolean;
}

/** The `eval` command. */
export function evalCommand(): Command {
  const command = describeCommand("eval", "Score a trained twin on the validation trials of its sessions.", [
    "eval --checkpoint checkpoints/my_run",
    "eval --checkpoint checkpoints/my_run/last.safetensors --out scores.csv",
    "eval --checkpoint checkpoints/my_run --analyses bps,correlation",
    "eval --checkpoint twin.safetensors --data-dir /mnt/recordings --sessions Allen_2022-04-13",
  ])
    .requiredOption("--checkpoint <path>", "checkpoint, or the folder of a run for its best one")
    .option(
      "--analyses <list>",
      "scores to give: bps (bits per spike), correlation (Pearson's, of rates with responses)",
      listOf(ANALYSES),
      ["bps"],
    )
    .option("--data-dir <dir>", "folder with the sessions' folders (default: where they were for training)")
    .option("--sessions <list>", "names of the sessions to score, separated by commas (default: all)", names)
    .option("--batch-size <samples>", "samples at a time; scores do not depend on it", wholeNumber(1), 256)
    .option("--out <file>", "write the score of every unit: .csv or .json", outFile)
    .option("--json", "print the scores of every unit as JSON");
  return addDeviceFlags(command).action(runEval);
}

async function runEval(flags: EvalFlags): Promise<void> {
  const device = await chooseDevice(flags);
  const { scoreTwin } = await import("../score-twin.ts");
  const { loadTwin } = await import("../../training/model-file.ts");
  const loaded = loadTwin(flags.checkpoint, { device });
  const { path } = loaded;
  const line = new ProgressLine();
  const sessions = await withInterrupt(
    (text) => line.line(text),
    (signal) =>
      scoreTwin(loaded, {
        ...flags,
        device,
        signal,
        onSession: (name, done, total) => line.update({ label: `scoring ${name}`, done, total, details: [] }),
        onWarning: (message) => line.line(`warning: ${message}`),
      }),
  ).finally(() => {
    line.clear();
    loaded.twin.dispose();
  });
  const data = scoresAsData(path, sessions, flags.analyses);
  if (flags.json) printJson(data);
  else {
    note(path);
    print(formatScores(summarizeScores(sessions), flags.analyses));
  }
  if (flags.out === undefined) return;
  const { writeFileAtomic } = await import("../../formats/atomic.ts");
  const isCsv = extname(flags.out) === ".csv";
  writeFileAtomic(flags.out, isCsv ? scoresAsCsv(sessions, flags.analyses) : `${JSON.stringify(data, null, 1)}\n`);
  note(`Scores of every unit: ${flags.out}`);
}

function names(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function outFile(text: string): string {
  if ([".csv", ".json"].includes(extname(text))) return text;
  throw new InvalidArgumentError("Expected a name that ends in .csv or .json.");
}
