/** @file Command line of the benchmarks that compare training steps. */

import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setNumThreads } from "../src/torch/index.ts";
import type { Precision } from "../src/training/step.ts";
import type { ComparisonOptions } from "./compare-steps.ts";

/** Reads the flags and sets the number of threads. */
export function comparisonFlags(): { options: ComparisonOptions; models: string[]; json: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
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
  setNumThreads(Number(values.threads));
  return {
    options: {
      precision: values.precision as Precision,
      device: values.device,
      batch: Number(values.batch),
      sessions: Number(values.sessions),
      units: Number(values.units),
      lags: Number(values.lags),
      steps: Number(values.steps),
    },
    models: positionals,
    json: values.json,
  };
}

/** A shipped model configuration. */
export function modelConfigFile(name: string): string {
  return fileURLToPath(new URL(`../experiments/model_configs/${name}.yaml`, import.meta.url));
}
