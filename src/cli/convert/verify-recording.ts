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
  const differing = differingKeys(folder, original);
  if (differing.length === 0) return;
  throw new UserError(
    `The recording "${original.type}" in "${folder}" differs from its source in: ${differing.join(", ")}`,
    {
      hint: "The disk may be faulty. Delete the files and convert again, preferably to another disk.",
    },
  );
}

/** Keys that the recording in `folder` and this one do not share, or hold other values under. */
export function differingKeys(folder: string, recording: Recording): string[] {
  const written = openRecording(folder, recording.type);
  const [there, here] = [written?.keys() ?? [], recording.keys()];
  const changed = here.filter((key) => !there.includes(key) || !isEqual(written!.column(key), recording.column(key)));
  return [...changed, ...there.filter((key) => !here.includes(key))];
}

function isEqual(a: LazyArray, b: LazyArray): boolean {
  return a.dtype === b.dtype && a.shape.join() === b.shape.join() && digest(a) === digest(b);
}

function digest(column: LazyArray): string {
  const hash = createHash("sha256");
  for (const { rows } of rowChunks(column)) hash.update(arrayBytes(rows));
  return hash.digest("hex");
}
