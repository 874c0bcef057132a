/**
 * @file What all commands have in common: a purpose, and examples in the help.
 */
import { Command } from "commander";

/** Name of the program in help and messages. */
export const PROGRAM = "visioncore";

/**
 * A command with its help.
 *
 * @param path name, with the parent's name before it where there is one: `convert npy`
 * @param purpose one line, what the command is for
 * @param examples command lines without the program's name, as they would be typed; a line break is indented
 */
export function describeCommand(path: string, purpose: string, examples: readonly string[] = []): Command {
  const lines = examples.map((example) => `  ${PROGRAM} ${example.replaceAll("\n", "\n    ")}`);
  return new Command(path.split(" ").at(-1))
    .description(purpose)
    .showHelpAfterError(`(${PROGRAM} ${path} --help shows all it takes)`)
    .addHelpText("after", lines.length === 0 ? "" : `\nExamples:\n${lines.join("\n")}`);
}
