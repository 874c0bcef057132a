/**
 * @file The steps that `npm start` and `npm test` share, in plain Node because they run before anything is installed.
 * Each does nothing, quickly and silently, when its work is done already.
 */

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The command line, once built. */
export const cli = join(root, "dist/cli/main.js");

const OLDEST_NODE = [20, 15];
const BUILT = join(root, "dist/.built");
const OFFLINE = /ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|ENOTCACHED/;

/** A step that could not be done; the message says what to do about it. */
export class PrepareError extends Error {}

/** Path of a program that a package brought along. */
export function tool(name) {
  return join(root, "node_modules/.bin", name);
}

/** Runs a program in the repository with our own input and output, and returns its exit status. */
export function run(program, args) {
  return spawnSync(program, args, { cwd: root, stdio: "inherit" }).status;
}

/** Checks that this Node is new enough. Must come first: the other steps use what older ones lack. */
export function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    throw new PrepareError(
      `VisionCore needs Node ${OLDEST_NODE.join(".")} or newer, this is ${process.versions.node}. ` +
        "Get one from https://nodejs.org or with a version manager (nvm install 22).",
    );
  }
}

/** Installs the packages of package-lock.json unless node_modules holds exactly these. */
export function installPackages() {
  if (packagesAreCurrent()) return;
  console.error("Installing packages (npm ci) ...");
  // The npm that started us, where there is one; development packages even where NODE_ENV says production.
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ["npm"];
  const args = [...npm.slice(1), "ci", "--include=dev", "--no-audit", "--no-fund"];
  const { error, status, stderr } = spawnSync(npm[0], args, {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (error) throw new PrepareError(`Cannot run npm: ${error.message}. It comes with Node: https://nodejs.org`);
  if (status !== 0) {
    process.stderr.write(stderr);
    throw new PrepareError(
      OFFLINE.test(stderr)
        ? "Cannot install packages: npm reached no registry. Connect to the network (or set a proxy) and run this again."
        : `Cannot install packages: npm ci ended with status ${status}, its messages are above.`,
    );
  }
}

/**
 * Compiles src to dist when a source is newer than the last complete build. With `tolerant`, type errors are left to the
 * caller's own type check: the compiler writes its output in spite of them.
 */
export function buildDist({ tolerant = false } = {}) {
  if (distIsCurrent()) return;
  console.error("Compiling TypeScript ...");
  const started = new Date();
  const args = ["-p", "tsconfig.build.json"];
  const { status } = spawnSync(tool("tsc"), args, { cwd: root, stdio: tolerant ? "ignore" : "inherit" });
  // Sources saved while the compiler ran are newer than this and will be compiled next time.
  if (status === 0) {
    chmodSync(cli, 0o755); // npx runs it as a program
    writeFileSync(BUILT, started.toISOString());
  }
  if (status !== 0 && !tolerant) throw new PrepareError("Cannot compile the sources: the errors are above.");
}

/** Finds or fetches libtorch and builds the addon. */
export function setUpEngine() {
  if (run(process.execPath, [cli, "setup", "--install"]) !== 0) {
    throw new PrepareError("Cannot set up the engine: the reason is above. node dist/cli/main.js doctor shows more.");
  }
}

function packagesAreCurrent() {
  const installed = join(root, "node_modules/.package-lock.json");
  if (!existsSync(installed)) return false;
  const have = JSON.parse(readFileSync(installed, "utf8")).packages;
  const want = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  return Object.entries(want).every(
    // Optional packages are for other platforms; the entry without a name is this repository.
    ([path, { version, optional }]) => path === "" || (path in have ? have[path].version === version : optional),
  );
}

function distIsCurrent() {
  if (!existsSync(BUILT)) return false;
  const built = Date.parse(readFileSync(BUILT, "utf8"));
  const sources = readdirSync(join(root, "src"), { recursive: true }).map((name) => join("src", name));
  const inputs = [...sources, "tsconfig.json", "tsconfig.build.json", "package-lock.json"];
  return inputs.every((name) => name.endsWith(".test.ts") || statSync(join(root, name)).mtimeMs < built);
}
