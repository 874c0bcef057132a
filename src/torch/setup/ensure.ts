/**
 * @file Everything the engine needs, made ready ahead of its first use: what `visioncore setup` does.
 */

import { buildAddon } from "./build.ts";
import { findLibtorch, type Libtorch, libtorchMissing } from "./find.ts";
import { installLibtorch } from "./install.ts";
import { type Log, type Machine, thisMachine } from "./machine.ts";

/** What {@link ensureReady} found or made. */
export interface Ready {
  libtorch: Libtorch;
  /** The path of the built addon. */
  addon: string;
}

/**
 * Finds libtorch, fetching it first if allowed and needed, and builds the addon unless that is done. Says nothing to
 * `log` when everything was there already.
 *
 * @throws UserError when something is missing and could not be got, with the remedy
 */
export async function ensureReady(options: { install?: boolean; log?: Log; machine?: Machine } = {}): Promise<Ready> {
  const { install = false, log = () => {}, machine = thisMachine() } = options;
  const { found, tried } = findLibtorch(machine);
  if (!found && !install) throw libtorchMissing(tried);
  const libtorch = found ?? (await installLibtorch({ log, machine }));
  return { libtorch, addon: buildAddon(libtorch, machine, log) };
}
