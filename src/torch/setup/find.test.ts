import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findLibtorch, inspectLibtorch, libtorchMissing } from "./find.ts";
import { fakeMachine, writeFile, writeLibtorch, writeProgram } from "./machine.fake.ts";
import { installedLibtorch } from "./machine.ts";

/** Every place that counts, best first, each with another version. */
function machineWithAll() {
  const machine = fakeMachine();
  const roots = [
    { source: "LIBTORCH", root: writeLibtorch(join(machine.home, "mine"), "2.1.0") },
    { source: "project", root: writeLibtorch(join(machine.cwd, ".libtorch"), "2.2.0") },
    { source: "project", root: writeLibtorch(join(machine.packageRoot, ".libtorch/libtorch"), "2.3.0") },
    { source: "cache", root: writeLibtorch(join(installedLibtorch(machine), "torch"), "2.13.0") },
    ...["venv", "conda", ".venv", "python3"].map((name) => {
      const root = writeLibtorch(join(machine.home, name, "site-packages/torch"), "2.4.0");
      const places: Record<string, string> = { ".venv": machine.cwd, python3: machine.bin };
      const python =
        name === "python3" ? join(machine.bin, name) : join(places[name] ?? machine.home, name, "bin/python");
      writeProgram(python, `echo ${root}; echo ${machine.home}`);
      return { source: "python", root };
    }),
    { source: "system", root: writeLibtorch(join(machine.systemRoot, "usr"), "1.13.0") },
  ];
  machine.env.LIBTORCH = join(machine.home, "mine");
  machine.env.VIRTUAL_ENV = join(machine.home, "venv");
  machine.env.CONDA_PREFIX = join(machine.home, "conda");
  return { machine, roots };
}

describe("findLibtorch()", () => {
  test("takes LIBTORCH, project, cache, Python environments and system in this order", () => {
    const { machine, roots } = machineWithAll();
    for (const { source, root } of roots) {
      expect(findLibtorch(machine).found).toMatchObject({ source, root });
      rmSync(root, { recursive: true });
      if (source === "LIBTORCH") delete machine.env.LIBTORCH;
    }
    expect(findLibtorch(machine).found).toBeNull();
  });

  test("reports every place it looked at", () => {
    const machine = fakeMachine();
    writeLibtorch(join(machine.cwd, ".libtorch"), "1.12.1");
    writeProgram(join(machine.bin, "python3"), "echo; echo /usr");
    const { found, tried } = findLibtorch(machine);
    expect(found).toBeNull();
    expect(tried.map(({ outcome }) => outcome)).toEqual([
      "not set",
      "libtorch 1.12.1 is older than 1.13",
      "no such folder",
      "no such folder",
      "no such file",
      "has no torch",
      "no such folder",
    ]);
    const { message, hint } = libtorchMissing(tried);
    for (const { place, outcome } of tried) expect(message).toContain(`${place}: ${outcome}`);
    expect(hint).toBe("Run: npx visioncore setup --install");
  });

  test("refuses a wrong LIBTORCH although another libtorch is there", () => {
    const { machine } = machineWithAll();
    machine.env.LIBTORCH = "nowhere";
    expect(() => findLibtorch(machine)).toThrow("Cannot use LIBTORCH=nowhere: no such folder");
    machine.env.LIBTORCH = machine.home;
    expect(() => findLibtorch(machine)).toThrow("no libtorch headers in include/");
  });

  test("resolves a relative LIBTORCH against the working folder", () => {
    const machine = fakeMachine();
    writeLibtorch(join(machine.cwd, "engines/torch"), "2.13.0");
    machine.env.LIBTORCH = "engines/torch";
    expect(findLibtorch(machine).found?.root).toBe(join(machine.cwd, "engines/torch"));
  });

  test("honours XDG_CACHE_HOME unless it is relative", () => {
    const machine = fakeMachine();
    machine.env.XDG_CACHE_HOME = join(machine.home, "elsewhere");
    writeLibtorch(join(machine.home, "elsewhere/visioncore/libtorch-2.13.0/torch"), "2.13.0");
    expect(findLibtorch(machine).found?.source).toBe("cache");
    machine.env.XDG_CACHE_HOME = "elsewhere";
    expect(findLibtorch(machine).found).toBeNull();
  });

  test("looks into a conda environment's prefix, where its libtorch lies", () => {
    const machine = fakeMachine();
    const prefix = writeLibtorch(join(machine.home, "conda"), "2.5.1");
    machine.env.CONDA_PREFIX = prefix;
    writeProgram(join(prefix, "bin/python"), `echo ${prefix}/lib/python3.12/site-packages/torch; echo ${prefix}`);
    expect(findLibtorch(machine).found).toMatchObject({ source: "python", root: prefix });
  });

  test("passes over a Python that does not run", () => {
    const machine = fakeMachine();
    writeProgram(join(machine.bin, "python3"), "exit 1");
    expect(findLibtorch(machine).tried).toContainEqual({
      source: "python",
      place: "python3",
      outcome: "cannot be run",
    });
  });

  test("says that only Linux will do", () => {
    expect(() => findLibtorch({ ...fakeMachine(), platform: "darwin" })).toThrow("runs on Linux, this is darwin");
  });
});

describe("inspectLibtorch()", () => {
  test("reads version, folders, CUDA and C++ ABI", () => {
    const { home } = fakeMachine();
    const root = writeLibtorch(join(home, "torch"), "2.13.0");
    expect(inspectLibtorch(root, "python")).toEqual({
      libtorch: {
        source: "python",
        root,
        includeDirs: [join(root, "include"), join(root, "include/torch/csrc/api/include")],
        libDir: join(root, "lib"),
        version: "2.13.0",
        cuda: false,
        cxx11Abi: true,
      },
    });
    writeFile(join(root, "lib/libtorch_cuda.so"));
    writeFile(join(root, "share/cmake/Torch/TorchConfig.cmake"), 'set(FLAGS "-D_GLIBCXX_USE_CXX11_ABI=0")');
    expect(inspectLibtorch(root, "python")).toMatchObject({ libtorch: { cuda: true, cxx11Abi: false } });
  });

  test("finds Debian's libraries in the multiarch folder", () => {
    const { systemRoot } = fakeMachine();
    const libDir = process.arch === "arm64" ? "lib/aarch64-linux-gnu" : "lib/x86_64-linux-gnu";
    const root = writeLibtorch(join(systemRoot, "usr"), "1.13.1", [], libDir);
    expect(inspectLibtorch(root, "system")).toMatchObject({
      libtorch: { version: "1.13.1", libDir: join(root, libDir) },
    });
  });

  test("names the libraries that are missing", () => {
    const { home } = fakeMachine();
    const root = writeLibtorch(join(home, "torch"), "2.13.0");
    rmSync(join(root, "lib/libc10.so"));
    expect(inspectLibtorch(root, "cache")).toEqual({ problem: "headers of libtorch 2.13.0, but no libc10.so" });
  });
});
