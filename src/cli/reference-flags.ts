/**
 * @file Flags of the reference's trainers that have no counterpart here, so that a launch script written for them gets an
 * answer instead of "unknown option" (spec training.md, section 2).
 */
import { type Command, Option } from "commander";
import { UserError } from "../errors.ts";

/** Flags that change nothing here, and why. They are accepted. */
const WITHOUT_EFFECT: readonly (readonly [flags: string, reason: string])[] = [
  ["--num-workers <count>", "batches are gathered without worker processes"],
  ["--compile", "nothing is compiled"],
  ["--enable-logging", "metrics are always logged; pictures of kernels are not"],
  ["--fast-log-interval <epochs>", "metrics are logged in every epoch"],
  ["--slow-log-interval <epochs>", "metrics are logged in every epoch"],
  ["--log-dataset-idx <index>", "all sessions are logged"],
];

/** Flags that ask for something that is not offered. They are refused. */
const NOT_OFFERED: readonly (readonly [flags: string, hint: string])[] = [
  ["--model-type <type>", "Name the core's file or run instead: --frozen-core."],
  ["--model-index <index>", "Name the core's file or run instead: --frozen-core."],
];

/** Makes a command know the reference's flags; they do not appear in its help. */
export function addReferenceFlags(command: Command): Command {
  for (const [flags] of [...WITHOUT_EFFECT, ...NOT_OFFERED]) command.addOption(new Option(flags).hideHelp());
  return command;
}

/**
 * One sentence for each given flag that has no effect.
 *
 * @throws UserError when a flag asks for something that is not offered
 */
export function referenceFlagNotes(command: Command): string[] {
  const isGiven = (flags: string) => command.getOptionValue(new Option(flags).attributeName()) !== undefined;
  const name = (flags: string) => flags.split(" ")[0]!;
  const refused = NOT_OFFERED.find(([flags]) => isGiven(flags));
  if (refused !== undefined) throw new UserError(`${name(refused[0])} is not offered`, { hint: refused[1] });
  return WITHOUT_EFFECT.filter(([flags]) => isGiven(flags)).map(
    ([flags, reason]) => `${name(flags)} has no effect: ${reason}.`,
  );
}
