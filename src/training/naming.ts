/**
 * @file Names of experiments and checkpoint files (training specification, section 4).
 */

import { basename, extname } from "node:path";

/**
 * A number the way Python prints a float, so that names agree with earlier runs: `1e-05`, `0.0001`, `1.0`.
 */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    const [digits, exponent] = value.toExponential().split("e") as [string, string];
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  }
  if (!Number.isInteger(value)) return String(value);
  return `${Object.is(value, -0) ? "-0" : BigInt(value)}.0`;
}

/** What an experiment is named after. */
export interface NamingOptions {
  batchSize: number;
  maxDatasets: number;
  learningRate: number;
  weightDecay: number;
}

/**
 * The name of a run without a name of its own.
 *
 * @param modelConfig path of the model configuration
 * @param mode `ddp`: the distributed trainer, also on one device; `sgpu`: the single-device trainer
 */
export function experimentName(modelConfig: string, mode: "ddp" | "sgpu", options: NamingOptions): string {
  return `${stem(modelConfig)}_${mode}_${settings(options)}`;
}

/**
 * The name of a run that trains new readouts on a frozen core.
 *
 * @param core model type, or path of the checkpoint the core comes from
 */
export function frozenCoreName(core: string, options: NamingOptions): string {
  return `frozencore_${stem(core)}_${settings(options)}`;
}

function settings({ batchSize, maxDatasets, learningRate, weightDecay }: NamingOptions): string {
  return `bs${batchSize}_ds${maxDatasets}_lr${pythonFloat(learningRate)}_wd${pythonFloat(weightDecay)}`;
}

function stem(path: string): string {
  return basename(path, extname(path));
}

/** The subject of a session: its name up to the first underscore. */
export function subjectOf(session: string): string {
  const end = session.indexOf("_");
  return end < 0 ? session : session.slice(0, end);
}

/**
 * Stem of an epoch's checkpoint, such as `epoch=07-val_bps_overall=0.5702`.
 *
 * @param metric tracker key of what is monitored; slashes become underscores
 */
export function checkpointStem(epoch: number, value: number, metric = "val_bps_overall"): string {
  const score = Number.isFinite(value) ? value.toFixed(4) : pythonFloat(value);
  return `epoch=${String(epoch).padStart(2, "0")}-${metric.replaceAll("/", "_")}=${score}`;
}
