import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { planBuild } from "./build.ts";
import { assertOnlyLibtorch, limitSpinning, loadAddon } from "./load.ts";
import { fakeMachine, machineWithLibtorch, makeLinkable, writeFile } from "./machine.fake.ts";

const log = () => {};

describe("loadAddon()", () => {
  test("lists the places looked at when there is no libtorch", () => {
    const machine = fakeMachine();
    expect(() => loadAddon({ machine, log })).toThrow(`${join(machine.cwd, ".libtorch")}: no such folder`);
  });

  test("says how to get rid of an addon that does not load", () => {
    const { machine, libtorch } = machineWithLibtorch();
    const { folder } = planBuild(libtorch, machine);
    writeFile(join(folder, "visioncore.node"), "not a library");
    expect(() => loadAddon({ machine, log })).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^Cannot load ".*visioncore\.node" with libtorch 2\.13\.0: /),
        hint: expect.stringContaining(`Delete ${folder}`),
      }),
    );
  });

  test("builds and loads, and then refuses another libtorch in the same process", () => {
    const first = machineWithLibtorch();
    makeLinkable(first.libtorch);
    expect(loadAddon({ machine: first.machine, log })).toMatchObject({ version: 213 });
    expect(loadAddon({ machine: first.machine, log })).toMatchObject({ version: 213 });
    const second = machineWithLibtorch();
    makeLinkable(second.libtorch);
    expect(() => loadAddon({ machine: second.machine, log })).toThrow(
      `Cannot load the libtorch in ${second.libtorch.libDir}: ` +
        `this process already uses ${join(first.libtorch.libDir, "libtorch_cpu.so")}`,
    );
  });
});

describe("limitSpinning()", () => {
  test("sets a count unless the user has set one, or a policy", () => {
    const environments: NodeJS.ProcessEnv[] = [{}, { OMP_WAIT_POLICY: "passive" }, { GOMP_SPINCOUNT: "7" }];
    environments.forEach(limitSpinning);
    expect(environments.map((env) => env.GOMP_SPINCOUNT)).toEqual(["10000", undefined, "7"]);
  });
});

describe("assertOnlyLibtorch()", () => {
  test("looks at libtorch alone among the libraries of this process", () => {
    const { libtorch } = machineWithLibtorch();
    const maps = readFileSync("/proc/self/maps", "utf8").replaceAll(/^.*libtorch_cpu.*\n/gm, "");
    const mapping = (path: string) => `7f0e5c000000-7f0e5c021000 r-xp 00000000 fe:01 1234                  ${path}\n`;
    const own = mapping(join(libtorch.libDir, "libtorch_cpu.so"));
    assertOnlyLibtorch(libtorch, maps);
    assertOnlyLibtorch(libtorch, maps + own);
    const other = "/opt/my env/torch/lib/libtorch_cpu.so";
    expect(() => assertOnlyLibtorch(libtorch, own + mapping(other))).toThrow(`already uses ${other}`);
  });
});
