/**
 * @file Small sessions with planted tuning and a small model, for tests of the trainer.
 */

import { type ModelConfig, parseModelConfig } from "../config/model.ts";
import { parseSessionConfig } from "../config/session.ts";
import type { PreparedSession } from "../data/prepare.ts";
import { MersenneTwister } from "../data/random.ts";
import { Recording } from "../data/recording.ts";
import { SampleSet } from "../data/samples.ts";

const LAGS = 6;
const SIZE = 9;

/**
 * A session of white noise: unit u fires with the brightness of pixel (4, u + 2) two frames ago. With `gaze`, behaviour is
 * by how many pixels the image was elsewhere, -1, 0 or 1 in x and y: the pixel is (4 + y, u + 2 + x) then.
 */
export function tinySession(name: string, { units = 3, frames = 400, seed = 1, gaze = false } = {}): PreparedSession {
  const generator = new MersenneTwister(seed);
  const uniform = () => generator.next() / 2 ** 32;
  const stim = Uint8Array.from({ length: frames * SIZE * SIZE }, () => generator.next() & 255);
  const robs = new Float32Array(frames * units);
  const looks = new MersenneTwister(seed + 1000);
  const offsets = Float32Array.from({ length: 2 * frames }, () => (gaze ? (looks.next() % 3) - 1 : 0));
  for (let t = 2; t < frames; t++) {
    const [x, y] = offsets.subarray(2 * t);
    for (let u = 0; u < units; u++) {
      const level = stim[(t - 2) * SIZE * SIZE + (4 + y!) * SIZE + u + 2 + x!]! / 255;
      robs[t * units + u] = Number(uniform() < level ** 3) + Number(uniform() < level ** 6);
    }
  }
  const recording = new Recording(
    "gaborium",
    [
      ["stim", { dtype: "uint8", shape: [frames, 1, SIZE, SIZE], data: stim }],
      ["robs", { dtype: "float32", shape: [frames, units], data: robs }],
      ["dfs", { dtype: "float32", shape: [frames, units], data: new Float32Array(frames * units).fill(1) }],
      ...(gaze ? [["behavior", { dtype: "float32", shape: [frames, 2], data: offsets }] as const] : []),
    ],
    {},
    name,
  );
  const stimulusLags = Array.from({ length: LAGS }, (_, lag) => lag);
  const keys_lags = { robs: 0, dfs: 0, stim: stimulusLags, ...(gaze && { behavior: 0 }) };
  const samples = (start: number, end: number) =>
    new SampleSet({
      session: name,
      recordings: [recording],
      recordingOf: new Int32Array(end - start),
      frameOf: Int32Array.from({ length: end - start }, (_, i) => start + i),
      keysLags: keys_lags,
      pixelnorm: true,
    });
  const cids = Array.from({ length: units }, (_, u) => 10 * u);
  const cut = Math.floor(frames * 0.8);
  return {
    session: name,
    config: parseSessionConfig({ session: name, types: ["gaborium"], cids, keys_lags, train_val_split: 0.8 }),
    droppedTypes: [],
    train: samples(LAGS - 1, cut),
    val: samples(cut + LAGS - 1, frames),
    behaviorDim: gaze ? 2 : 0,
    nUnits: units,
    cids,
    warnings: [],
    doubts: [],
    types: [],
  };
}

/** Two subjects, three sessions. */
export function tinySessions(): PreparedSession[] {
  return [
    tinySession("Allen_2022-02-16", { units: 3, seed: 1 }),
    tinySession("Logan_2019-12-20", { units: 2, seed: 2 }),
    tinySession("Allen_2022-02-18", { units: 4, frames: 300, seed: 3 }),
  ];
}

/** Temporal kernels, one convolution with dropout, Gaussian readouts, all kinds of regularisers. */
export function tinyModel({ dropout = 0.2 } = {}): ModelConfig {
  return parseModelConfig({
    model_type: "v1multi",
    adapter: { type: "none" },
    frontend: { type: "learnable_temporal", params: { kernel_size: 4, num_channels: 2, init_type: "random" } },
    convnet: {
      type: "resnet",
      params: {
        channels: [4],
        block_configs: [
          {
            conv_params: { type: "standard", kernel_size: [2, 3, 3], padding: [0, 1, 1] },
            norm_type: "rms",
            act_type: "splitrelu",
            pool_params: null,
            dropout,
          },
        ],
      },
    },
    readout: { type: "gaussian", params: { bias: true, initial_std: 1, initial_mean_scale: 0.1 } },
    output_activation: "softplus",
    regularization: [
      {
        name: "sparse",
        type: "l1",
        lambda: 1e-4,
        apply_to: ["readouts/features"],
        schedule: { kind: "warmup", start_epoch: 1 },
      },
      { name: "shrink", type: "proximal_l1", lambda: 1e-4, apply_to: ["frontend/weight"] },
      { name: "narrow", type: "proximal_clamp_positive", lambda: 3, apply_to: ["readouts/std"] },
    ],
  });
}
