/**
 * @file `visioncore setup`: makes the engine ready before its first use.
 */
import type { Command } from "commander";
import { describeCommand } from "../command.ts";
import { note, print } from "../terminal.ts";

/** The `setup` command. */
export function setupCommand(): Command {
  return describeCommand("setup", "Find libtorch and build the addon, so that the first training starts at once.", [
    "setup",
    "setup --install",
    "LIBTORCH=/opt/libtorch visioncore setup",
  ])
    .option("--install", "fetch the CPU build of libtorch (about 0.5 GB on disk) when none is found")
    .action(async (options: { install?: boolean }) => {
      const { ensureReady } = await import("../../torch/setup/ensure.ts");
      const { libtorch, addon } = await ensureReady({ install: options.install ?? false, log: note });
      print(`libtorch ${libtorch.version}, ${libtorch.cuda ? "CUDA" : "CPU"} build, ${libtorch.root}`);
      print(`addon ${addon}`);
    });
}
