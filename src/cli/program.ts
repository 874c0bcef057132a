/**
 * @file The command line as a whole: its commands, and what happens when one fails.
 */
import { Command } from "commander";
import { normalizeFlags } from "./argv.ts";
import { PROGRAM } from "./command.ts";
import { compareCommand } from "./commands/compare.ts";
import { convertCommand } from "./commands/convert.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evalCommand } from "./commands/eval.ts";
import { exportCommand } from "./commands/export.ts";
import { importCommand } from "./commands/import.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { reportCommand } from "./commands/report.ts";
import { schemaCommand } from "./commands/schema.ts";
import { setupCommand } from "./commands/setup.ts";
import { sweepCommand } from "./commands/sweep.ts";
import { synthCommand } from "./commands/synth.ts";
import { trainCommand } from "./commands/train.ts";
import { verifyCommand } from "./commands/verify.ts";
import { reportToLauncher } from "./launched.ts";
import { DEBUG_VARIABLE, formatError } from "./print-error.ts";
import { note, painterFor } from "./terminal.ts";
import { packageVersion } from "./version.ts";

/** All commands, in the order of the help. Modules that do the work are imported when a command runs. */
export function buildProgram(): Command {
  const program = new Command(PROGRAM)
    .description("Digital twins of visual cortex: train, score and explore neural encoding models.")
    .version(packageVersion(), "-V, --version", "print the version")
    .showHelpAfterError(`(${PROGRAM} --help shows all commands)`);
  const commands = [
    demoCommand(),
    trainCommand(),
    sweepCommand(),
    evalCommand(),
    compareCommand(),
    reportCommand(),
    synthCommand(),
    convertCommand(),
    importCommand(),
    exportCommand(),
    inspectCommand(),
    setupCommand(),
    doctorCommand(),
    verifyCommand(),
    schemaCommand(),
  ];
  for (const command of commands) program.addCommand(withDebugFlag(command));
  return program;
}

/** Adds `--debug`, last in the help, to a command and those below it. */
function withDebugFlag(command: Command): Command {
  for (const child of command.commands) withDebugFlag(child);
  return command.option("--debug", "show the stack of every error");
}

/**
 * Runs one command. Failures are printed to standard error and make the exit status 1.
 *
 * @param argv arguments without the names of node and the script
 */
export async function runCli(argv: readonly string[]): Promise<void> {
  // A reader such as `head` that has seen enough is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  try {
    await buildProgram().parseAsync(normalizeFlags(argv), { from: "user" });
  } catch (error) {
    // Ctrl-C, told about when it came; the exit status says it.
    if ((error as Error | undefined)?.name === "AbortError" && process.exitCode !== undefined) return;
    const debug = argv.includes("--debug") || process.env[DEBUG_VARIABLE] === "1";
    const text = formatError(error, debug, painterFor(process.stderr));
    if (!(await reportToLauncher(error, text))) note(text);
    process.exitCode ??= 1;
  }
}
