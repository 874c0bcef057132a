/**
 * @file An invented machine in a temporary folder, for the tests of this folder: nothing of the real one shows through.
 */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { findCompiler } from "./compiler.ts";
import { inspectLibtorch, type Libtorch } from "./find.ts";
import type { Machine } from "./machine.ts";

/** A Linux machine with an empty PATH, home, project and system folder. It is removed when the test ends. */
export function fakeMachine(): Machine & { env: NodeJS.ProcessEnv; home: string; bin: string } {
  const root = mkdtempSync(join(tmpdir(), "visioncore-machine-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const [cwd, packageRoot, systemRoot, home, bin] = ["project", "package", "system", "home", "bin"].map((name) => {
    mkdirSync(join(root, name));
    return join(root, name);
  }) as [string, string, string, string, string];
  return { platform: "linux", env: { HOME: home, PATH: bin }, cwd, packageRoot, systemRoot, home, bin };
}

/** Writes a file and the folders above it. */
export function writeFile(path: string, text = ""): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Writes a shell script that can be run, e.g. a Python that answers what the test wants. */
export function writeProgram(path: string, script: string): void {
  writeFile(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

/** Lays out what tells a libtorch from other folders: version header and libraries (empty). */
export function writeLibtorch(root: string, version: string, extraLibraries: string[] = [], libDir = "lib"): string {
  const parts = version.split(".");
  const defines = ["MAJOR", "MINOR", "PATCH"].map((part, i) => `#define TORCH_VERSION_${part} ${parts[i]}\n`);
  // Where the header lies changed in 2.9.
  const header = version.startsWith("2.13") ? "torch/headeronly/version.h" : "torch/csrc/api/include/torch/version.h";
  writeFile(join(root, "include", header), defines.join(""));
  for (const name of ["libtorch.so", "libtorch_cpu.so", "libc10.so", ...extraLibraries])
    writeFile(join(root, libDir, name));
  return root;
}

/** The smallest addon that needs libtorch's headers: it exports their version, 213 for 2.13. */
export const ADDON_SOURCE = `
#include <node_api.h>
#include <torch/headeronly/version.h>
static napi_value init(napi_env env, napi_value exports) {
  napi_value version;
  napi_create_int32(env, TORCH_VERSION_MAJOR * 100 + TORCH_VERSION_MINOR, &version);
  napi_set_named_property(env, exports, "version", version);
  return exports;
}
NAPI_MODULE(fake, init)
`;

/** A machine with the real compilers, an addon's source, and a libtorch that has nothing in its libraries. */
export function machineWithLibtorch(source = ADDON_SOURCE) {
  const machine = fakeMachine();
  machine.env.PATH = process.env.PATH;
  writeFile(join(machine.packageRoot, "native/all.cc"), source);
  const root = writeLibtorch(join(machine.home, "torch"), "2.13.0");
  machine.env.LIBTORCH = root;
  return { machine, libtorch: inspected(root), root };
}

/** What is in this folder, which must be a libtorch. */
export function inspected(root: string): Libtorch {
  const result = inspectLibtorch(root, "LIBTORCH");
  if ("problem" in result) throw new Error(result.problem);
  return result.libtorch;
}

/** Replaces the empty files by libraries that a linker takes. */
export function makeLinkable({ libDir }: Libtorch): void {
  const [program, ...leading] = findCompiler(process)!.command;
  for (const name of ["libtorch.so", "libtorch_cpu.so", "libc10.so"]) {
    const args = ["-shared", "-x", "c++", "/dev/null", `-Wl,-soname,${name}`, "-o", join(libDir, name)];
    const { status, stderr } = spawnSync(program, [...leading, ...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
  }
}
