/**
 * @file Files mapped into memory.
 */

import { constants } from "node:buffer";
import { UserError } from "../errors.ts";
import { native } from "./native.ts";

/**
 * Bytes of a file, mapped: they are read when touched, and the system may forget them again. Processes that map the same
 * file share them. The file must not be cut short while it is mapped; replacing it by another (rename) is fine. Writing to
 * the bytes does not change the file.
 *
 * @throws UserError when there are more than an array can have
 * @throws Error when the file cannot be opened or does not reach that far
 */
export function mapFile(path: string, offset: number, bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes === 0) return new Uint8Array(0);
  if (bytes > constants.MAX_LENGTH) {
    throw new UserError(`Cannot map ${bytes} bytes of "${path}": an array holds at most ${constants.MAX_LENGTH}`, {
      hint: "Divide the recording into several, or use a newer version of Node.js.",
    });
  }
  return new Uint8Array(native().mapFile(path, offset, bytes));
}
