/**
 * @file Telling the user where in a long preparation something went wrong.
 */
import { UserError } from "../errors.ts";

/** Runs a step; a UserError it throws gets `context: ` in front of its message and keeps its hint. */
export function inContext<Result>(context: string, step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${context}: ${error.message}`, { hint: error.hint, cause: error });
  }
}
