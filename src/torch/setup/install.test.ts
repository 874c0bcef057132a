import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { ensureReady } from "./ensure.ts";
import { findLibtorch } from "./find.ts";
import { installLibtorch } from "./install.ts";
import { fakeMachine, writeFile, writeLibtorch, writeProgram } from "./machine.fake.ts";
import { installedLibtorch, type Machine } from "./machine.ts";

const UNWANTED = ["libtorch_python.so", "libshm.so", "libtorchbind_test.so", "libnnapi_backend.so", "libdnnl.a"];
const WANTED = ["libc10.so", "libgomp.so.1", "libtorch.so", "libtorch_cpu.so", "libtorch_global_deps.so"];

/** A zip with `<top>/include` and `<top>/lib` like a torch wheel (top = torch) or the official archive (libtorch). */
function writeArchive(machine: Machine & { home: string }, top: string): string {
  const root = join(machine.home, "archive", top);
  writeLibtorch(root, "2.13.0", [...WANTED, ...UNWANTED]);
  writeFile(join(root, "utils/data.py"));
  const archive = join(machine.home, "torch.zip");
  const { status } = spawnSync("python3", ["-m", "zipfile", "-c", archive, root]);
  expect(status).toBe(0);
  return archive;
}

/** A Python that unpacks like any other, and whose pip does what the script says; `$dest` is the download folder. */
function writePython(machine: Machine & { bin: string }, pip: string): void {
  const python = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).stdout.trim();
  writeProgram(
    join(machine.bin, "python3"),
    `export PATH=/usr/bin:/bin
    case "$*" in
      *find_spec*) echo; echo /nowhere;;
      "-m pip"*)
        for argument; do case $argument in --dest=*) dest=\${argument#--dest=};; esac; done
        echo "$*" >> ${join(machine.bin, "pip.log")}
        ${pip};;
      *) exec ${python} "$@";;
    esac`,
  );
}

const offline: typeof fetch = () =>
  Promise.reject(new TypeError("fetch failed", { cause: new Error("no route to host") }));

describe("installLibtorch()", () => {
  test("unpacks headers and the needed libraries of pip's wheel into the cache", async () => {
    const machine = fakeMachine();
    writePython(machine, `cp ${writeArchive(machine, "torch")} $dest/torch.whl`);
    const lines: string[] = [];
    const libtorch = await installLibtorch({ machine, log: (line) => lines.push(line), fetch: offline });
    expect(lines).toEqual(["Fetching libtorch with pip (torch==2.13.0+cpu, about 190 MB) ..."]);
    expect(libtorch).toMatchObject({
      source: "cache",
      root: join(installedLibtorch(machine), "torch"),
      version: "2.13.0",
    });
    expect(readdirSync(libtorch.libDir).sort()).toEqual(WANTED);
    expect(readdirSync(libtorch.root).sort()).toEqual(["include", "lib"]);
    expect(findLibtorch(machine).found).toEqual(libtorch);
    expect(readdirSync(dirname(installedLibtorch(machine)))).toEqual(["libtorch-2.13.0"]);
  });

  test("asks pip for a fixed kind of wheel, then for the official index", async () => {
    const machine = fakeMachine();
    writePython(machine, `case "$*" in *--index-url=*) cp ${writeArchive(machine, "torch")} $dest;; *) exit 1;; esac`);
    await installLibtorch({ machine, fetch: offline });
    const calls = readFileSync(join(machine.bin, "pip.log"), "utf8").trim().split("\n");
    expect(calls).toHaveLength(3);
    expect(calls[0]).not.toContain("--python-version");
    expect(calls[1]).toMatch(/--only-binary=:all: --python-version=3.11 .*--platform=manylinux_2_28_/);
    expect(calls[2]).toContain("--index-url=https://download.pytorch.org/whl/cpu");
    for (const call of calls) expect(call).toMatch(/^-m pip download --no-deps .* torch==2\.13\.0\+cpu$/);
  });

  test("downloads the official archive when pip cannot", async () => {
    const machine = fakeMachine();
    const archive = readFileSync(writeArchive(machine, "libtorch"));
    writePython(machine, "exit 1");
    let asked = "";
    const libtorch = await installLibtorch({
      machine,
      fetch: async (url) => {
        asked = String(url);
        return new Response(archive);
      },
    });
    expect(asked).toContain("/libtorch/cpu/libtorch-shared-with-deps-2.13.0%2Bcpu.zip");
    expect(libtorch.root).toBe(join(installedLibtorch(machine), "libtorch"));
    expect(readdirSync(libtorch.libDir).sort()).toEqual(WANTED);
  });

  test("ends in one error with every way and its reason, and leaves nothing behind", async () => {
    const machine = fakeMachine();
    writePython(machine, "echo 'ERROR: No matching distribution found' >&2; exit 1");
    const lines: string[] = [];
    const attempt = installLibtorch({ machine, log: (line) => lines.push(line), fetch: offline });
    const error = await attempt.catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "UserError", hint: expect.stringContaining("pip install torch") });
    const { message } = error as Error;
    expect(message.match(/No matching distribution found/g)).toHaveLength(3);
    expect(message).toMatch(/libtorch-shared-with-deps.*: no route to host/);
    expect(message).toMatch(/apt-get install libtorch-dev: (not found|needs root)/);
    expect(lines).toHaveLength(5);
    expect(readdirSync(dirname(installedLibtorch(machine)))).toEqual([]);
  });

  test("keeps what another process has fetched in the meantime", async () => {
    const machine = fakeMachine();
    const target = join(installedLibtorch(machine), "torch");
    const archive = readFileSync(writeArchive(machine, "libtorch"));
    writePython(machine, "exit 1");
    const fetch = async () => {
      writeLibtorch(target, "2.13.0");
      return new Response(archive);
    };
    expect((await installLibtorch({ machine, fetch })).root).toBe(target);
  });

  test("does not put a damaged archive into the cache", async () => {
    const machine = fakeMachine();
    writePython(machine, "exit 1");
    const fetch = async () => new Response("not a zip");
    await expect(installLibtorch({ machine, fetch })).rejects.toThrow("File is not a zip file");
    const incomplete = join(machine.home, "incomplete.zip");
    spawnSync("python3", ["-m", "zipfile", "-c", incomplete, machine.cwd]);
    writePython(machine, `cp ${incomplete} $dest`);
    await expect(installLibtorch({ machine, fetch })).rejects.toThrow("unusable: no such folder");
    expect(existsSync(installedLibtorch(machine))).toBe(false);
  });
});

describe("ensureReady()", () => {
  test("fetches nothing unless it may", async () => {
    const machine = fakeMachine();
    await expect(ensureReady({ machine })).rejects.toMatchObject({ hint: "Run: npx visioncore setup --install" });
  });
});
