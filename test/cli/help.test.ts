import type { Command } from "commander";
import { expect, test } from "vitest";
import { buildProgram } from "../../src/cli/program.ts";
import { runCli } from "./run-cli.ts";

/** The words that lead to every command, such as `convert npy`. */
function commandPaths(command: Command, path: string[] = []): string[][] {
  return command.commands.flatMap((child) => [
    [...path, child.name()],
    ...commandPaths(child, [...path, child.name()]),
  ]);
}

const commands = commandPaths(buildProgram()).map((path) => path.join(" "));

test("there are commands to test", () => {
  expect(commands).toEqual(expect.arrayContaining(["train", "convert npy", "inspect model"]));
});

test.each(commands)("%s --help explains the command", async (command) => {
  const { status, stdout, stderr } = await runCli([...command.split(" "), "--help"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^Usage: visioncore /);
  expect(stdout).toContain("Examples:\n  visioncore ");
});

test("--version prints the version, and --help lists every command", async () => {
  expect((await runCli(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  const { stdout } = await runCli(["--help"]);
  for (const command of buildProgram().commands) {
    expect(stdout).toMatch(new RegExp(`^ {2}${command.name()} `, "m"));
  }
});
