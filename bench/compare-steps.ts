/**
 * @file Training steps of a model in our formulation and in the reference's, written with our own modules (one pass of the
 * core per session, whole windowed kernels, three gate convolutions per frame): in one process, alternating, on the same
 * batch. A step is forward, masked Poisson loss, backward, clipping, AdamW.
 */

import type { ModelConfig } from "../src/config/model.ts";
import type { SessionBatch } from "../src/data/loader.ts";
import { buildModel } from "../src/models/build.ts";
import { behaviorNeeded } from "../src/models/options.ts";
import { ignoresStimulus, type SessionSpec } from "../src/models/shapes.ts";
import { AdamW, deviceMemory, Generator, ones, randn, synchronize, tensorScope, uniform } from "../src/torch/index.ts";
import { parameterGroups } from "../src/training/optimizers.ts";
import { Regularizers } from "../src/training/regularizers.ts";
import { type Precision, TrainingStep } from "../src/training/step.ts";

export interface ComparisonOptions {
  precision: Precision;
  device: string;
  /** Samples, spread evenly over the sessions. */
  batch: number;
  sessions: number;
  /** Per session. */
  units: number;
  lags: number;
  /** Steps that are timed, after the first. The fastest counts. */
  steps: number;
}

export interface StepComparison {
  /** Samples per second. */
  ours: number;
  reference: number;
  ratio: number;
  /** Of our steps, before the other formulation's memory comes into play. */
  peakMemoryBytes: number;
}

const PIXELS = 51;

export function compareSteps(config: ModelConfig, options: ComparisonOptions): StepComparison {
  const { device, batch, steps, units } = options;
  const sessions = Array.from({ length: options.sessions }, (_, i) => ({ name: `session_${i}`, nUnits: units }));
  const groups = makeBatch(config, sessions, options);
  const ours = makeStep("fast", config, sessions, groups, options);
  const first = ours.run();
  const peakMemoryBytes = deviceMemory(device)?.peak ?? process.resourceUsage().maxRSS * 1024;
  const reference = makeStep("reference", config, sessions, groups, options);
  const seconds = { ours: first, reference: Number.POSITIVE_INFINITY };
  reference.run();
  for (let i = 0; i < steps; i++) {
    seconds.ours = Math.min(seconds.ours, ours.run());
    seconds.reference = Math.min(seconds.reference, reference.run());
  }
  for (const { dispose } of [ours, reference]) dispose();
  for (const { stimulus, behavior, history, robs, dfs } of groups) {
    for (const t of [stimulus, behavior, history, robs, dfs]) t?.dispose();
  }
  return {
    ours: batch / seconds.ours,
    reference: batch / seconds.reference,
    ratio: seconds.reference / seconds.ours,
    peakMemoryBytes,
  };
}

/** The same batch every time. */
function makeBatch(
  config: ModelConfig,
  sessions: readonly SessionSpec[],
  { batch, lags, device }: ComparisonOptions,
): SessionBatch[] {
  const rng = new Generator(1);
  const to = { device };
  const behaviors = behaviorNeeded(config);
  const historyLags = config.history_encoder?.params.num_lags ?? 0;
  const groups = sessions.map(({ name, nUnits }, session) => {
    const b = Math.floor(((session + 1) * batch) / sessions.length) - Math.floor((session * batch) / sessions.length);
    return {
      session,
      name,
      stimulus: ignoresStimulus(config, sessions)
        ? null
        : uniform([b, config.initial_input_channels, lags, PIXELS, PIXELS], -0.5, 0.5, rng).to(to).keep(),
      behavior: behaviors > 0 ? randn([b, behaviors], rng).to(to).keep() : null,
      history: historyLags > 0 ? uniform([b, historyLags, nUnits], 0, 1, rng).to(to).keep() : null,
      robs: uniform([b, nUnits], 0, 2, rng).to(to).keep(),
      dfs: ones([b, nUnits], to).keep(),
      indices: new Int32Array(b),
    };
  });
  return groups.filter(({ indices }) => indices.length > 0);
}

function makeStep(
  formulation: "fast" | "reference",
  config: ModelConfig,
  sessions: readonly SessionSpec[],
  groups: readonly SessionBatch[],
  { device, precision, lags }: ComparisonOptions,
): { run: () => number; dispose: () => void } {
  const input = { frames: lags, height: PIXELS, width: PIXELS };
  const twin = buildModel(config, sessions, { generator: new Generator(0), formulation, input }).to({ device });
  const optimizer = new AdamW(
    parameterGroups(twin.namedParameters(), { learningRate: 1e-3, coreLrScale: 1, weightDecay: 1e-5 }),
  );
  const step = new TrainingStep({
    twin,
    optimizer,
    regularizers: new Regularizers([], twin.namedParameters()),
    gradientClipVal: 1,
    accumulateGradBatches: 1,
    logInput: twin.logRates,
    precision,
    device,
  });
  return {
    run: () => {
      using _scope = tensorScope();
      const start = process.hrtime.bigint();
      step.backward(groups, 0);
      step.update(0);
      synchronize(device);
      return Number(process.hrtime.bigint() - start) / 1e9;
    },
    dispose: () => {
      for (const { step, expAvg, expAvgSq } of optimizer.state.values())
        for (const t of [step, expAvg, expAvgSq]) t.dispose();
      twin.dispose();
    },
  };
}
