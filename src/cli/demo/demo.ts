/**
 * @file The demo: a synthetic population, a twin of it, its scores and a report, with progress on the screen.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { synthesize } from "../../data/synthetic/population.ts";
import { makeFolder } from "../../formats/folder.ts";
import { writeReport } from "../../report/report.ts";
import { METRICS_FILE, readMetrics } from "../../tracking/jsonl.ts";
import type { TrainingSettings } from "../../training/options.ts";
import type { TrainResult } from "../../training/trainer.ts";
import type { ProgressLine } from "../progress.ts";
import { formatDuration } from "../quantities.ts";
import { runTraining } from "../run-training.ts";
import { demoReport, overallScores } from "./report-data.ts";
import { type Evaluation, evaluateDemo } from "./score.ts";

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
  /** Mean over units, in bits per spike, and as a part of what the true rates reach. */
  readonly scores: ReturnType<typeof overallScores> | null;
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
  const startedAt = performance.now();
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
  const trainingTime = formatDuration((performance.now() - startedAt) / 1000);
  if (training.status === "interrupted") return { training, report: null, scores: null };

  const evaluation = await score(training.best?.path ?? training.last, { device, signal }, line);
  const report = join(directory, "report.html");
  writeReport(report, demoReport({ ...words(options, training, evaluation, dataset, trainingTime), ...evaluation }));
  return { training, report, scores: overallScores(evaluation.sessions) };
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

async function score(
  path: string,
  options: { device: string; signal: AbortSignal },
  line: ProgressLine,
): Promise<Evaluation> {
  const evaluation = await evaluateDemo(path, {
    ...options,
    onSession: (name, done, total) => line.update({ label: `scoring ${name}`, done, total, details: [] }),
  });
  line.clear();
  return evaluation;
}

function words(
  { modelConfig, seed, device, directory }: DemoOptions,
  { epochs, globalStep, directory: runDirectory }: TrainResult,
  { sessions, parameters }: Evaluation,
  dataset: string,
  trainingTime: string,
) {
  const units = sessions.reduce((sum, { cids }) => sum + cids.length, 0);
  const samples = sessions.reduce((sum, session) => sum + session.samples, 0);
  return {
    summary:
      `${sessions.length} sessions with ${units} simulated V1 neurons in all. ${basename(modelConfig)} was trained for ` +
      `${epochs} epochs (${globalStep.toLocaleString("en-US")} steps) on ${device} and scored on ${samples.toLocaleString("en-US")} frames of ` +
      "trials it had not seen.",
    metrics: readMetrics(join(runDirectory, METRICS_FILE)),
    facts: [
      ["training time", trainingTime],
      ["parameters", parameters.toLocaleString("en-US")],
    ] as const,
    configuration: [
      [`Model: ${basename(modelConfig)}`, readFileSync(modelConfig, "utf8")],
      ["Data: dataset.yaml", readFileSync(dataset, "utf8")],
      ["Training", JSON.stringify({ ...SETTINGS, seed }, null, 2)],
    ] as const,
    reproduce: [
      `npx visioncore demo --dir ${relative(".", directory) || "."} --seed ${seed}`,
      "",
      "# The same training as a command of its own, to change what you like:",
      `npx visioncore train --model-config ${relative(".", modelConfig)} --dataset-configs ${relative(".", dataset)} \\`,
      ...flagLines({ ...SETTINGS, maxEpochs: Math.max(1, epochs), seed }),
    ],
  };
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
