/**
 * @file Finds the libtorch to build against: `LIBTORCH`, then the project's and the user's own copies, then the torch of
 * a Python environment, then Debian's `libtorch-dev`. Nothing is loaded or imported, only looked at.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { UserError } from "../../errors.ts";
import { installedLibtorch, type Machine, pythons, thisMachine } from "./machine.ts";

/** Which rule led to a libtorch. */
export type LibtorchSource = "LIBTORCH" | "project" | "cache" | "python" | "system";

/** A libtorch with headers and libraries, ready to be compiled against. */
export interface Libtorch {
  source: LibtorchSource;
  /** The folder that holds `include/` and the libraries. */
  root: string;
  includeDirs: string[];
  libDir: string;
  /** As in its headers, e.g. "2.13.0". */
  version: string;
  /** Whether it was built with CUDA; says nothing about this machine's GPUs. */
  cuda: boolean;
  /** False for wheels before about 2.6, whose C++ strings have the layout from before C++11. */
  cxx11Abi: boolean;
}

/** One place that was looked at, and what was there. */
export interface Attempt {
  source: LibtorchSource;
  place: string;
  /** "libtorch 2.13.0 (CPU)", or why it does not count. */
  outcome: string;
}

const OLDEST: readonly [major: number, minor: number] = [1, 13];
const LIBRARIES = ["libtorch.so", "libtorch_cpu.so", "libc10.so"];

/**
 * The first libtorch in the order of preference, and every place looked at on the way.
 *
 * @throws UserError when `LIBTORCH` is set but holds no usable libtorch (a wish that fails must not be passed over), and
 *   on systems other than Linux
 */
export function findLibtorch(machine: Machine = thisMachine()): { found: Libtorch | null; tried: Attempt[] } {
  if (machine.platform !== "linux") {
    throw new UserError(`The engine runs on Linux, this is ${machine.platform}`, {
      hint: "On Windows use WSL 2, on a Mac a Linux container.",
    });
  }
  const tried: Attempt[] = [];
  for (const { source, place, root, problem } of candidates(machine)) {
    const result = root === undefined ? { problem: problem! } : inspectLibtorch(root, source);
    if ("libtorch" in result) {
      const { version, cuda } = result.libtorch;
      tried.push({ source, place, outcome: `libtorch ${version} (${cuda ? "CUDA" : "CPU"})` });
      return { found: result.libtorch, tried };
    }
    if (source === "LIBTORCH" && root !== undefined) {
      throw new UserError(`Cannot use LIBTORCH=${machine.env.LIBTORCH}: ${result.problem}`, {
        hint: "Point it at a folder with include/ and lib/ of libtorch 1.13 or newer, or unset it.",
      });
    }
    tried.push({ source, place, outcome: result.problem });
  }
  return { found: null, tried };
}

/** The error for a machine without libtorch: every place looked at, and the shortest remedy. */
export function libtorchMissing(tried: readonly Attempt[]): UserError {
  const lines = tried.map(({ place, outcome }) => `  ${place}: ${outcome}`);
  return new UserError(`No libtorch found. Looked at:\n${lines.join("\n")}`, {
    hint: "Run: npx visioncore setup --install",
  });
}

/** Reads what a folder holds: a usable libtorch, or the reason why not. */
export function inspectLibtorch(root: string, source: LibtorchSource): { libtorch: Libtorch } | { problem: string } {
  if (!existsSync(root)) return { problem: "no such folder" };
  const include = join(root, "include");
  const api = join(include, "torch/csrc/api/include");
  const version = headerVersion([join(include, "torch/headeronly/version.h"), join(api, "torch/version.h")]);
  if (!version) return { problem: "no libtorch headers in include/" };
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    return { problem: `libtorch ${version} is older than ${OLDEST.join(".")}` };
  }
  const libDirs = ["lib", `lib/${multiarch()}`, "lib64"].map((folder) => join(root, folder));
  const libDir = libDirs.find((folder) => existsSync(join(folder, "libtorch_cpu.so")));
  const missing = LIBRARIES.filter((name) => !libDir || !existsSync(join(libDir, name)));
  if (!libDir || missing.length > 0) return { problem: `headers of libtorch ${version}, but no ${missing.join(", ")}` };
  const cuda = existsSync(join(libDir, "libtorch_cuda.so"));
  return {
    libtorch: { source, root, includeDirs: [include, api], libDir, version, cuda, cxx11Abi: usesCxx11Abi(root) },
  };
}

interface Candidate {
  source: LibtorchSource;
  place: string;
  root?: string;
  /** Why there is no folder to look into. */
  problem?: string;
}

function* candidates(machine: Machine): Generator<Candidate> {
  const { env, cwd, packageRoot, systemRoot } = machine;
  if (env.LIBTORCH) yield { source: "LIBTORCH", place: `LIBTORCH=${env.LIBTORCH}`, root: resolve(cwd, env.LIBTORCH) };
  else yield { source: "LIBTORCH", place: "LIBTORCH", problem: "not set" };

  const projects = new Set([join(cwd, ".libtorch"), join(packageRoot, ".libtorch")]);
  for (const folder of projects) yield { source: "project", place: folder, root: unpackedIn(folder) };
  const cache = installedLibtorch(machine);
  yield { source: "cache", place: cache, root: unpackedIn(cache) };

  for (const python of pythons(machine)) yield* pythonCandidates(python, env);

  const system = join(systemRoot, "usr");
  yield { source: "system", place: `${system} (libtorch-dev)`, root: system };
}

/** The root inside a folder where an archive was unpacked: wheels have `torch/` on top, the official zip `libtorch/`. */
export function unpackedIn(folder: string): string {
  return ["torch", "libtorch"].map((top) => join(folder, top)).find(existsSync) ?? folder;
}

/** Importing torch takes seconds; its specification says where it lies. An own `torch/` folder does not count. */
const ASK_PYTHON = `
import importlib.util, sys
sys.path = [folder for folder in sys.path if folder]
spec = importlib.util.find_spec("torch")
print(*(spec and spec.submodule_search_locations or [""])[:1])
print(sys.prefix)
`;

function* pythonCandidates(python: string, env: NodeJS.ProcessEnv): Generator<Candidate> {
  const source = "python";
  if (isAbsolute(python) && !existsSync(python)) return yield { source, place: python, problem: "no such file" };
  const { status, stdout } = spawnSync(python, ["-c", ASK_PYTHON], { env, encoding: "utf8", timeout: 20_000 });
  if (status !== 0) return yield { source, place: python, problem: "cannot be run" };
  const [torch = "", prefix = ""] = stdout.trimEnd().split("\n").slice(-2);
  if (!torch) return yield { source, place: python, problem: "has no torch" };
  // Conda splits the package: Python files in site-packages, headers and libraries in the environment's prefix.
  const root = "libtorch" in inspectLibtorch(prefix, source) ? prefix : torch;
  yield { source, place: `${python} (${torch})`, root };
}

function headerVersion(files: readonly string[]): string | undefined {
  const file = files.find(existsSync);
  if (!file) return undefined;
  const text = readFileSync(file, "utf8");
  const parts = ["MAJOR", "MINOR", "PATCH"].map((part) => text.match(`TORCH_VERSION_${part}\\s+(\\d+)`)?.[1]);
  return parts.includes(undefined) ? undefined : parts.join(".");
}

function usesCxx11Abi(root: string): boolean {
  const cmake = join(root, "share/cmake/Torch/TorchConfig.cmake");
  return !existsSync(cmake) || !readFileSync(cmake, "utf8").includes("_GLIBCXX_USE_CXX11_ABI=0");
}

function multiarch(): string {
  return `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
}
