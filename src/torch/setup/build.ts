/**
 * @file Builds the addon: one translation unit, one compiler command, cached by everything that shaped it.
 *
 * Header parsing is the whole cost (about 20 s and 1 GB of memory), which is why nothing here is split or parallel.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UserError } from "../../errors.ts";
import { type Compiler, compilerMissing, findCompiler, firstProblem } from "./compiler.ts";
import type { Libtorch } from "./find.ts";
import { withLock } from "./lock.ts";
import { type Log, type Machine, userCache } from "./machine.ts";

const ADDON_FILE = "visioncore.node";
const MEMORY_NEEDED = 1.2e9;

/** Where the addon for a libtorch is, or will be, and how to compile it. */
export interface BuildPlan {
  libtorch: Libtorch;
  /** Null where there is none: a build made earlier, or on another machine that shares this home, is then good enough. */
  compiler: Compiler | null;
  /** The folder of the finished addon; its name holds the keys. */
  folder: string;
  /** The finished addon, or null when it has to be built. */
  addon: string | null;
}

/** Computes the keys and looks into the cache. */
export function planBuild(libtorch: Libtorch, machine: Machine): BuildPlan {
  const compiler = findCompiler(machine);
  const inputs = inputKey(libtorch, nativeFolder(machine));
  const builds = join(userCache(machine), "addon");
  const builtBefore = (folder: string) => existsSync(join(folder, ADDON_FILE));
  let folder = join(builds, `${inputs}-${compiler ? digest([compiler.command, compiler.version], 8) : "none"}`);
  if (!compiler && existsSync(builds)) {
    const usable = readdirSync(builds).filter((name) => name.startsWith(`${inputs}-`));
    folder = usable.map((name) => join(builds, name)).find(builtBefore) ?? folder;
  }
  return { libtorch, compiler, folder, addon: builtBefore(folder) ? join(folder, ADDON_FILE) : null };
}

/**
 * The path of the addon for this libtorch, compiled first unless the cache has it.
 *
 * @throws UserError without a compiler, when the compiler fails (with its first error and the path of its log), or when
 *   the cache folder cannot be written
 */
export function buildAddon(libtorch: Libtorch, machine: Machine, log: Log): string {
  const { addon, compiler, folder } = planBuild(libtorch, machine);
  if (addon) return addon;
  if (!compiler) throw compilerMissing(machine);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new UserError(`Cannot write the addon to "${folder}": ${(error as Error).message}`, {
      hint: "Set XDG_CACHE_HOME to a folder that can be written.",
      cause: error,
    });
  }
  const target = join(folder, ADDON_FILE);
  return withLock(
    join(folder, "lock"),
    () => {
      if (!existsSync(target)) compile(libtorch, compiler, machine, target, log);
      return target;
    },
    () => log("Waiting for another process that is building the addon ..."),
  );
}

/** The compiler's arguments, with every path that they need. */
export function compileArguments(libtorch: Libtorch, native: string, output: string): string[] {
  const includes = [join(native, "gloo_fwd"), nodeApiHeaders(), ...libtorch.includeDirs];
  return [
    ...compileFlags(libtorch),
    ...includes.map((folder) => `-I${folder}`),
    join(native, "all.cc"),
    ...["-o", output, `-L${libtorch.libDir}`],
    // -ltorch, though nothing refers to it: it is what pulls in the CUDA libraries where there are any.
    ...["-Wl,--no-as-needed", "-ltorch", "-ltorch_cpu", "-lc10", "-ldl"],
    ...["-Xlinker", "-rpath", "-Xlinker", libtorch.libDir],
  ];
}

function compile(libtorch: Libtorch, compiler: Compiler, machine: Machine, target: string, log: Log): void {
  const free = process.availableMemory();
  if (free < MEMORY_NEEDED) {
    log(`Warning: ${(free / 1e9).toFixed(1)} GB of memory are free; the compiler needs about 1 GB.`);
  }
  log(`Building the addon for libtorch ${libtorch.version} (about 20 s) ...`);
  const partial = `${target}.${process.pid}.partial`;
  const logFile = join(dirname(target), "compile.log");
  const [program, ...leading] = compiler.command;
  const args = [...leading, ...compileArguments(libtorch, nativeFolder(machine), partial)];
  // In English whatever the user's language, so that the first error can be found.
  const env = { ...machine.env, LC_ALL: "C" };
  const { status, signal, stdout, stderr } = spawnSync(program, args, { env, encoding: "utf8", maxBuffer: 1 << 28 });
  const output = `${stdout}${stderr}`;
  writeFileSync(logFile, `${[program, ...args].join(" ")}\n${output}`);
  if (status !== 0) {
    rmSync(partial, { force: true });
    const killed = signal === "SIGKILL" || /Killed signal|signal 9/.test(output);
    const problem = signal ? `stopped by ${signal}` : firstProblem(output);
    throw new UserError(`Cannot build the libtorch addon: ${program}: ${problem}\nThe whole output is in ${logFile}`, {
      hint: killed ? "The machine seems to be out of memory: the compiler needs about 1 GB." : undefined,
    });
  }
  renameSync(partial, target);
}

function compileFlags({ version, cxx11Abi }: Libtorch): string[] {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const standard = major > 2 || (major === 2 && minor >= 13) ? "c++20" : "c++17";
  const flags = [`-std=${standard}`, "-O2", "-fPIC", "-shared", "-fvisibility=hidden"];
  // libtorch's own CMake files would define the first two.
  flags.push("-DUSE_DISTRIBUTED", "-DUSE_C10D_GLOO");
  return cxx11Abi ? flags : [...flags, "-D_GLIBCXX_USE_CXX11_ABI=0"];
}

/** A key of everything but the compiler: our sources, the flags, and which build of which libtorch. */
function inputKey(libtorch: Libtorch, native: string): string {
  const library = realpathSync(join(libtorch.libDir, "libtorch_cpu.so"));
  const { mtimeMs, size } = statSync(library);
  const sources = (readdirSync(native, { recursive: true }) as string[])
    .filter((name) => statSync(join(native, name)).isFile())
    .sort()
    .map((name) => [name, readFileSync(join(native, name), "utf8")]);
  return digest([sources, libtorch.version, library, mtimeMs, size, process.arch, compileFlags(libtorch)], 16);
}

function digest(value: unknown, length: number): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, length);
}

function nativeFolder({ packageRoot }: Machine): string {
  return join(packageRoot, "native");
}

function nodeApiHeaders(): string {
  return join(dirname(createRequire(import.meta.url).resolve("node-api-headers")), "include");
}
