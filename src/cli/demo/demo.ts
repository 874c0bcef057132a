/**
 * @file The demo: a synthetic population, a twin of it, its scores and a report, with progress on the screen.
 */
import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { synthesize } from "../../data/synthetic/population.ts";
import type { AnalysisName } from "../../eval/analyses/index.ts";
import { evaluateModelMultidataset } from "../../eval/evaluate.ts";
import { loadModel } from "../../eval/load-model.ts";
import { makeFolder } from "../../formats/folder.ts";
import { writeEvaluationReport } from "../../report/evaluation-report.ts";
import type { Section } from "../../report/figure.ts";
import type { TrainingSettings } from "../../training/options.ts";
import type { TrainResult } from "../../training/trainer.ts";
import type { ProgressLine } from "../progress.ts";
import { reportContext } from "../report-context.ts";
import { runTraining } from "../run-training.ts";
import { type OverallScores, overallScores } from "./overall-scores.ts";

/** What the demo trains with, chosen for a good score within minutes on two cores. */
const SETTINGS = {
  batchSize: 256,
  stepsPerEpoch: 75,
  learningRate: 1e-2,
  weightDecay: 1e-4,
  gradientClipVal: 10,
  lrScheduler: "cosine_warmup",
  warmupEpochs: 1,
  warmupPerStep: true,
} as const satisfies Partial<TrainingSettings>;

/** All but quality control, which simulated neurons do not need, and covariance, which takes as long as all others together. */
const DEMO_ANALYSES: readonly AnalysisName[] = [
  "bps",
  "correlation",
  "ccnorm",
  "ceilings",
  "saccade",
  "sta",
  "gratings",
  "mei",
];

/** Options of {@link runDemo}. */
export interface DemoOptions {
  /** Folder for population, runs and report; made if missing. */
  readonly directory: string;
  /** Size of the population, a preset of `synth`; not used when there is one already. */
  readonly preset: string;
  /** Path of the model file. */
  readonly modelConfig: string;
  readonly maxEpochs: number;
  /** Time for training; the schedule is fitted into it. */
  readonly seconds: number;
  readonly seed: number;
  readonly device: string;
  readonly signal: AbortSignal;
}

/** What the demo made. */
export interface DemoResult {
  readonly training: TrainResult;
  /** Path of the report; null when training was interrupted. */
  readonly report: string | null;
  readonly scores: OverallScores | null;
}

/**
 * Runs the demo. A population that is there already is used again; every run gets a folder of its own.
 *
 * @throws UserError when something cannot be read or written
 */
export async function runDemo(options: DemoOptions, line: ProgressLine): Promise<DemoResult> {
  const { directory, modelConfig, maxEpochs, seconds, seed, device, signal } = options;
  const dataset = await population(join(directory, "data"), options, line);
  const runs = join(directory, "runs");
  const experimentName = nextRun(runs);
  const training = await runTraining(
    {
      ...SETTINGS,
      modelConfig,
      datasetConfigsPath: dataset,
      maxEpochs,
      timeBudgetMinutes: seconds / 60,
      seed,
      device,
      checkpointDir: runs,
      experimentName,
      signal,
    },
    line,
  );
  if (training.status === "interrupted") return { training, report: null, scores: null };
  return { training, ...(await evaluateDemo(training, dataset, options, line)) };
}

/** Scores the twin and writes the report. */
async function evaluateDemo(
  { best, last, epochs }: TrainResult,
  dataset: string,
  options: DemoOptions,
  line: ProgressLine,
): Promise<Pick<DemoResult, "report" | "scores">> {
  const { device, signal, directory } = options;
  const model = await loadModel({ checkpoint: best?.path ?? last, device });
  try {
    const evaluation = await evaluateModelMultidataset({
      model,
      analyses: DEMO_ANALYSES,
      // With four sessions as many images as the report shows.
      meiUnits: 3,
      device,
      signal,
      cacheDir: join(model.folder, "evaluation"),
      onProgress: ({ session, done, total, activity }) =>
        line.update({ label: `${session}: ${activity}`, done, total, details: [] }),
    });
    line.clear();
    const { html } = writeEvaluationReport(directory, evaluation, {
      title: "A twin of the demo population",
      ...reportContext(model),
      more: [reproduction(options, dataset, epochs)],
    });
    return { report: html, scores: overallScores(evaluation) };
  } finally {
    model.twin.dispose();
  }
}

/** Path of the population's dataset file. */
async function population(folder: string, { preset, signal }: DemoOptions, line: ProgressLine): Promise<string> {
  const dataset = join(folder, "dataset.yaml");
  if (existsSync(dataset)) {
    line.line(`Using the population in ${folder}`);
    return dataset;
  }
  line.line(`Making a population of simulated V1 neurons in ${folder}`);
  const onProgress = ({ done, total, session }: { done: number; total: number; session: string }) =>
    line.update({ label: session, done, total, details: [] });
  const made = await synthesize({ out: folder, preset, seed: 1, signal, onProgress });
  line.clear();
  return made.dataset;
}

/** `run-1`, `run-2`, ...: the first that is free. */
function nextRun(folder: string): string {
  makeFolder(folder);
  const numbers = readdirSync(folder).map((name) => Number(/^run-(\d+)$/.exec(name)?.[1] ?? 0));
  return `run-${Math.max(0, ...numbers) + 1}`;
}

/** Commands that repeat the run. */
function reproduction({ directory, modelConfig, seed }: DemoOptions, dataset: string, epochs: number): Section {
  const commands = [
    `npx visioncore demo --dir ${relative(".", directory) || "."} --seed ${seed}`,
    "",
    "# The same training as a command of its own, to change what you like:",
    `npx visioncore train --model-config ${relative(".", modelConfig)} --dataset-configs ${relative(".", dataset)} \\`,
    ...flagLines({ ...SETTINGS, maxEpochs: Math.max(1, epochs), seed }),
  ];
  const listing = { kind: "listing", name: "Commands", text: commands.join("\n"), isOpen: true } as const;
  return { id: "repeat", heading: "Repeat this run", items: [listing] };
}

/** Settings as flags of `train`, three a line. */
function flagLines(settings: Record<string, string | number | boolean>): string[] {
  const flags = Object.entries(settings).map(([key, value]) => {
    const name = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return value === true ? name : `${name} ${value}`;
  });
  const lines: string[] = [];
  for (let i = 0; i < flags.length; i += 3) lines.push(`  ${flags.slice(i, i + 3).join(" ")}`);
  return lines.map((line, i) => (i < lines.length - 1 ? `${line} \\` : line));
}
