/**
 * @file bfloat16 autocast of every shipped model at its real size, against float32. The bounds are those that
 * docs/models.md states.
 */

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import { autocast, Generator, ones, randn, setNumThreads, type Tensor, tensorScope, uniform } from "../torch/index.ts";
import { buildModel } from "./build.ts";
import { poissonLoss } from "./losses.ts";
import { behaviorNeeded } from "./options.ts";
import { ignoresStimulus } from "./shapes.ts";

beforeAll(() => setNumThreads(2));

/** Largest deviation of what drives a unit (the output before its activation), relative to the largest drive. */
const DRIVE_ERROR = 0.02;
/** Cosine between the gradients of all parameters taken together. */
const GRADIENT_COSINE = 0.99;

const folder = fileURLToPath(new URL("../../experiments/model_configs/", import.meta.url));
const INPUT = { frames: 40, height: 51, width: 51 };
const UNITS = 12;
/** Its blocks do not fit together; the patched file takes its place. */
const UNBUILDABLE = "cones_res_small_gru_optimized.yaml";
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml") && file !== UNBUILDABLE);

test.each(files)("bf16 autocast stays close to float32: %s", (file) => {
  using _scope = tensorScope();
  const config = { ...loadModelConfig(folder + file).config, output_activation: "none" as const };
  const sessions = [{ name: "session", nUnits: UNITS }];
  const twin = buildModel(config, sessions, { generator: new Generator(1), input: INPUT });
  const rng = new Generator(2);
  const behaviors = behaviorNeeded(config);
  const { frames, height, width } = INPUT;
  const input = {
    session: 0,
    stimulus: ignoresStimulus(config, sessions) ? null : uniform([2, 1, frames, height, width], -0.5, 0.5, rng),
    behavior: behaviors === 0 ? null : randn([2, behaviors], rng),
    history: config.history_encoder ? ones([2, config.history_encoder.params.num_lags, UNITS]) : null,
  };
  const counts = uniform([2, UNITS], 0, 2, rng);
  // Spectral norms settle before they are compared.
  for (let i = 0; i < 15; i++) if (config.history_encoder) twin.forward([input]);
  twin.eval();
  const run = (dtype: "bfloat16" | null): { drives: number[]; gradients: Map<string, Tensor> } => {
    const [output] = autocast("cpu", dtype, () => twin.forward([input]));
    poissonLoss(output!, counts, null, { logInput: true }).backward();
    const gradients = new Map<string, Tensor>();
    for (const { name, tensor } of twin.namedParameters()) {
      if (tensor.grad) gradients.set(name, tensor.grad.clone());
      tensor.setGrad(null);
    }
    return { drives: Array.from(output!.toTypedArray(), Number), gradients };
  };
  const [exact, rounded] = [run(null), run("bfloat16")];

  const scale = Math.max(...exact.drives.map(Math.abs));
  const error = Math.max(...exact.drives.map((drive, i) => Math.abs(drive - rounded.drives[i]!))) / scale;
  expect(error, "largest error of a drive").toBeLessThan(DRIVE_ERROR);

  expect([...rounded.gradients.keys()]).toEqual([...exact.gradients.keys()]);
  let [product, squares, other] = [0, 0, 0];
  for (const [name, gradient] of exact.gradients) {
    const approximate = rounded.gradients.get(name)!;
    product += gradient.mul(approximate).sum().item();
    squares += gradient.square().sum().item();
    other += approximate.square().sum().item();
  }
  expect(product / Math.sqrt(squares * other), "cosine between gradients").toBeGreaterThan(GRADIENT_COSINE);
  if (process.env.PRINT) console.log(file, error.toExponential(2), (product / Math.sqrt(squares * other)).toFixed(5));
  twin.dispose();
});
