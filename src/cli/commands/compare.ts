/**
 * @file `visioncore compare`: twins and baselines in one table.
 */
import { basename, dirname, extname, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { BaselineKind } from "../../eval/baselines/baseline.ts";
import type { Comparison } from "../../eval/compare.ts";
import type { LoadedModel } from "../../eval/load-model.ts";
import { describeCommand } from "../command.ts";
import { addDeviceFlags, chooseDevice, type DeviceFlags } from "../device.ts";
import { withInterrupt } from "../interrupt.ts";
import { ProgressLine } from "../progress.ts";
import { note, print, printJson } from "../terminal.ts";
import { listOf, names, wholeNumber } from "../values.ts";

const BASELINES = ["mean-rate", "psth", "lnp", "glm", "gabor-energy"] as const satisfies readonly BaselineKind[];

interface CompareFlags extends DeviceFlags {
  baselines?: BaselineKind[];
  sessions?: string[];
  dataDir?: string;
  repeats?: string[];
  splits?: number;
  seed?: number;
  batchSize?: number;
  out?: string;
  json?: boolean;
}

/** The `compare` command. */
export function compareCommand(): Command {
  const command = describeCommand(
    "compare",
    "Score several twins and simple models on the same units, samples, bins and ceiling.",
    [
      "compare checkpoints/first checkpoints/second",
      "compare checkpoints/first --baselines mean-rate,psth,lnp,glm,gabor-energy --out comparison.csv",
    ],
  )
    .argument("<checkpoints...>", "checkpoints, or folders of runs; the others are compared with the first")
    .option("--baselines <list>", `simple models to fit here: ${BASELINES.join(", ")}`, listOf(BASELINES))
    .option("--sessions <list>", "names of sessions (default: all that every twin knows)", names)
    .option("--data-dir <dir>", "folder with the sessions' folders (default: where they were for training)")
    .option("--repeats <types>", "stimulus types whose trials repeat one sequence (default: fixrsvp)", names)
    .option("--splits <count>", "pairs of halves that ceilings average over (default: 500)", wholeNumber(1))
    .option("--seed <number>", "of everything drawn at random (default: 0)", wholeNumber(0))
    .option("--batch-size <samples>", "samples at a time (default: 32 on a CPU, else 256)", wholeNumber(1))
    .option("--out <file>", "write the scores of every unit: .csv or .json", outFile)
    .option("--json", "print the scores of every unit as JSON");
  return addDeviceFlags(command).action(runCompare);
}

async function runCompare(paths: string[], flags: CompareFlags): Promise<void> {
  const device = await chooseDevice(flags);
  const { compareModels } = await import("../../eval/compare.ts");
  const { loadModel } = await import("../../eval/load-model.ts");
  const loaded: LoadedModel[] = [];
  const line = new ProgressLine();
  try {
    for (const checkpoint of paths) loaded.push(await loadModel({ checkpoint, device }));
    const models = loaded.map((model, i) => ({ name: uniqueName(paths, i), model }));
    const comparison = await withInterrupt(
      (text) => line.line(text),
      (signal) =>
        compareModels({
          ...flags,
          models,
          device,
          signal,
          onProgress: ({ session, done, total, activity }) =>
            line.update({ label: `${session}: ${activity}`, done, total, details: [] }),
          onWarning: (message) => line.line(`warning: ${message}`),
        }),
    );
    line.clear();
    await deliver(comparison, flags);
  } finally {
    line.clear();
    for (const { twin } of loaded) twin.dispose();
  }
}

/** The run's name, or the path where runs have the same. */
function uniqueName(paths: readonly string[], at: number): string {
  const nameOf = (path: string) => basename(extname(path) === ".safetensors" ? dirname(resolve(path)) : resolve(path));
  const name = nameOf(paths[at]!);
  return paths.filter((path) => nameOf(path) === name).length > 1 ? paths[at]! : name;
}

async function deliver(comparison: Comparison, { json, out }: CompareFlags): Promise<void> {
  const { comparisonAsCsv, comparisonAsData, formatComparison } = await import("../format-comparison.ts");
  if (json) printJson(comparisonAsData(comparison));
  else print(formatComparison(comparison));
  if (!json) for (const { name, notes } of comparison.contestants) for (const text of notes) note(`${name}: ${text}`);
  if (out === undefined) return;
  const { writeFileAtomic } = await import("../../formats/atomic.ts");
  const text =
    extname(out) === ".csv"
      ? comparisonAsCsv(comparison)
      : `${JSON.stringify(comparisonAsData(comparison), null, 1)}\n`;
  writeFileAtomic(out, text);
  note(`Scores of every unit: ${out}`);
}

function outFile(text: string): string {
  if ([".csv", ".json"].includes(extname(text))) return text;
  throw new InvalidArgumentError("Expected a name that ends in .csv or .json.");
}
