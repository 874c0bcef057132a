import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { buildAddon, compileArguments, planBuild } from "./build.ts";
import { firstProblem } from "./compiler.ts";
import type { Libtorch } from "./find.ts";
import { ADDON_SOURCE, inspected, machineWithLibtorch, makeLinkable, writeFile, writeProgram } from "./machine.fake.ts";

const VERSION_2_13_1 = ["MAJOR 2", "MINOR 13", "PATCH 1"].map((part) => `#define TORCH_VERSION_${part}\n`).join("");

function refuseToLog(line: string): void {
  throw new Error(`unexpected message: ${line}`);
}

describe("buildAddon()", () => {
  test("compiles once, then takes the addon from the cache", () => {
    const { machine, libtorch } = machineWithLibtorch();
    makeLinkable(libtorch);
    const lines: string[] = [];
    const path = buildAddon(libtorch, machine, (line) => lines.push(line));
    expect(lines).toEqual(["Building the addon for libtorch 2.13.0 (about 20 s) ..."]);
    expect(path.startsWith(join(machine.home, ".cache/visioncore/addon/"))).toBe(true);
    expect(createRequire(import.meta.url)(path)).toMatchObject({ version: 213 });
    expect(buildAddon(libtorch, machine, refuseToLog)).toBe(path);
  });

  test("shows the first error of a failed compile and where the rest is", () => {
    const { machine, libtorch } = machineWithLibtorch("int first = ;\nint second = ;\n");
    const error = captured(() => buildAddon(libtorch, machine, () => {}));
    const { folder, addon } = planBuild(libtorch, machine);
    expect(error.message).toMatch(/^Cannot build the libtorch addon: .*all\.cc:1:\d+: error: .*\n/);
    expect(error.message).toContain(`The whole output is in ${join(folder, "compile.log")}`);
    expect(readFileSync(join(folder, "compile.log"), "utf8")).toContain("all.cc:2:");
    expect(addon).toBeNull();
    expect(existsSync(join(folder, "lock"))).toBe(false);
  });

  test("says that memory ran out when the compiler was killed", () => {
    const { machine, libtorch } = machineWithLibtorch();
    machine.env.CXX = join(machine.bin, "c++");
    writeProgram(machine.env.CXX, 'test "$1" = --version && exit\nkill -KILL $$');
    expect(captured(() => buildAddon(libtorch, machine, () => {}))).toMatchObject({
      message: expect.stringContaining("stopped by SIGKILL"),
      hint: expect.stringContaining("out of memory"),
    });
  });

  test("names the remedy when there is no compiler, or CXX is none", () => {
    const { machine, libtorch } = machineWithLibtorch();
    machine.env.PATH = machine.bin;
    expect(captured(() => buildAddon(libtorch, machine, refuseToLog))).toMatchObject({
      message: expect.stringContaining("no C++ compiler"),
      hint: expect.stringContaining("apt-get install g++"),
    });
    machine.env.CXX = "my-c++ -v";
    expect(captured(() => buildAddon(libtorch, machine, refuseToLog)).message).toContain('CXX is "my-c++ -v"');
  });

  test("needs no compiler for what another one has built", () => {
    const { machine, libtorch } = machineWithLibtorch();
    const path = join(planBuild(libtorch, machine).folder, "visioncore.node");
    writeFile(path);
    machine.env.PATH = machine.bin;
    expect(buildAddon(libtorch, machine, refuseToLog)).toBe(path);
  });

  test("reports a cache that cannot be written", () => {
    const { machine, libtorch } = machineWithLibtorch();
    machine.env.XDG_CACHE_HOME = join(machine.home, "file");
    writeFileSync(machine.env.XDG_CACHE_HOME, "");
    expect(captured(() => buildAddon(libtorch, machine, refuseToLog))).toMatchObject({
      message: expect.stringContaining("Cannot write the addon"),
      hint: expect.stringContaining("XDG_CACHE_HOME"),
    });
  });
});

describe("planBuild()", () => {
  test("has another folder for other sources, another libtorch and another compiler", () => {
    const { machine, libtorch, root } = machineWithLibtorch();
    const folders = [planBuild(libtorch, machine).folder];
    const change = (what: () => void) => {
      what();
      folders.push(planBuild(inspected(root), machine).folder);
    };
    change(() => writeFile(join(machine.packageRoot, "native/all.cc"), `${ADDON_SOURCE}\n`));
    change(() => writeFile(join(machine.packageRoot, "native/gloo_fwd/context.h")));
    change(() => utimesSync(join(root, "lib/libtorch_cpu.so"), 1e9, 1e9));
    change(() => writeFile(join(root, "share/cmake/Torch/TorchConfig.cmake"), "_GLIBCXX_USE_CXX11_ABI=0"));
    change(() => writeFile(join(root, "include/torch/headeronly/version.h"), VERSION_2_13_1));
    change(() => {
      machine.env.CXX = join(machine.bin, "c++");
      writeProgram(machine.env.CXX, "echo another compiler");
    });
    change(() => writeProgram(machine.env.CXX!, "echo another compiler, version 2"));
    expect(new Set(folders).size).toBe(folders.length);
    expect(planBuild(inspected(root), machine).folder).toBe(folders.at(-1));
  });
});

describe("compileArguments()", () => {
  const args = (changes: Partial<Libtorch>) =>
    compileArguments({ ...machineWithLibtorch().libtorch, ...changes }, "/native", "/out.node");

  test("chooses the language standard that the headers want", () => {
    expect(args({ version: "2.13.0" })).toContain("-std=c++20");
    expect(args({ version: "3.0.0" })).toContain("-std=c++20");
    expect(args({ version: "2.12.1" })).toContain("-std=c++17");
    expect(args({ version: "1.13.1" })).toContain("-std=c++17");
  });

  test("passes on the old C++ ABI, puts our gloo headers first and the library's folder last", () => {
    expect(args({ cxx11Abi: false })).toContain("-D_GLIBCXX_USE_CXX11_ABI=0");
    expect(args({}).find((argument) => argument.startsWith("-I"))).toBe("-I/native/gloo_fwd");
    expect(args({ libDir: "/odd, folder" }).slice(-4)).toEqual(["-Xlinker", "-rpath", "-Xlinker", "/odd, folder"]);
  });
});

describe("firstProblem()", () => {
  test("skips what comes before the first error", () => {
    const output =
      "In file included from a.h:1,\n                 from all.cc:2:\nb.h:3:1: error: 'x' is wrong\nb.h:9: error: y\n";
    expect(firstProblem(output)).toBe("b.h:3:1: error: 'x' is wrong");
    expect(firstProblem("/usr/bin/ld: cannot find -ltorch: No such file\ncollect2: error: ld returned 1\n")).toContain(
      "-ltorch",
    );
    expect(firstProblem("something else\n\n")).toBe("something else");
    expect(firstProblem("")).toBe("no output");
  });
});

function captured(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error("nothing was thrown");
}
