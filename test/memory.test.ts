/**
 * @file A long run keeps its memory: 300 real training steps with changing batches leave no tensors and no growth.
 *
 * They are counted after 300 others. By then oneDNN has a kernel for every batch size that occurs and heaps have their
 * size: measured over 1,200 steps, resident memory rose from 251 to 267 MB in the first 400 and stayed within 3 MB after.
 */

import { expect, test } from "vitest";
import { parseModelConfig } from "../src/config/model.ts";
import type { SessionBatch } from "../src/data/loader.ts";
import { buildModel } from "../src/models/build.ts";
import { AdamW, Generator, ones, setNumThreads, tensorScope, tensorStats, uniform } from "../src/torch/index.ts";
import { parameterGroups } from "../src/training/optimizers.ts";
import { Regularizers } from "../src/training/regularizers.ts";
import { TrainingStep } from "../src/training/step.ts";

const MODEL = {
  model_type: "v1multi",
  adapter: { type: "adapter", params: { grid_size: 21 } },
  frontend: { type: "learnable_temporal", params: { kernel_size: 6, num_channels: 4, aa_signal: true } },
  convnet: {
    type: "resnet",
    params: {
      channels: [8],
      block_configs: [
        {
          conv_params: { kernel_size: [3, 7, 7], aa_signal: true, use_weight_norm: true, keep_unit_norm: true },
          norm_type: "grn",
          act_type: "splitrelu",
          pool_params: { type: "max", kernel_size: 2, stride: 2 },
        },
      ],
    },
  },
  recurrent: { type: "convgru", params: { hidden_dim: 8 } },
  readout: { type: "gaussian", params: {} },
  output_activation: "softplus",
};

test("300 training steps: resident memory stays flat and no tensor is left behind", async () => {
  setNumThreads(2);
  const sessions = [0, 1, 2, 3].map((i) => ({ name: `session_${i}`, nUnits: 10 + i }));
  const twin = buildModel(parseModelConfig(MODEL), sessions, { generator: new Generator(0) });
  const optimizer = new AdamW(
    parameterGroups(twin.namedParameters(), { learningRate: 1e-3, coreLrScale: 1, weightDecay: 1e-5 }),
  );
  const step = new TrainingStep({
    twin,
    optimizer,
    regularizers: new Regularizers([], twin.namedParameters()),
    gradientClipVal: 1,
    accumulateGradBatches: 1,
    logInput: false,
    precision: "32",
    device: "cpu",
  });
  const rng = new Generator(1);
  const megabytes: number[] = [];
  const live: number[] = [];
  for (let i = 0; i < 600; i++) {
    {
      using _scope = tensorScope();
      // Group sizes and the sessions present change from batch to batch, as they do in a mixed batch.
      const groups = sessions
        .map(({ name, nUnits }, session): SessionBatch => {
          const b = (i * (session + 3) + session + 1) % 5;
          return {
            session,
            name,
            stimulus: uniform([b, 1, 12, 21, 21], -0.5, 0.5, rng),
            behavior: null,
            history: null,
            robs: uniform([b, nUnits], 0, 2, rng),
            dfs: ones([b, nUnits]),
            indices: new Int32Array(b),
          };
        })
        .filter(({ indices }) => indices.length > 0);
      step.backward(groups, 0);
      step.update(0);
    }
    megabytes.push(process.memoryUsage.rss() / 1e6);
    live.push(tensorStats().live);
    if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  // From the first step on that had every session, only parameters and moments live.
  expect(live[599]).toBe(live[60]);
  const early = Math.max(...megabytes.slice(300, 360));
  const late = Math.max(...megabytes.slice(540));
  expect(late - early, `${early.toFixed(0)} MB, then ${late.toFixed(0)} MB`).toBeLessThan(12);
  twin.dispose();
});
