/**
 * @file Fetches libtorch for `setup --install`: the pinned CPU build with pip (no virtual environment, no dependencies),
 * else the official archive, else Debian's package. Of an archive only headers and the libraries we link are kept.
 *
 * A CUDA build is not fetched: `pip install torch` in an environment, or `LIBTORCH`, makes one found.
 */

import { spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { UserError } from "../../errors.ts";
import { inspectLibtorch, type Libtorch, unpackedIn } from "./find.ts";
import { installedLibtorch, type Log, type Machine, PINNED_LIBTORCH, pythons, thisMachine } from "./machine.ts";

/** Settings of {@link installLibtorch}. */
export interface InstallOptions {
  log?: Log;
  machine?: Machine;
  /** Replaces the network in tests. */
  fetch?: typeof fetch;
}

const CPU_INDEX = "https://download.pytorch.org/whl/cpu";
const CPU_ARCHIVE = `https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-${PINNED_LIBTORCH}%2Bcpu.zip`;

/** Headers, and libraries other than those for Python and for libtorch's own tests; `torch.libs` exists on arm64. */
const WANTED =
  "(lib)?torch/include/|torch\\.libs/" +
  "|(lib)?torch/lib/lib(?!torch_python|torchbind|shm|aoti_custom|backend_with|jitbackend|nnapi)[^/]*\\.so[^/]*$";

const UNPACK = `
import re, sys, zipfile
archive, folder, wanted = sys.argv[1:]
with zipfile.ZipFile(archive) as file:
    file.extractall(folder, [name for name in file.namelist() if re.match(wanted, name)])
`;

/**
 * Fetches libtorch into the user cache, or as root on Debian installs its package, and returns what is there now. Each
 * way that is tried is one line to `log`.
 *
 * @throws UserError when no way worked, with the reason for each
 */
export async function installLibtorch(options: InstallOptions = {}): Promise<Libtorch> {
  const { log = () => {}, machine = thisMachine() } = options;
  const failures: string[] = [];
  for (const { name, run } of ways(machine, options.fetch ?? fetch)) {
    log(`Fetching libtorch with ${name} ...`);
    try {
      return await run();
    } catch (error) {
      failures.push(`  ${name}: ${(error as Error).message}`);
    }
  }
  throw new UserError(`Cannot fetch libtorch. Tried:\n${failures.join("\n")}`, {
    hint:
      "With network access: python3 -m pip install torch, then run this again. " +
      "Or set LIBTORCH to a folder with include/ and lib/ of libtorch 1.13 or newer.",
  });
}

interface Way {
  name: string;
  /** Rejects with a reason when it does not work. */
  run: () => Promise<Libtorch>;
}

function ways(machine: Machine, fetch: InstallOptions["fetch"] & {}): Way[] {
  const wheel = `torch==${PINNED_LIBTORCH}+cpu`;
  const cpu = process.arch === "arm64" ? "aarch64" : "x86_64";
  // One fixed kind of wheel fits every Python, because only its C++ part is used.
  const fixedTags = [
    "--only-binary=:all:",
    ...["--python-version=3.11", "--implementation=cp", "--abi=cp311", `--platform=manylinux_2_28_${cpu}`],
  ];
  const pip = (name: string, extra: string[]): Way => ({
    name: `pip (${wheel}${name}, about 190 MB)`,
    run: async () => unpackInto(machine, (folder) => pipDownload(machine, folder, [...extra, wheel])),
  });
  return [
    pip("", []),
    pip(" for Python 3.11", fixedTags),
    pip(` from ${CPU_INDEX}`, [...fixedTags, `--index-url=${CPU_INDEX}`]),
    {
      name: `${CPU_ARCHIVE} (about 200 MB)`,
      run: async () => {
        // Without a Python to unpack it the download would be for nothing.
        runPython(machine, ["--version"]);
        return unpackInto(machine, (folder) => download(CPU_ARCHIVE, join(folder, "libtorch.zip"), fetch));
      },
    },
    { name: "apt-get install libtorch-dev", run: async () => aptInstall(machine) },
  ];
}

/** Fetches an archive into a folder of its own and puts its contents in the cache, all of them or nothing. */
async function unpackInto(machine: Machine, fetchArchive: (folder: string) => void | Promise<void>): Promise<Libtorch> {
  const target = installedLibtorch(machine);
  mkdirSync(dirname(target), { recursive: true });
  const work = mkdtempSync(`${target}.partial-`);
  try {
    await fetchArchive(work);
    const archive = join(work, readdirSync(work)[0]!);
    const unpacked = join(work, "unpacked");
    // A zip reader of our own would have to hold the 430 MB library in memory; every Python can do it.
    runPython(machine, ["-c", UNPACK, archive, unpacked, WANTED]);
    accepted(unpackedIn(unpacked), "cache");
    // Another process may have been faster, and may be using what it fetched.
    if ("problem" in inspectLibtorch(unpackedIn(target), "cache")) {
      rmSync(target, { recursive: true, force: true });
      renameSync(unpacked, target);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return accepted(unpackedIn(target), "cache");
}

function pipDownload(machine: Machine, folder: string, args: string[]): void {
  const options = ["--no-deps", "--quiet", "--disable-pip-version-check", "--retries=2", `--dest=${folder}`];
  runPython(machine, ["-m", "pip", "download", ...options, ...args]);
}

async function download(url: string, file: string, fetch: InstallOptions["fetch"] & {}): Promise<void> {
  const response = await fetch(url).catch((error: Error) => {
    // fetch says only "fetch failed"; the reason is in its cause.
    throw new Error(error.cause instanceof Error ? error.cause.message : error.message);
  });
  if (!response.ok || !response.body) throw new Error(`HTTP status ${response.status}`);
  await pipeline(Readable.fromWeb(response.body as ReadableStream), createWriteStream(file));
}

function aptInstall(machine: Machine): Libtorch {
  if (process.getuid?.() !== 0) throw new Error("needs root; try: sudo apt-get install libtorch-dev");
  const env = { ...machine.env, DEBIAN_FRONTEND: "noninteractive" };
  // Container images come without package lists. Without a network the lists that are there may still do.
  spawnSync("apt-get", ["update"], { env, stdio: "ignore" });
  run("apt-get", ["install", "-y", "--no-install-recommends", "libtorch-dev"], env);
  return accepted(join(machine.systemRoot, "usr"), "system");
}

function accepted(root: string, source: Libtorch["source"]): Libtorch {
  const result = inspectLibtorch(root, source);
  if ("problem" in result) throw new Error(`unusable: ${result.problem}`);
  return result.libtorch;
}

/** Runs the first Python that can do it; environments may lack pip. */
function runPython(machine: Machine, args: string[]): void {
  const failures: string[] = [];
  for (const python of pythons(machine).filter((path) => path === "python3" || existsSync(path))) {
    try {
      run(python, args, machine.env);
      return;
    } catch (error) {
      failures.push(`${python}: ${(error as Error).message}`);
    }
  }
  throw new Error(failures.join("; "));
}

function run(program: string, args: string[], env: NodeJS.ProcessEnv): void {
  const { error, status, stderr } = spawnSync(program, args, {
    env,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    maxBuffer: 1 << 26,
  });
  if (error) throw new Error((error as NodeJS.ErrnoException).code === "ENOENT" ? "not found" : error.message);
  if (status !== 0) throw new Error(stderr.trim().split("\n").at(-1) || `exit status ${status}`);
}
