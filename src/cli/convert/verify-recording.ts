/**
 * @file Reading back what was written: a conversion counts only when every column hashes to the same value as before.
 */
import { createHash } from "node:crypto";
import type { Recording } from "../../data/recording.ts";
import { openRecording } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { arrayBytes } from "../../formats/array.ts";
import type { LazyArray } from "../../formats/lazy.ts";
import { rowChunks } from "./row-chunks.ts";

/**
 * Compares the recording in `folder` with the one it was written from, column by column, by SHA-256.
 *
 * @throws UserError when the files hold something else
 */
export function verifyRecording(folder: string, original: Recording): void {
  const written = openRecording(folder, original.type);
  const keys = written?.keys() ?? [];
  const differing = original
    .keys()
    .filter((key) => !keys.includes(key) || !isEqual(written!.column(key), original.column(key)));
  if (differing.length === 0 && keys.length === original.keys().length) return;
  throw new UserError(
    `The recording "${original.type}" in "${folder}" differs from its source in: ${differing.join(", ")}`,
    {
      hint: "The disk may be faulty. Delete the files and convert again, preferably to another disk.",
    },
  );
}

function isEqual(a: LazyArray, b: LazyArray): boolean {
  return a.dtype === b.dtype && a.shape.join() === b.shape.join() && digest(a) === digest(b);
}

function digest(column: LazyArray): string {
  const hash = createHash("sha256");
  for (const { rows } of rowChunks(column)) hash.update(arrayBytes(rows));
  return hash.digest("hex");
}
