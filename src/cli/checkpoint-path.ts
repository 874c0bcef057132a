/**
 * @file From what a user names to the file of a checkpoint.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { openCheckpoint } from "../training/checkpoint.ts";
import { lastCheckpoint } from "../training/setup.ts";

/**
 * The checkpoint to continue from: the file itself, or the last one of a run's folder.
 *
 * @throws UserError when there is neither
 */
export function checkpointFile(path: string): string {
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
export function bestCheckpointFile(path: string): string {
  const files = checkpointFiles(path);
  const epochs = files.filter((file) => basename(file) !== basename(lastCheckpoint("")));
  const ranked = epochs.map((file) => ({ file, score: scoreOf(file) })).sort((a, b) => b.score - a.score);
  return ranked[0]?.file ?? files[0]!;
}

/**
 * The file itself, or all checkpoints of a run's folder by name.
 *
 * @throws UserError when there is none
 */
export function checkpointFiles(path: string): string[] {
  if (!isFolder(path)) return [path];
  const names = readdirSync(path).filter((name) => /(?<!\.state)\.safetensors$/.test(name));
  if (names.length === 0) throw noCheckpoint(path);
  return names.sort().map((name) => join(path, name));
}

function scoreOf(file: string): number {
  using checkpoint = openCheckpoint(file);
  return checkpoint.info.metrics.val_bps_overall ?? Number.NEGATIVE_INFINITY;
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
