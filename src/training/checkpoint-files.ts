/**
 * @file From what a user names, a checkpoint or the folder of a run, to the file of a checkpoint.
 */

import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
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
 * @throws UserError when there is neither
 */
export function resumableCheckpoint(path: string): string {
  if (!isFolder(path)) return path;
  const last = lastCheckpoint(path);
  if (existsSync(last)) return last;
  throw noCheckpoint(path);
}

/**
 * The checkpoint to use: the file itself, or the one of a run's folder with the best validation score. `last` only when
 * there is no other.
 *
 * @throws UserError when there is none, or one cannot be read
 */
export function bestCheckpoint(path: string): string {
  const files = checkpointFiles(path);
  if (files.length === 1) return files[0]!;
  const epochs = files.filter((file) => basename(file) !== LAST);
  const ranked = epochs.map((file) => ({ file, score: scoreOf(file) })).sort((a, b) => b.score - a.score);
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

function scoreOf(path: string): number {
  const { file, description } = openTensorFile(path, MODEL_KEY);
  file.close();
  const score = (description.metrics as Record<string, unknown> | undefined)?.val_bps_overall;
  return typeof score === "number" ? score : Number.NEGATIVE_INFINITY;
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
