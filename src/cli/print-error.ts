/**
 * @file How a failed command says so: what is wrong and what to do about it, or, for a defect of the program, where.
 */
import { UserError } from "../errors.ts";
import { type Painter, plain } from "./terminal.ts";

/** The environment variable that, set to 1, shows the stack of every error, as `--debug` does. */
export const DEBUG_VARIABLE = "VISIONCORE_DEBUG";

/**
 * The text for an error. A {@link UserError} is its message and hint; anything else is our mistake and keeps its stack.
 *
 * @param debug show stacks and causes of user errors too
 */
export function formatError(error: unknown, debug: boolean, paint: Painter = plain): string {
  if (error instanceof UserError) {
    const lines = [`${paint("red", "error:")} ${error.message}`];
    if (error.hint !== undefined) lines.push(`${paint("cyan", "hint:")} ${error.hint}`);
    if (debug) lines.push(stackOf(error));
    return lines.join("\n");
  }
  return [
    `${paint("red", "error:")} this is a defect in visioncore, not a mistake of yours`,
    stackOf(error),
    `Please report it with the command you ran and the output of: visioncore doctor`,
  ].join("\n");
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`;
}
