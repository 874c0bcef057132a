/** @file Failures of writing, in words. */
import { UserError } from "../errors.ts";
import { systemErrorMeaning } from "../formats/system-error.ts";

/**
 * Runs a part that writes to a file, and gives its result.
 *
 * @throws UserError that names the file when the disk is full, permission is missing and the like; what `part` throws otherwise
 */
export function attemptWrite<T>(path: string, part: () => T): T {
  try {
    return part();
  } catch (cause) {
    const meaning = systemErrorMeaning(cause);
    if (meaning === undefined) throw cause;
    throw new UserError(`Cannot write "${path}": ${meaning}`, { cause });
  }
}
