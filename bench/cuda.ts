/**
 * @file What has to be seen on a machine with a GPU: that the flagship (learned_resnet_none_convgru_gaussian.yaml) computes
 * there what it computes on the CPU, that bf16 trains, that a seed fixes the result, that CUDA graphs change nothing; then
 * samples/s and memory with and without graphs.
 *
 * `npx tsx bench/cuda.ts [--device cuda:0] [--batch 64] [--units 100] [--lags 33] [--steps 30] [--json FILE]`
 *
 * A batch is one session's. Ends with code 1 if a check fails. `--device cpu` tries the script itself, without graphs; take a
 * small batch and few steps.
 */

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadModelConfig } from "../src/config/load.ts";
import type { SessionBatch } from "../src/data/loader.ts";
import { buildModel } from "../src/models/build.ts";
import {
  AdamW,
  CudaGraphs,
  freeDeviceMemory,
  Generator,
  libtorchVersion,
  ones,
  releaseMemory,
  scope,
  seedDefaultGenerator,
  setFlag,
  synchronize,
  tensorScope,
  uniform,
} from "../src/torch/index.ts";
import { GraphedStep } from "../src/training/graphed-step.ts";
import { parameterGroups } from "../src/training/optimizers.ts";
import { Regularizers } from "../src/training/regularizers.ts";
import { type Precision, TrainingStep } from "../src/training/step.ts";
import { modelConfigFile } from "./comparison-flags.ts";

const { values: flags } = parseArgs({
  options: {
    device: { type: "string", default: "cuda:0" },
    batch: { type: "string", default: "64" },
    units: { type: "string", default: "100" },
    lags: { type: "string", default: "33" },
    steps: { type: "string", default: "30" },
    json: { type: "string" },
    /** Takes the times of one row of the table alone: "32 eager". */
    row: { type: "string" },
  },
});
const { device } = flags;
const [batchSize, units, lags, timedSteps] = [flags.batch, flags.units, flags.lags, flags.steps].map(Number) as [
  number,
  number,
  number,
  number,
];
const PIXELS = 51;
/** Steps of the checks; recording begins with the fifth. */
const CHECKED_STEPS = 12;
/** Steps between CPU and GPU: long ones, on the CPU. */
const COMPARED_STEPS = 3;
/** Steps before times are taken. */
const WARM_UP = 6;

const { config } = loadModelConfig(modelConfigFile("learned_resnet_none_convgru_gaussian"));
const missing = CudaGraphs.missing(device);

interface Options {
  where?: string;
  precision?: Precision;
  graphs?: boolean;
  samples?: number;
  seed?: number;
}

/** A twin in training, from the same weights whenever the seed is. */
class Training {
  readonly device: string;
  readonly losses: number[] = [];
  readonly reasons: string[] = [];
  private readonly twin;
  private readonly optimizer: AdamW;
  private readonly step: TrainingStep;
  private readonly runner: TrainingStep | GraphedStep;
  private readonly batches: SessionBatch[];

  constructor({ where = device, precision = "32", graphs = false, samples = batchSize, seed = 0 }: Options) {
    this.device = where;
    const input = { frames: lags, height: PIXELS, width: PIXELS };
    const sessions = [{ name: "session", nUnits: units }];
    this.twin = buildModel(config, sessions, { generator: new Generator(seed), input }).to({ device: where });
    seedDefaultGenerator(seed, where);
    this.optimizer = new AdamW(
      parameterGroups(this.twin.namedParameters(), { learningRate: 1e-3, coreLrScale: 1, weightDecay: 1e-5 }),
    );
    this.step = new TrainingStep({
      twin: this.twin,
      optimizer: this.optimizer,
      regularizers: new Regularizers(config.regularization, this.twin.namedParameters()),
      gradientClipVal: 1,
      accumulateGradBatches: 1,
      logInput: this.twin.logRates,
      precision,
      device: where,
      defer: true,
    });
    const onFallback = (reason: string) => void this.reasons.push(reason);
    this.runner = graphs
      ? new GraphedStep({ step: this.step, recorder: new CudaGraphs(where), mostShapes: 1, onFallback })
      : this.step;
    this.batches = [1, 2, 3].map((number) => makeBatch(number, samples, where));
  }

  /** Takes steps, each with another batch and rate. */
  take(steps: number): this {
    for (let i = 0; i < steps; i++) {
      using _scope = tensorScope();
      for (const group of this.optimizer.groups) group.lr = 1e-3 / (1 + 0.1 * i);
      const { batch, update } = this.runner.start([this.batches[i % 3]!], 0, true);
      this.losses.push(batch.read().totalLoss);
      update!.read();
    }
    return this;
  }

  /** Samples per second, when the host reads nothing meanwhile. */
  time(steps: number): number {
    const run = (count: number) => {
      for (let i = 0; i < count; i++) {
        using _scope = tensorScope();
        const { batch, update } = this.runner.start([this.batches[i % 3]!], 0, true);
        for (const reading of [batch, update]) reading?.dispose();
      }
      synchronize(this.device);
    };
    run(WARM_UP);
    const start = performance.now();
    run(steps);
    return (1000 * steps * batchSize) / (performance.now() - start);
  }

  weights(): Map<string, Float32Array> {
    return new Map(
      [...this.twin.namedParameters()].map(({ name, tensor }) => [name, tensor.toTypedArray() as Float32Array]),
    );
  }

  dispose(): void {
    for (const each of [this.runner, this.step, this.optimizer, this.twin]) each.dispose();
    for (const { stimulus, robs, dfs } of this.batches) for (const each of [stimulus, robs, dfs]) each?.dispose();
    releaseMemory();
  }
}

/** Counts follow the brightness of the newest frame, so that there is something to learn. */
function makeBatch(number: number, samples: number, where: string): SessionBatch {
  return scope(() => {
    const rng = new Generator(number);
    const stimulus = uniform([samples, 1, lags, PIXELS, PIXELS], -0.5, 0.5, rng);
    const drive = stimulus.select(2, 0).reshape([samples, -1]).slice(1, 0, units);
    return {
      session: 0,
      name: "session",
      stimulus: stimulus.to({ device: where }),
      robs: drive.add(0.5).mul(2).to({ device: where }),
      dfs: ones([samples, units], { device: where }),
      behavior: null,
      history: null,
      indices: new Int32Array(samples),
    };
  });
}

/** Result of a training, which is over. */
function outcomeOf(options: Options, steps: number) {
  const training = new Training(options).take(steps);
  const outcome = { losses: training.losses, weights: training.weights(), reasons: training.reasons };
  training.dispose();
  return outcome;
}
type Outcome = ReturnType<typeof outcomeOf>;

/** Largest difference of the losses, relative to their size, and of the weights. */
function difference(a: Outcome, b: Outcome): { losses: number; weights: number } {
  const losses = a.losses.map((loss, i) => Math.abs(loss - b.losses[i]!) / Math.max(1e-3, Math.abs(loss)));
  let weights = 0;
  for (const [name, values] of a.weights) {
    const others = b.weights.get(name)!;
    for (const [i, value] of values.entries()) weights = Math.max(weights, Math.abs(value - others[i]!));
  }
  return { losses: Math.max(...losses), weights };
}

interface Check {
  name: string;
  /** Null: not possible here. */
  passed: boolean | null;
  detail: string;
}

function checks(): Check[] {
  setFlag("tf32", false);
  const small = { samples: Math.min(batchSize, 8) };
  const results: Check[] = [];
  const add = (name: string, passed: boolean | null, detail: string) => {
    results.push({ name, passed, detail });
    console.log(`${passed === null ? "----" : passed ? "pass" : "FAIL"}  ${name}: ${detail}`);
  };

  const [cpu, gpu] = ["cpu", device].map((where) => outcomeOf({ ...small, where }, COMPARED_STEPS)) as [
    Outcome,
    Outcome,
  ];
  const far = difference(cpu, gpu);
  // AdamW's first steps are as long as the rate whatever the gradient: where it is next to nothing its sign decides.
  add(
    `float32 on ${device} matches the CPU`,
    far.losses < 1e-3 && far.weights < 2e-3 * COMPARED_STEPS,
    `losses differ by ${far.losses.toExponential(1)}, weights by ${far.weights.toExponential(1)} after ${COMPARED_STEPS} steps`,
  );

  for (const precision of ["32", "bf16-mixed"] as const) {
    const options = { ...small, precision };
    const first = outcomeOf(options, CHECKED_STEPS);
    const [from, to] = [first.losses[0]!, first.losses.at(-1)!];
    const falls = first.losses.every(Number.isFinite) && to < from;
    add(`${precision} trains`, falls, `loss ${from.toFixed(4)} -> ${to.toFixed(4)} in ${CHECKED_STEPS} steps`);

    const again = difference(first, outcomeOf(options, CHECKED_STEPS));
    const isSame = again.losses === 0 && again.weights === 0;
    const close = again.losses < 1e-2 && again.weights < 1e-2;
    add(`${precision}, the same seed again`, close, isSame ? "the same bits" : describe(again));

    if (missing !== null) add(`${precision}, graphs and eager agree`, null, missing);
    else {
      const graphed = outcomeOf({ ...options, graphs: true }, CHECKED_STEPS);
      const apart = difference(first, graphed);
      // No further apart than two runs without graphs.
      const agrees =
        apart.losses <= Math.max(1e-6, 4 * again.losses) && apart.weights <= Math.max(1e-6, 4 * again.weights);
      const detail = apart.losses === 0 && apart.weights === 0 ? "the same bits" : describe(apart);
      add(`${precision}, graphs and eager agree`, agrees && graphed.reasons.length === 0, graphed.reasons[0] ?? detail);
    }
  }
  return results;
}

function describe({ losses, weights }: { losses: number; weights: number }): string {
  return `losses differ by ${losses.toExponential(1)}, weights by ${weights.toExponential(1)}`;
}

interface Row {
  precision: Precision;
  graphs: boolean;
  samplesPerSecond: number;
  /** MiB that training has taken from the GPU, what its allocator keeps for the next step included. */
  memory: number | null;
}

function rowOf(precision: Precision, graphs: boolean): Row {
  setFlag("tf32", true);
  const before = freeDeviceMemory(device);
  const training = new Training({ precision, graphs });
  const samplesPerSecond = training.time(timedSteps);
  const after = freeDeviceMemory(device);
  for (const reason of training.reasons) console.error(`without graphs: ${reason}`);
  training.dispose();
  const memory = before === null || after === null ? null : (before - after) / 2 ** 20;
  return { precision, graphs, samplesPerSecond, memory };
}

/** Each in a process of its own, so that none computes in memory of another. */
function rows(): Row[] {
  console.log("\n| precision | steps | samples/s | memory (MiB) |\n|---|---|---|---|");
  return (["32", "bf16-mixed"] as const).flatMap((precision) =>
    ["eager", ...(missing === null ? ["CUDA graphs"] : [])].map((how): Row => {
      const args = [...process.execArgv, ...process.argv.slice(1), "--row", `${precision} ${how}`];
      const child = spawnSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
      if (child.status !== 0) throw new Error(`The steps in ${precision} (${how}) failed`);
      const row = JSON.parse(child.stdout) as Row;
      console.log(`| ${precision} | ${how} | ${row.samplesPerSecond.toFixed(1)} | ${row.memory?.toFixed(0) ?? ""} |`);
      return row;
    }),
  );
}

if (flags.row !== undefined) {
  const [precision, how] = flags.row.split(" ");
  console.log(JSON.stringify(rowOf(precision as Precision, how !== "eager")));
} else {
  const about = { device, batchSize, lags, units, libtorch: libtorchVersion() };
  console.log(`flagship on ${device}, batch of ${batchSize}, ${lags} lags, ${units} units, libtorch ${about.libtorch}`);
  const report = { ...about, checks: checks(), rows: rows() };
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  if (report.checks.some(({ passed }) => passed === false)) process.exitCode = 1;
}
