import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { planBuild } from "./build.ts";
import { bf16Flags, cpuFlags } from "./cpu.ts";
import { diagnose, formatDoctor } from "./doctor.ts";
import { findLibtorch } from "./find.ts";
import { fakeMachine, writeFile, writeLibtorch, writeProgram } from "./machine.fake.ts";

describe("diagnose()", () => {
  test("asks for libtorch first on a bare machine", () => {
    const report = diagnose(fakeMachine());
    expect(report).toMatchObject({ compiler: null, python: null, libtorch: null, addon: null, gpus: null });
    expect(report.remedies).toEqual(["No libtorch found. Run: npx visioncore setup --install"]);
    expect(report.tried).toHaveLength(7);
    expect(report.disks.every(({ free }) => free > 0)).toBe(true);
  });

  test("asks for a compiler, then for the build, then for nothing", () => {
    const machine = fakeMachine();
    writeLibtorch(join(machine.cwd, ".libtorch"), "2.13.0");
    writeFile(join(machine.packageRoot, "native/all.cc"));
    expect(diagnose(machine).remedies).toEqual([expect.stringContaining("apt-get install g++")]);
    writeProgram(join(machine.bin, "g++"), "echo g++ 14.2");
    expect(diagnose(machine).remedies).toEqual([expect.stringContaining("Run: npx visioncore setup")]);
    writeFile(join(planBuild(findLibtorch(machine).found!, machine).folder, "visioncore.node"));
    const report = diagnose(machine);
    expect(report).toMatchObject({ remedies: [], addon: { built: true }, compiler: { command: ["g++"] } });
    expect(formatDoctor(report)).toMatch(/compiler +g\+\+: g\+\+ 14\.2\n.*\nlibtorch +2\.13\.0, CPU build/);
    expect(formatDoctor(report)).toMatch(/\n\nAll is ready\.$/);
  });

  test("reports a wrong LIBTORCH instead of throwing", () => {
    const machine = fakeMachine();
    machine.env.LIBTORCH = "/nowhere";
    const report = diagnose(machine);
    expect(report.libtorch).toBeNull();
    expect(formatDoctor(report)).toMatch(/To do:\n- Cannot use LIBTORCH=\/nowhere: no such folder Point it at/);
  });

  test("warns of a CPU build on a machine with a GPU", () => {
    const machine = fakeMachine();
    const root = writeLibtorch(join(machine.cwd, ".libtorch"), "2.13.0");
    writeFile(join(machine.packageRoot, "native/all.cc"));
    writeProgram(join(machine.bin, "nvidia-smi"), "echo 'Some GPU, 570.1, 81559 MiB'");
    const warning = expect.stringContaining("There is a GPU, but this libtorch is for CPU only");
    expect(diagnose(machine)).toMatchObject({ gpus: ["Some GPU, 570.1, 81559 MiB"] });
    expect(diagnose(machine).remedies).toContainEqual(warning);
    writeFile(join(root, "lib/libtorch_cuda.so"));
    expect(diagnose(machine).remedies).not.toContainEqual(warning);
  });
});

describe("bf16Flags()", () => {
  test("knows the instructions of x86 and arm64, and slow processors by their absence", () => {
    expect(bf16Flags(cpuFlags("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16\n"))).toEqual([
      "avx512_bf16",
      "amx_bf16",
    ]);
    expect(bf16Flags(cpuFlags("Features\t: fp asimd bf16\n"))).toEqual(["bf16"]);
    expect(bf16Flags(cpuFlags("flags\t\t: fpu avx2 avx512f\n"))).toEqual([]);
    expect(cpuFlags("")).toEqual([]);
  });
});
