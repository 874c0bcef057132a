/**
 * @file `visioncore doctor`: what is in use on this machine, why, and what is missing.
 */
import type { Command } from "commander";
import { describeCommand } from "../command.ts";
import { print, printJson } from "../terminal.ts";

/** The `doctor` command. Exit status 1 when something is missing. */
export function doctorCommand(): Command {
  return describeCommand(
    "doctor",
    "Show what is in use on this machine (Node, libtorch, compiler, GPUs) and what is missing.",
    ["doctor", "doctor --json | jq .libtorch"],
  )
    .option("--json", "print the findings as JSON; sizes in bytes")
    .action(async (options: { json?: boolean }) => {
      const { diagnose, formatDoctor } = await import("../../torch/setup/doctor.ts");
      const report = diagnose();
      if (options.json) printJson(report);
      else print(formatDoctor(report));
      if (report.remedies.length > 0) process.exitCode = 1;
    });
}
