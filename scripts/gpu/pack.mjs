/**
 * @file Packs what a machine with a GPU, but without Node and without a network, needs to build the addon against its own
 * PyTorch and to measure: this Node, the compiled sources, the run-time packages, the golden models.
 *
 * `node scripts/gpu/pack.mjs --golden DIR [--out .gpu] [--limit-mib 64] [--without-node]`
 *
 * The folder mirrors the repository, with .ts compiled to .js. There: `bash run.sh` (see run.sh).
 */

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const MIB = 2 ** 20;
const LABEL = "packed.json";
const NODE_ARCHIVE = "node.xz";
/** Present wherever PyTorch runs. */
const SYSTEM_LIBRARIES = /^(linux-vdso|ld-linux.*|libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+)\.so/;
/** Not needed to run a package. */
const TYPES_AND_MAPS = /\.(d\.)?[cm]?ts$|\.map$|\.md$/;

class PackError extends Error {}

try {
  const { values } = parseArgs({
    options: {
      golden: { type: "string" },
      out: { type: "string", default: join(root, ".gpu") },
      "limit-mib": { type: "string", default: "64" },
      "without-node": { type: "boolean", default: false },
    },
  });
  pack({
    golden: values.golden,
    out: resolve(values.out),
    limit: Number(values["limit-mib"]) * MIB,
    withNode: !values["without-node"],
  });
} catch (error) {
  if (!(error instanceof PackError) && error.code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION") throw error;
  console.error(error.message);
  process.exitCode = 1;
}

function pack({ golden, out, limit, withNode }) {
  if (!golden || !existsSync(join(golden, "fullsize"))) {
    throw new PackError("Name the folder of the golden models, which holds fullsize/: --golden DIR");
  }
  if (existsSync(out) && !existsSync(join(out, LABEL))) {
    throw new PackError(`Cannot pack into "${out}": it exists and is no pack. Delete it, or name another with --out.`);
  }
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, LABEL), JSON.stringify({ commit: commit(), node: process.version }));

  compile(out);
  copy("package.json", out);
  copy("native", out);
  copy("experiments", out);
  copy("bench/python", out, (path) => /flagship.*\.py$/.test(path));
  for (const folder of runtimePackages()) copy(folder, out, (path) => !TYPES_AND_MAPS.test(path));
  cpSync(golden, join(out, "golden/models"), { recursive: true });
  for (const script of ["run.sh", "measure.mjs", "report.mjs"])
    cpSync(join(root, "scripts/gpu", script), join(out, script));
  if (withNode) archiveNode(join(out, NODE_ARCHIVE));

  const sizes = readdirSync(out).map((name) => ({ name, bytes: sizeOf(join(out, name)) }));
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { name, bytes } of sizes) console.log(`${mib(bytes).padStart(8)}  ${name}`);
  console.log(`${mib(total).padStart(8)}  ${out}, ${total} bytes`);
  if (total > limit) throw new PackError(`The pack has ${mib(total)}, more than the limit of ${mib(limit)}.`);
}

function compile(out) {
  const tsc = join(root, "node_modules/.bin/tsc");
  const run = spawnSync(tsc, ["-p", join(root, "scripts/gpu"), "--outDir", out], { cwd: root, encoding: "utf8" });
  if (run.status !== 0) throw new PackError(`Cannot compile the sources:\n${run.stdout}${run.error?.message ?? ""}`);
}

/** Copies a path of the repository to the same place in the pack. */
function copy(path, out, wanted = () => true) {
  const from = join(root, path);
  cpSync(from, join(out, path), {
    recursive: true,
    filter: (source) => statSync(source).isDirectory() || wanted(source),
  });
}

/** Folders of the packages that the program itself needs, and of those that these need. */
function runtimePackages() {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  return Object.entries(packages).flatMap(([path, { dev, optional }]) =>
    path === "" || dev || optional ? [] : [path],
  );
}

/** This Node, compressed. */
function archiveNode(archive) {
  const own = librariesOf(process.execPath).filter((name) => !SYSTEM_LIBRARIES.test(name));
  if (own.length > 0) {
    throw new PackError(
      `This Node needs ${own.join(", ")}, which other machines lack. Pack with a Node from https://nodejs.org, which needs none.`,
    );
  }
  const { status, stdout, stderr, error } = spawnSync("xz", ["-T0", "-c", process.execPath], { maxBuffer: 2 ** 30 });
  if (status !== 0) throw new PackError(`Cannot compress Node with xz: ${error?.message ?? stderr}`);
  writeFileSync(archive, stdout);
}

/** File names of the shared libraries that a program is linked to. */
function librariesOf(program) {
  const { stdout } = spawnSync("ldd", [program], { encoding: "utf8" });
  return stdout
    .split("\n")
    .map((line) => basename(line.trim().split(/\s/)[0]))
    .filter((name) => name !== "");
}

/** The commit that is packed, with a + when the working tree differs from it; null outside a repository. */
function commit() {
  const { status, stdout } = spawnSync("git", ["describe", "--always", "--exclude=*", "--dirty=+"], {
    cwd: root,
    encoding: "utf8",
  });
  return status === 0 ? stdout.trim() : null;
}

function sizeOf(path) {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

function mib(bytes) {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
