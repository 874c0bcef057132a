/**
 * @file From what a user names, a checkpoint or the folder of a run, to the file of a checkpoint.
 */

import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { type MonitorMode, monitorOf, rankOf } from "./monitor.ts";
import { MODEL_KEY, openTensorFile } from "./tensor-file.ts";

const LAST = "last.safetensors";

/** Path of the checkpoint that is rewritten after every epoch. */
export function lastCheckpoint(directory: string): string {
  return join(directory, LAST);
}

/** Path of the file with the training state beside a checkpoint. */
export function statePath(path: string): string {
  return path.replace(/\.safetensors$/, ".state.safetensors");
}

/** Path of the training state that a checkpoint had before it was last replaced; it is there only while one is replaced. */
export function previousStatePath(path: string): string {
  return path.replace(/\.safetensors$/, ".previous.state.safetensors");
}

/** Removes what killed processes left half-written in the folder of a run. */
export function removeUnfinished(directory: string): void {
  const unfinished = readdirSync(directory).filter((name) => /^\..*\.safetensors\.[0-9a-f]{12}\.tmp$/.test(name));
  for (const name of unfinished) rmSync(join(directory, name), { force: true });
}

/**
 * The checkpoint to continue from: the file itself, or the last one of a run's folder.
 *
 * @throws UserError when there is neither, or the file is PyTorch's
 */
export function resumableCheckpoint(path: string): string {
  if (!isFolder(path)) {
    if (!/\.(ckpt|pt|pth)$/.test(path)) return path;
    throw new UserError(`Cannot resume from "${path}": it is a PyTorch file, whose training cannot go on here`, {
      hint: `Start a new run with what it has learnt: visioncore import ${path}, then --pretrained-checkpoint or --frozen-core.`,
    });
  }
  const last = lastCheckpoint(path);
  if (existsSync(last)) return last;
  throw noCheckpoint(path);
}

/**
 * The checkpoint to use: the file itself, or the one of a run's folder that is best by the metric the run monitors. `last`
 * only when there is no other.
 *
 * @throws UserError when there is none, or one cannot be read
 */
export function bestCheckpoint(path: string): string {
  const files = checkpointFiles(path);
  if (files.length === 1) return files[0]!;
  const described = files.map((file) => ({ file, ...descriptionOf(file) }));
  // A run that was continued may have changed what it monitors.
  const latest = described.find(({ file }) => basename(file) === LAST) ?? described[0]!;
  const { metric, mode } = monitorOf(latest.settings ?? {});
  const ranked = described
    .filter(({ file }) => basename(file) !== LAST)
    .map(({ file, metrics }) => ({ file, rank: rankOf(metrics?.[metric] ?? null, mode) }))
    .sort((a, b) => b.rank - a.rank || 0);
  return ranked[0]!.file;
}

/**
 * The file itself, or all checkpoints of a run's folder by name.
 *
 * @throws UserError when there is none
 */
export function checkpointFiles(path: string): string[] {
  if (!isFolder(path)) return [path];
  // Bare weights, as `visioncore export` names them, are no checkpoints.
  const names = readdirSync(path).filter((name) => /(?<!\.(state|weights))\.safetensors$/.test(name));
  if (names.length === 0) throw noCheckpoint(path);
  return names.sort().map((name) => join(path, name));
}

/** What a checkpoint says about itself, as far as it is needed to choose one. */
interface Description {
  settings?: { monitor?: string; monitorMode?: MonitorMode | null } | null;
  metrics?: Record<string, number>;
}

function descriptionOf(path: string): Description {
  const { file, description } = openTensorFile(path, MODEL_KEY);
  file.close();
  return description;
}

function isFolder(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new UserError(`Cannot find the checkpoint "${path}": there is no such file or folder`);
  return stats.isDirectory();
}

function noCheckpoint(folder: string): UserError {
  return new UserError(`Cannot find a checkpoint in "${folder}"`, {
    hint: "Name the folder of a run, <checkpoint-dir>/<experiment-name>, or a checkpoint's file.",
  });
}
