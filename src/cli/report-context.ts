/**
 * @file What the report of an evaluation says about the run that made the model, and about the programs at work.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LoadedModel } from "../eval/load-model.ts";
import type { EvaluationReportOptions } from "../report/evaluation-report.ts";
import { libtorchVersion } from "../torch/index.ts";
import { METRICS_FILE, readMetrics } from "../tracking/jsonl.ts";
import { packageVersion } from "./version.ts";

/**
 * The run of a loaded model, with the metrics beside its checkpoint if there are any. Call it before the twin is disposed of.
 *
 * @throws UserError when the metrics cannot be read
 */
export function reportContext({ twin, info, folder }: LoadedModel): Pick<EvaluationReportOptions, "run" | "versions"> {
  const metrics = join(folder, METRICS_FILE);
  const parameters = [...twin.stateDict().values()].reduce((sum, { numel }) => sum + numel, 0);
  return {
    run: { info, parameters, metrics: existsSync(metrics) ? readMetrics(metrics) : [] },
    versions: { visioncore: packageVersion(), libtorch: libtorchVersion(), node: process.versions.node },
  };
}
