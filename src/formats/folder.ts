/** @file Making folders, with words for what can go wrong. */
import { mkdirSync } from "node:fs";
import { UserError } from "../errors.ts";
import { systemErrorMeaning } from "./system-error.ts";

/**
 * Makes a folder and those above it; does nothing when it is there.
 *
 * @throws UserError when a file is in the way, permission is missing, the disk is full and the like
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    const meaning = systemErrorMeaning(error);
    if (meaning === undefined) throw error;
    throw new UserError(`Cannot make the folder "${path}": ${meaning}`, {
      hint: "Choose a folder you may write to.",
      cause: error,
    });
  }
}
