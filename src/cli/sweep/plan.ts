/**
 * @file From a sweep file to the command lines of its runs.
 */
import { basename, dirname, extname, isAbsolute, join } from "node:path";
import { Command } from "commander";
import { loadSweepFile, type RunFlags, sweepRuns } from "../../config/sweep-file.ts";
import { didYouMean, UserError } from "../../errors.ts";
import { normalizeFlags } from "../argv.ts";
import { addTrainFlags } from "../train-flags.ts";

/** One run of a sweep. */
export interface PlannedRun {
  /** Name of its folder: the values in which it differs. */
  readonly name: string;
  /** Flags in which it differs from the others. */
  readonly differs: RunFlags;
  /** Arguments of `visioncore train`, without device and place. */
  readonly args: readonly string[];
}

/** A sweep that can be run. */
export interface PlannedSweep {
  readonly name: string;
  readonly runs: readonly PlannedRun[];
}

/** Flags that the sweep itself decides, run by run. */
const RESERVED = ["experiment-name", "checkpoint-dir", "resume", "gpu", "device", "json", "dry-run", "print-config"];
/** Flags whose values are paths, relative to the sweep file. */
const PATHS = ["model-config", "dataset-configs", "data-dir", "data-cache", "frozen-core", "pretrained-checkpoint"];

/**
 * Reads a sweep file and plans its runs.
 *
 * @throws UserError for flags that `train` does not have or the sweep decides, and for two runs that are the same
 */
export function planSweep(path: string): PlannedSweep {
  const file = loadSweepFile(path);
  const known = new Map(
    addTrainFlags(new Command()).options.flatMap(({ long, required, optional }) =>
      long ? [[long.slice(2), required || optional] as const] : [],
    ),
  );
  const argumentsOf = (flags: RunFlags): string[] =>
    Object.entries(flags).flatMap(([name, value]) => argumentOf(path, known, name, value));
  const runs = sweepRuns(file).map((differs): PlannedRun => {
    return { name: runName(differs), differs, args: argumentsOf({ ...file.train, ...differs }) };
  });
  const names = runs.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`Cannot run the sweep "${path}": two of its runs are "${twice}"`);
  return { name: file.name ?? basename(path, extname(path)), runs };
}

function argumentOf(
  path: string,
  known: ReadonlyMap<string, boolean>,
  name: string,
  value: string | number | boolean,
): string[] {
  const flag = normalizeFlags([`--${name}`])[0]!.slice(2);
  const problem = (what: string, hint?: string) => new UserError(`Cannot run the sweep "${path}": ${what}`, { hint });
  if (RESERVED.includes(flag)) throw problem(`"${name}" is decided by the sweep, run by run`, "Take it out.");
  const takesValue = known.get(flag);
  if (takesValue === undefined) {
    const similar = didYouMean(flag, known.keys());
    throw problem(
      `train has no flag "${name}"`,
      similar === undefined ? "See visioncore train --help." : `Did you mean "${similar.replaceAll("-", "_")}"?`,
    );
  }
  if (typeof value === "boolean") {
    if (takesValue) throw problem(`"${name}" is ${value}, but the flag takes a value`);
    const off = `no-${flag}`;
    return value ? [`--${flag}`] : known.has(off) ? [`--${off}`] : [];
  }
  if (!takesValue) throw problem(`"${name}" is ${value}, but the flag is a switch`, "Write true or false.");
  const isPath = PATHS.includes(flag) && typeof value === "string" && !isAbsolute(value);
  return [`--${flag}`, isPath ? join(dirname(path), value) : String(value)];
}

/** The values of a run as a folder name: `model_config=demo,learning_rate=0.001`. */
function runName(differs: RunFlags): string {
  const parts = Object.entries(differs).map(([flag, value]) => {
    const text = typeof value === "string" ? basename(value, extname(value)) : String(value);
    return `${flag}=${text.replaceAll(/[^\p{L}\p{N}._+-]/gu, "_")}`;
  });
  return parts.join(",") || "run";
}
