/**
 * @file `visioncore verify`: our numbers against golden numbers of the reference implementation.
 */
import type { Command } from "commander";
import type { CaseResult } from "../../verify/golden.ts";
import { describeCommand } from "../command.ts";
import { chooseDevice } from "../device.ts";
import { note, painterFor, print } from "../terminal.ts";

/** The `verify` command. Exit status 1 when a case fails. */
export function verifyCommand(): Command {
  return describeCommand("verify", "Compare this installation with golden numbers of the reference implementation.", [
    "verify golden",
    "verify golden/models --verbose",
    "verify golden/models --device cuda",
  ])
    .argument("<dir>", "folder with models/, data/, training/ or eval/ in it, or one of these folders")
    .option("--verbose", "name the cases that passed or were skipped too")
    .option("--device <name>", "where models compute: cpu, cuda, cuda:1; everything else is checked on the CPU", "cpu")
    .action(async (dir: string, { verbose, device: name }: { verbose?: boolean; device: string }) => {
      const device = await chooseDevice({ device: name });
      const { verifyGolden } = await import("../verify-folders.ts");
      const counts = { passed: 0, failed: 0, skipped: 0 };
      const paint = painterFor(process.stdout);
      for (const { area, results } of verifyGolden(dir, { device, tell: note })) {
        for (const result of results) {
          counts[result.status] += 1;
          if (result.status === "failed") print(`${paint("red", "failed")}   ${describe(area, result)}`);
          else if (verbose && result.status === "passed")
            print(`${paint("green", "passed")}   ${describe(area, result)}`);
          else if (verbose) print(`${paint("yellow", "skipped")}  ${describe(area, result)}`);
        }
      }
      print(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
      if (counts.failed > 0) process.exitCode = 1;
    });
}

function describe(area: string, { name, worst, reason }: CaseResult): string {
  const measured =
    worst === undefined ? "" : `  ${worst.what}: error ${worst.error.toExponential(1)}, tolerance ${worst.tolerance}`;
  return `${area}/${name}${measured}${reason === undefined ? "" : `  (${reason})`}`;
}
