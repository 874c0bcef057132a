/**
 * @file `visioncore eval`: scores of a trained twin, with ceilings, maps and a report.
 */
import { existsSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { EvaluateOptions, Evaluation } from "../../eval/evaluate.ts";
import { METRICS_FILE } from "../../tracking/jsonl.ts";
import { describeCommand } from "../command.ts";
import { addDeviceFlags, chooseDevice, type DeviceFlags } from "../device.ts";
import { withInterrupt } from "../interrupt.ts";
import { ProgressLine } from "../progress.ts";
import { note, print, printJson } from "../terminal.ts";
import { names, wholeNumber } from "../values.ts";

interface EvalFlags extends DeviceFlags {
  checkpoint?: string;
  checkpointDir?: string;
  modelType?: string;
  modelIndex?: number;
  analyses?: string[];
  dataDir?: string;
  datasetConfigs?: string;
  sessions?: string[];
  repeats?: string[];
  rescale?: boolean;
  splits?: number;
  minTrials?: number;
  intervals?: "trials" | "bins" | "none";
  seed?: number;
  saccadeWindow?: [number, number];
  shuffles?: number;
  meiUnits?: number;
  compat?: "reference";
  cacheDir?: string;
  cache: boolean;
  recalc?: boolean;
  batchSize?: number;
  out?: string;
  report?: string;
  json?: boolean;
}

/** The `eval` command. */
export function evalCommand(): Command {
  const command = describeCommand("eval", "Score a trained twin on the validation trials of its sessions.", [
    "eval --checkpoint checkpoints/my_run",
    "eval --checkpoint checkpoints/my_run --analyses all --report my_run_report",
    "eval --checkpoint checkpoints/my_run/last.safetensors --analyses bps,ccnorm --out scores.csv",
    "eval --checkpoint-dir checkpoints --model-type resnet_none_convgru --analyses bps,ccnorm,saccade,qc",
    "eval --checkpoint twin.safetensors --data-dir /mnt/recordings --sessions Allen_2022-04-13",
  ])
    .option("--checkpoint <path>", "checkpoint, or the folder of a run for its best one; .ckpt of the reference too")
    .option("--checkpoint-dir <dir>", "folder of runs, to choose from by --model-type")
    .option("--model-type <name>", "kind of model in --checkpoint-dir: its best checkpoint is used")
    .option("--model-index <rank>", "which checkpoint of the kind, 0 for the best", wholeNumber(0))
    .option(
      "--analyses <list>",
      "what to compute, separated by commas, or all; --list shows them (default: bps,ccnorm,saccade,qc)",
      names,
    )
    .option("--data-dir <dir>", "folder with the sessions' folders (default: where they were for training)")
    .option("--dataset-configs <file>", "dataset YAML instead of the checkpoint's; units are matched by number")
    .option("--sessions <list>", "names of the sessions to score, separated by commas (default: all)", names)
    .option("--repeats <types>", "stimulus types whose trials repeat one sequence (default: fixrsvp)", names)
    .option("--rescale", "give every unit the gain that fits the scored samples best before scoring")
    .option("--splits <count>", "pairs of halves that ceilings average over (default: 500)", wholeNumber(1))
    .option("--min-trials <count>", "fewest trials of a bin for split halves (default: 20)", wholeNumber(2))
    .option("--intervals <over>", "confidence intervals over other trials, other bins (stimuli), or none", intervals)
    .option("--seed <number>", "of everything drawn at random (default: 0)", wholeNumber(0))
    .option("--saccade-window <frames>", "frames around saccades, from and to (default: -50,100)", window)
    .option(
      "--shuffles <count>",
      "shuffles of gaze for the null of covariance; 1000 take minutes (default: 0)",
      wholeNumber(0),
    )
    .option("--mei-units <count>", "units whose most exciting inputs are made (default: 6)", wholeNumber(1))
    .option("--compat <mode>", "reference: the reference's numbers where they are known to be wrong", compat)
    .option("--cache-dir <dir>", "folder for results that are kept (default: evaluation in the run's folder)")
    .option("--no-cache", "keep nothing and use nothing kept")
    .option("--recalc", "compute everything anew")
    .option("--batch-size <samples>", "samples at a time (default: 32 on a CPU, else 256)", wholeNumber(1))
    .option("--out <file>", "write the scores of every unit: .csv, .json, or .safetensors with all arrays", outFile)
    .option("--report <dir>", "write report.html and report.json into this folder")
    .option("--json", "print the scores of every unit as JSON")
    .option("--list", "list the analyses");
  return addDeviceFlags(command).action(runEval);
}

async function runEval(flags: EvalFlags & { list?: boolean }): Promise<void> {
  const { ANALYSES } = await import("../../eval/analyses/index.ts");
  if (flags.list) {
    for (const { name, about } of Object.values(ANALYSES)) print(`${name.padEnd(12)} ${about}`);
    return;
  }
  const device = await chooseDevice(flags);
  const { chosenAnalyses, DEFAULT_ANALYSES, evaluateModelMultidataset } = await import("../../eval/evaluate.ts");
  const { loadModel } = await import("../../eval/load-model.ts");
  const asked = flags.analyses?.includes("all") ? Object.keys(ANALYSES) : (flags.analyses ?? DEFAULT_ANALYSES);
  const analyses = chosenAnalyses(asked).map(({ name }) => name);
  const { reportContext } = await import("../report-context.ts");
  const model = await loadModel({ ...flags, dir: flags.checkpointDir, device });
  const options: EvaluateOptions = {
    ...flags,
    model,
    analyses,
    device,
    cacheDir: flags.cache ? (flags.cacheDir ?? runCache(model.folder)) : undefined,
    sessionConfigs: flags.datasetConfigs === undefined ? undefined : await sessionConfigs(flags.datasetConfigs),
  };
  const context = flags.report === undefined ? {} : reportContext(model);
  const line = new ProgressLine();
  const evaluation = await withInterrupt(
    (text) => line.line(text),
    (signal) =>
      evaluateModelMultidataset({
        ...options,
        signal,
        onProgress: ({ session, done, total, activity, part }) => {
          const details = part > 0 ? [`${Math.round(100 * part)} %`] : [];
          line.update({ label: `${session}: ${activity}`, done, total, details });
        },
        onWarning: (message) => line.line(`warning: ${message}`),
      }),
  ).finally(() => {
    line.clear();
    model.twin.dispose();
  });
  await deliver(evaluation, flags);
  if (flags.report !== undefined) {
    const { writeEvaluationReport } = await import("../../report/evaluation-report.ts");
    note(`Report: ${writeEvaluationReport(flags.report, evaluation, context).html}`);
  }
}

/** In the folder of a run; beside a file that somebody keeps elsewhere nothing is written. */
function runCache(folder: string): string | undefined {
  return existsSync(join(folder, METRICS_FILE)) ? join(folder, "evaluation") : undefined;
}

async function deliver(evaluation: Evaluation, flags: EvalFlags): Promise<void> {
  const { evaluationAsData, formatEvaluation, formatGaps, hasFailed } = await import("../format-evaluation.ts");
  if (flags.json) printJson(evaluationAsData(evaluation));
  else {
    note(evaluation.checkpoint.path);
    print(formatEvaluation(evaluation));
    for (const gap of formatGaps(evaluation)) note(gap);
  }
  if (flags.out !== undefined) await writeScores(flags.out, evaluation);
  if (hasFailed(evaluation)) process.exitCode = 1;
}

async function writeScores(path: string, evaluation: Evaluation): Promise<void> {
  const { evaluationAsCsv, evaluationAsData } = await import("../format-evaluation.ts");
  const { writeFileAtomic } = await import("../../formats/atomic.ts");
  const { writeResult } = await import("../../eval/result-file.ts");
  const write: Record<string, () => void> = {
    ".csv": () => writeFileAtomic(path, evaluationAsCsv(evaluation)),
    ".json": () => writeFileAtomic(path, `${JSON.stringify(evaluationAsData(evaluation), null, 1)}\n`),
    ".safetensors": () => writeResult(path, evaluation.checkpoint, evaluation),
  };
  write[extname(path)]!();
  note(`Scores of every unit: ${path}`);
}

async function sessionConfigs(path: string): Promise<NonNullable<EvaluateOptions["sessionConfigs"]>> {
  const { loadDatasetConfigs } = await import("../../config/dataset.ts");
  return new Map(loadDatasetConfigs(path).sessions.map((config) => [config.session, config]));
}

function window(text: string): [number, number] {
  const [from, to, ...more] = text.split(",").map(Number);
  if (more.length === 0 && Number.isInteger(from) && Number.isInteger(to) && from! < to!) return [from!, to!];
  throw new InvalidArgumentError("Expected two whole numbers, the smaller one first, such as -50,100.");
}

function intervals(text: string): NonNullable<EvalFlags["intervals"]> {
  if (text === "trials" || text === "bins" || text === "none") return text;
  throw new InvalidArgumentError("Expected trials, bins or none.");
}

function compat(text: string): "reference" {
  if (text === "reference") return text;
  throw new InvalidArgumentError('There is only "reference".');
}

function outFile(text: string): string {
  if ([".csv", ".json", ".safetensors"].includes(extname(text))) return text;
  throw new InvalidArgumentError(`Expected a name that ends in .csv, .json or .safetensors, not "${basename(text)}".`);
}
