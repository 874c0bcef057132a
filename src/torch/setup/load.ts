/**
 * @file Finds libtorch, builds the addon when needed and loads it, all on first use and synchronously.
 */

import { readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UserError } from "../../errors.ts";
import { buildAddon } from "./build.ts";
import { findLibtorch, type Libtorch, libtorchMissing } from "./find.ts";
import { type Log, type Machine, thisMachine } from "./machine.ts";

/**
 * The exports of the addon. Every thread that calls this gets an instance of its own.
 *
 * @throws UserError when libtorch or a compiler is missing, the build or the loading fails, or another libtorch is
 *   already in this process
 */
export function loadAddon(options: { log?: Log; machine?: Machine } = {}): unknown {
  const { log = (line) => process.stderr.write(`${line}\n`), machine = thisMachine() } = options;
  const { found, tried } = findLibtorch(machine);
  if (!found) throw libtorchMissing(tried);
  const path = buildAddon(found, machine, log);
  assertOnlyLibtorch(found, readFileSync("/proc/self/maps", "utf8"));
  limitSpinning(machine.env);
  try {
    return createRequire(import.meta.url)(path);
  } catch (error) {
    throw new UserError(`Cannot load "${path}" with libtorch ${found.version}: ${(error as Error).message}`, {
      hint: `Delete ${dirname(path)} to build it again; npx visioncore doctor shows which libtorch is used and why.`,
      cause: error,
    });
  }
}

/**
 * Keeps OpenMP threads from spinning for milliseconds while they wait, which makes two jobs on the same cores three times
 * slower; 10000 rounds keep the speed of a job that runs alone. libgomp reads this once, when it is loaded.
 */
export function limitSpinning(env: NodeJS.ProcessEnv): void {
  // The count would override a policy that the user has chosen.
  if (env.OMP_WAIT_POLICY === undefined) env.GOMP_SPINCOUNT ??= "10000";
}

/**
 * Checks that no other build of libtorch is in this process, in any of its threads: two abort it without a message.
 *
 * @param maps the text of `/proc/self/maps`
 * @throws UserError with both paths
 */
export function assertOnlyLibtorch(libtorch: Libtorch, maps: string): void {
  const wanted = realpathSync(join(libtorch.libDir, "libtorch_cpu.so"));
  const mapped = maps.match(/\/.*\/libtorch_cpu\.so.*/g) ?? [];
  const other = mapped.find((path) => path !== wanted);
  if (other) {
    throw new UserError(`Cannot load the libtorch in ${libtorch.libDir}: this process already uses ${other}`, {
      hint: "Restart the process after changing LIBTORCH; one process can hold only one libtorch.",
    });
  }
}
