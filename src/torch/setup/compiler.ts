/**
 * @file The C++ compiler: which one, and what its complaints mean.
 */

import { spawnSync } from "node:child_process";
import { UserError } from "../../errors.ts";
import type { Machine } from "./machine.ts";

/** A compiler that answered when asked for its version. */
export interface Compiler {
  /** The command and its leading arguments, e.g. `["ccache", "g++"]`. */
  command: readonly [string, ...string[]];
  /** The first line of `--version`. */
  version: string;
}

/** `$CXX` if set, else the first of c++, g++ and clang++ that runs, else null. */
export function findCompiler({ env }: Pick<Machine, "env">): Compiler | null {
  const wish = env.CXX?.trim().split(/\s+/);
  const commands = wish?.[0] ? [wish] : [["c++"], ["g++"], ["clang++"]];
  for (const command of commands as [string, ...string[]][]) {
    const [program, ...rest] = command;
    const { status, stdout } = spawnSync(program, [...rest, "--version"], { env, encoding: "utf8" });
    if (status === 0) return { command, version: stdout.split("\n")[0]!.trim() };
  }
  return null;
}

/** The error for a machine without a C++ compiler. */
export function compilerMissing({ env }: Pick<Machine, "env">): UserError {
  if (env.CXX) {
    return new UserError(`Cannot build the libtorch addon: CXX is "${env.CXX}", which does not run`, {
      hint: "Set CXX to a C++ compiler, or unset it to use c++, g++ or clang++.",
    });
  }
  return new UserError("Cannot build the libtorch addon: no C++ compiler. Tried c++, g++ and clang++.", {
    hint: "Install one, e.g. apt-get install g++ (Debian, Ubuntu) or dnf install gcc-c++ (Fedora, RHEL).",
  });
}

/** The line of a compiler's output that a person should read first. */
export function firstProblem(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  const telling = /\b(fatal )?error:|undefined reference|cannot find -l|command not found|Killed/;
  return lines.find((line) => telling.test(line)) ?? lines.findLast((line) => line !== "") ?? "no output";
}
