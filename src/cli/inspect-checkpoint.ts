/**
 * @file What a checkpoint knows about itself, for `visioncore inspect checkpoint`.
 */
import { elementCount } from "../formats/array.ts";
import { type OpenCheckpoint, openCheckpoint } from "../training/checkpoint.ts";
import { checkpointFiles } from "./checkpoint-path.ts";
import { formatTable } from "./terminal.ts";

/** A checkpoint in numbers. */
export interface CheckpointSummary extends Pick<OpenCheckpoint, "path" | "info"> {
  readonly parameters: number;
  readonly tensors: readonly { name: string; dtype: string; shape: readonly number[] }[];
}

/**
 * Summaries of a checkpoint, or of all checkpoints in a run's folder.
 *
 * @throws UserError when there is none, or one cannot be read
 */
export function inspectCheckpoints(path: string): CheckpointSummary[] {
  return checkpointFiles(path).map(summarize);
}

function summarize(path: string): CheckpointSummary {
  using checkpoint = openCheckpoint(path);
  const tensors = [...checkpoint.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const parameters = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return { path, info: checkpoint.info, parameters, tensors };
}

/** One checkpoint as text for a terminal. */
export function formatCheckpoint({ path, info, parameters, tensors }: CheckpointSummary): string {
  const { epoch, global_step, metrics, sessions, model_config, versions, saved_at } = info;
  const { convnet, modulator, recurrent, readout } = model_config;
  const units = sessions.reduce((sum, { nUnits }) => sum + nUnits, 0);
  const versionList = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const rows = sessions.map(({ name, nUnits }) => [
    name,
    String(nUnits),
    (metrics[`val_loss/${name}`] ?? Number.NaN).toFixed(4),
    (metrics[`val_bps/${name}`] ?? Number.NaN).toFixed(4),
  ]);
  return [
    path,
    `epoch ${epoch + 1}, ${global_step} steps, saved ${saved_at} (${versionList.join(", ")})`,
    `convnet ${convnet.type}, modulator ${modulator.type}, recurrent ${recurrent.type}, readout ${readout.type}`,
    `${sessions.length} sessions, ${units} units, ${parameters.toLocaleString("en-US")} numbers in ${tensors.length} tensors`,
    formatTable(["session", "units", "val_loss", "val bits/spike"], rows),
  ].join("\n");
}

/** All checkpoints of a run, one line each. */
export function formatCheckpointList(summaries: readonly CheckpointSummary[]): string {
  const rows = summaries.map(({ path, info: { epoch, global_step, metrics } }) => [
    path,
    String(epoch + 1),
    String(global_step),
    (metrics.val_loss ?? Number.NaN).toFixed(4),
    (metrics.val_bps_overall ?? Number.NaN).toFixed(4),
  ]);
  return formatTable(["checkpoint", "epoch", "steps", "val_loss", "val bits/spike"], rows);
}
