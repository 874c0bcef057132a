/**
 * @file What a checkpoint knows about itself, for `visioncore inspect checkpoint`.
 */
import { elementCount } from "../formats/array.ts";
import { checkpointFiles } from "../training/checkpoint-files.ts";
import { type ModelFile, openModelFile, verifyParameters } from "../training/model-file.ts";
import type { ModelInfo, ModelSession, StoredInfo } from "../training/model-info.ts";
import { describePreprocessing } from "./describe-preprocessing.ts";
import { formatTable } from "./terminal.ts";

/** A checkpoint in numbers. */
export interface CheckpointSummary extends Pick<ModelFile, "path" | "info"> {
  readonly parameters: number;
  readonly tensors: readonly { name: string; dtype: string; shape: readonly number[] }[];
}

/**
 * Summaries of a checkpoint, or of all checkpoints in a run's folder. The tensors of a single one are compared with their
 * hash.
 *
 * @throws UserError when there is none, or one cannot be read
 */
export function inspectCheckpoints(path: string): CheckpointSummary[] {
  const files = checkpointFiles(path);
  return files.map((file) => summarize(file, files.length === 1));
}

function summarize(path: string, isSingle: boolean): CheckpointSummary {
  using file = openModelFile(path);
  if (isSingle) verifyParameters(file);
  const tensors = [...file.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const parameters = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return { path, info: file.info, parameters, tensors };
}

/** One checkpoint as text for a terminal. */
export function formatCheckpoint({ path, info, parameters, tensors }: CheckpointSummary): string {
  const { sessions, model_config, versions, saved_at } = info;
  const { convnet, modulator, recurrent, readout } = model_config;
  const units = sessions.reduce((sum, { nUnits }) => sum + nUnits, 0);
  const versionList = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    path,
    `${progressOf(info)}, saved ${saved_at} (${versionList.join(", ")})`,
    ...importedLines(info),
    `convnet ${convnet.type}, modulator ${modulator.type}, recurrent ${recurrent.type}, readout ${readout.type}`,
    inputLine(info),
    `${count(sessions.length, "session")}, ${count(units, "unit")}, ${parameters.toLocaleString("en-US")} numbers in ${tensors.length} tensors`,
    sessionTable(info),
    ...preprocessingLines(sessions),
    ...hashLines(info),
  ].join("\n");
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function progressOf({ epoch, global_step }: ModelInfo): string {
  return `epoch ${epoch === null ? "unknown" : epoch + 1}, ${global_step ?? "unknown"} steps`;
}

function importedLines({ imported }: ModelInfo): string[] {
  if (imported === null) return [];
  const notes = Array.isArray(imported.notes) ? imported.notes : [];
  return [`imported from ${imported.file} (${imported.format})`, ...notes.map((note) => `  ${note}`)];
}

function inputLine({ input, sessions, model_config }: ModelInfo): string {
  if (input === null) {
    const isKnown = sessions.every(({ behaviorDim }) => behaviorDim !== null);
    return isKnown ? "input: no stimulus" : "input: of a size that is not known";
  }
  const order = model_config.lag_order.replaceAll("_", " ");
  return `input: ${count(input.frames, "lag")} of ${input.height} x ${input.width} pixels, ${order}`;
}

function sessionTable({ sessions, metrics }: ModelInfo): string {
  const rows = sessions.map(({ name, nUnits, frameRate, behaviorDim, stimulus }) => [
    name,
    String(nUnits),
    frameRate === null ? "?" : String(frameRate),
    stimulus === null ? "?" : `${stimulus.dtype}${stimulus.pixelnorm ? ", (x − 127) / 255" : ""}`,
    behaviorDim === null ? "?" : String(behaviorDim),
    (metrics[`val_loss/${name}`] ?? Number.NaN).toFixed(4),
    (metrics[`val_bps/${name}`] ?? Number.NaN).toFixed(4),
  ]);
  return formatTable(["session", "units", "Hz", "stimulus", "behaviour", "val_loss", "val bits/spike"], rows);
}

/** Every way in which recordings are prepared, once. */
function preprocessingLines(sessions: readonly ModelSession[]): string[] {
  const ways = new Map<string, string[]>();
  for (const { name, config } of sessions) {
    const lines = config === null ? ["not known"] : describePreprocessing(config);
    const way = lines.map((line) => `  ${line}`).join("\n");
    ways.set(way, [...(ways.get(way) ?? []), name]);
  }
  return [...ways].flatMap(([way, names]) => [
    `preprocessing${ways.size === 1 ? "" : ` of ${names.join(", ")}`}:`,
    way,
  ]);
}

function hashLines({ hashes }: StoredInfo): string[] {
  if (hashes === null) return ["SHA-256: none, saved by an early version"];
  const { parameters, model_config, sessions } = hashes;
  return [
    `SHA-256, as saved: parameters ${parameters.slice(0, 16)}…, model config ${model_config.slice(0, 16)}…, sessions ${sessions.slice(0, 16)}…`,
  ];
}

/** All checkpoints of a run, one line each. */
export function formatCheckpointList(summaries: readonly CheckpointSummary[]): string {
  const rows = summaries.map(({ path, info: { epoch, global_step, metrics } }) => [
    path,
    epoch === null ? "?" : String(epoch + 1),
    String(global_step ?? "?"),
    (metrics.val_loss ?? Number.NaN).toFixed(4),
    (metrics.val_bps_overall ?? Number.NaN).toFixed(4),
  ]);
  return formatTable(["checkpoint", "epoch", "steps", "val_loss", "val bits/spike"], rows);
}
