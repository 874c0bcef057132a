/**
 * @file An invented machine in a temporary folder, for the tests of this folder: nothing of the real one shows through.
 */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
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
