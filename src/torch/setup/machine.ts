/**
 * @file What the setup code may look at on this machine, gathered in one value so that tests can describe another one.
 */

import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The libtorch release that `setup --install` fetches; any release from 1.13 on is accepted when found. */
export const PINNED_LIBTORCH = "2.13.0";

/** The surroundings in which libtorch is looked for and the addon is built. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  /** The folder the user works in; its `.libtorch` and `.venv` count. */
  readonly cwd: string;
  /** The folder of this package, with `native/` in it. */
  readonly packageRoot: string;
  /** The root of the file system, under which Debian's packages lie in `usr/`. */
  readonly systemRoot: string;
}

/** Receives progress, one line per call and without a newline. */
export type Log = (line: string) => void;

/** The real machine, with parts replaced where a test says so. */
export function thisMachine(overrides: Partial<Machine> = {}): Machine {
  return {
    platform: process.platform,
    env: process.env,
    cwd: process.cwd(),
    // Three floors up from src/torch/setup, and from dist/torch/setup alike.
    packageRoot: fileURLToPath(new URL("../../../", import.meta.url)),
    systemRoot: "/",
    ...overrides,
  };
}

/** The user's cache folder, `$XDG_CACHE_HOME/visioncore` or `~/.cache/visioncore`. */
export function userCache({ env }: Machine): string {
  // The XDG specification says that a relative path is invalid and must be ignored.
  const base = env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : undefined;
  return join(base ?? join(env.HOME || homedir(), ".cache"), "visioncore");
}

/** Where `setup --install` unpacks libtorch. */
export function installedLibtorch(machine: Machine): string {
  return join(userCache(machine), `libtorch-${PINNED_LIBTORCH}`);
}

/** Python interpreters worth asking, the active environment's first. Those given by a path may not exist. */
export function pythons({ env, cwd }: Machine): string[] {
  const environments = [env.VIRTUAL_ENV, env.CONDA_PREFIX, join(cwd, ".venv")].filter((folder) => folder !== undefined);
  const paths = environments.filter((folder) => folder !== "").map((folder) => join(folder, "bin", "python"));
  return [...new Set([...paths, "python3"])];
}
