/**
 * @file Training steps of the flagship (learned_resnet_none_convgru_gaussian.yaml): ours against the reference
 * formulation, written with our own modules: one pass of the core per session, whole windowed kernels, three gate
 * convolutions per frame. Both in this process, alternating, on the same batch: forward, masked Poisson loss, backward,
 * clipping, AdamW.
 *
 * `npx tsx bench/flagship.ts [--precision 32|bf16-mixed] [--device cpu|cuda:0] [--batch 32] [--sessions 16] [--units 100]
 * [--lags 33] [--steps 3] [--threads N] [--json]`
 *
 * Targets on a CPU, batch of 32 from 16 sessions: at least 1.4 times in float32, 1.6 times in bf16. With `--json` the last
 * line is one JSON object with our numbers.
 */

import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadModelConfig } from "../src/config/load.ts";
import type { SessionBatch } from "../src/data/loader.ts";
import { buildModel } from "../src/models/build.ts";
import {
  AdamW,
  deviceMemory,
  Generator,
  libtorchVersion,
  ones,
  setNumThreads,
  synchronize,
  tensorScope,
  uniform,
} from "../src/torch/index.ts";
import { parameterGroups } from "../src/training/optimizers.ts";
import { Regularizers } from "../src/training/regularizers.ts";
import { type Precision, TrainingStep } from "../src/training/step.ts";

const { values } = parseArgs({
  options: {
    precision: { type: "string", default: "32" },
    device: { type: "string", default: "cpu" },
    batch: { type: "string", default: "32" },
    sessions: { type: "string", default: "16" },
    units: { type: "string", default: "100" },
    lags: { type: "string", default: "33" },
    steps: { type: "string", default: "3" },
    threads: { type: "string", default: String(cpus().length) },
    json: { type: "boolean", default: false },
  },
});
const precision = values.precision as Precision;
const { device } = values;
const [batch, nSessions, nUnits, lags, steps] = [
  values.batch,
  values.sessions,
  values.units,
  values.lags,
  values.steps,
].map(Number) as [number, number, number, number, number];
setNumThreads(Number(values.threads));

const path = fileURLToPath(
  new URL("../experiments/model_configs/learned_resnet_none_convgru_gaussian.yaml", import.meta.url),
);
const { config } = loadModelConfig(path);
const sessions = Array.from({ length: nSessions }, (_, i) => ({ name: `session_${i}`, nUnits }));

/** The same batch every time: samples spread evenly over the sessions. */
function makeBatch(): SessionBatch[] {
  const rng = new Generator(1);
  return sessions.map(({ name }, session) => {
    const b = Math.floor(((session + 1) * batch) / nSessions) - Math.floor((session * batch) / nSessions);
    const to = { device };
    return {
      session,
      name,
      stimulus: uniform([b, 1, lags, 51, 51], -0.5, 0.5, rng).to(to).keep(),
      behavior: null,
      history: null,
      robs: uniform([b, nUnits], 0, 2, rng).to(to).keep(),
      dfs: ones([b, nUnits], to).keep(),
      indices: new Int32Array(b),
    };
  });
}

const groups = makeBatch().filter(({ indices }) => indices.length > 0);

function makeStep(formulation: "fast" | "reference"): () => number {
  const twin = buildModel(config, sessions, { generator: new Generator(0), formulation }).to({ device });
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
  return () => {
    using _scope = tensorScope();
    const start = process.hrtime.bigint();
    step.backward(groups, 0);
    step.update(0);
    synchronize(device);
    return Number(process.hrtime.bigint() - start) / 1e9;
  };
}

const ours = makeStep("fast");
ours();
ours();
// Before the other formulation's memory comes into play.
const peakMemory = deviceMemory(device)?.peak ?? process.resourceUsage().maxRSS * 1024;
const reference = makeStep("reference");
const seconds = { ours: Number.POSITIVE_INFINITY, reference: Number.POSITIVE_INFINITY };
for (let i = 0; i <= steps; i++) {
  const [a, b] = [ours(), reference()];
  if (i === 0) continue; // warm-up
  seconds.ours = Math.min(seconds.ours, a);
  seconds.reference = Math.min(seconds.reference, b);
}
const rate = (s: number) => batch / s;
console.log(
  `flagship, ${precision}, ${device}, batch of ${batch} from ${groups.length} sessions, ${lags} lags, libtorch ${libtorchVersion()}`,
);
console.log(
  `reference formulation ${rate(seconds.reference).toFixed(2)} samples/s, ours ${rate(seconds.ours).toFixed(2)} samples/s, ratio ${(seconds.reference / seconds.ours).toFixed(2)}`,
);
if (values.json) {
  console.log(
    JSON.stringify({
      device,
      precision,
      batch,
      sessions: nSessions,
      lags,
      samples_per_s: rate(seconds.ours),
      reference_samples_per_s: rate(seconds.reference),
      peak_memory_bytes: peakMemory,
      libtorch: libtorchVersion(),
    }),
  );
}
