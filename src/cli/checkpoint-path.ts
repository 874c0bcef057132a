/**
 * @file From what a user names to the file of a checkpoint.
 */
import { existsSync, statSync } from "node:fs";
import { UserError } from "../errors.ts";
import { lastCheckpoint } from "../training/setup.ts";

/**
 * The checkpoint a path stands for: the file itself, or the last one of a run's folder.
 *
 * @throws UserError when there is neither
 */
export function checkpointFile(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new UserError(`Cannot find the checkpoint "${path}": there is no such file or folder`);
  if (!stats.isDirectory()) return path;
  const last = lastCheckpoint(path);
  if (existsSync(last)) return last;
  throw new UserError(`Cannot find a checkpoint in "${path}": it has no last.safetensors`, {
    hint: "Name the folder of a run, <checkpoint-dir>/<experiment-name>, or a checkpoint's file.",
  });
}
