/**
 * @file Training steps of every shipped model: ours against the reference formulation, see compare-steps.ts.
 *
 * `npx tsx bench/zoo.ts [MODEL ...] [--precision 32|bf16-mixed] [--device cpu|cuda:0] [--batch 32] [--sessions 16]
 * [--units 100] [--lags 33] [--steps 3] [--threads N] [--json]`
 *
 * Targets on a CPU, batch of 32 from 16 sessions: no model below 1.1 times, 1.5 times on average. With `--json` every model
 * adds a line that is one JSON object.
 */

import { loadModelConfig } from "../src/config/load.ts";
import { libtorchVersion } from "../src/torch/index.ts";
import { compareSteps } from "./compare-steps.ts";
import { comparisonFlags, modelConfigFile } from "./comparison-flags.ts";

/** Smallest first. */
const MODELS = [
  "modulator_only_convgru",
  "learned_resnet_film_none_gaussian",
  "learned_dense_none_convgru_gaussian",
  "learned_dense_concat_convgru_gaussian",
  "learned_dense_concat_convgru_gaussian_history",
  "cones_res_small_gru_optimized_patched",
  "learned_resnet_none_none_gaussian",
  "learned_resnet_none_convgru_gaussian",
  "learned_resnet_concat_convgru_gaussian",
  "learned_dense_film_none_gaussian",
  "learned_resnet_wide3_none_convgru_gaussian",
];

const { options, models, json } = comparisonFlags();
const { precision, device, batch, sessions, lags } = options;
console.log(
  `${precision}, ${device}, batch of ${batch} from ${Math.min(batch, sessions)} sessions, ${lags} lags, libtorch ${libtorchVersion()}`,
);
console.log(`${"".padEnd(46)} ${"reference".padStart(11)} ${"ours".padStart(11)}   ratio   (samples/s)`);
const ratios: number[] = [];
for (const model of models.length > 0 ? models : MODELS) {
  const { config } = loadModelConfig(modelConfigFile(model));
  const { ours, reference, ratio } = compareSteps(config, options);
  ratios.push(ratio);
  const columns = [reference, ours].map((rate) => rate.toFixed(2).padStart(11)).join(" ");
  console.log(`${model.padEnd(46)} ${columns} ${ratio.toFixed(2).padStart(7)}`);
  if (json) console.log(JSON.stringify({ model, device, precision, batch, sessions, lags, ours, reference, ratio }));
}
const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
console.log(`${"mean".padEnd(70)} ${mean.toFixed(2).padStart(7)}   lowest ${Math.min(...ratios).toFixed(2)}`);
