/**
 * @file Training steps of the flagship (learned_resnet_none_convgru_gaussian.yaml): ours against the reference
 * formulation, see compare-steps.ts.
 *
 * `npx tsx bench/flagship.ts [--precision 32|bf16-mixed] [--device cpu|cuda:0] [--batch 32] [--sessions 16] [--units 100]
 * [--lags 33] [--steps 3] [--threads N] [--json]`
 *
 * Targets on a CPU, batch of 32 from 16 sessions: at least 1.4 times in float32, 1.6 times in bf16. With `--json` the last
 * line is one JSON object with our numbers.
 */

import { loadModelConfig } from "../src/config/load.ts";
import { libtorchVersion } from "../src/torch/index.ts";
import { compareSteps } from "./compare-steps.ts";
import { comparisonFlags, modelConfigFile } from "./comparison-flags.ts";

const { options, json } = comparisonFlags();
const { config } = loadModelConfig(modelConfigFile("learned_resnet_none_convgru_gaussian"));
const { device, precision, batch, sessions, lags } = options;
const { ours, reference, ratio, peakMemoryBytes } = compareSteps(config, options);
console.log(
  `flagship, ${precision}, ${device}, batch of ${batch} from ${Math.min(batch, sessions)} sessions, ${lags} lags, libtorch ${libtorchVersion()}`,
);
console.log(
  `reference formulation ${reference.toFixed(2)} samples/s, ours ${ours.toFixed(2)} samples/s, ratio ${ratio.toFixed(2)}`,
);
if (json) {
  console.log(
    JSON.stringify({
      device,
      precision,
      batch,
      sessions,
      lags,
      samples_per_s: ours,
      reference_samples_per_s: reference,
      peak_memory_bytes: peakMemoryBytes,
      libtorch: libtorchVersion(),
    }),
  );
}
