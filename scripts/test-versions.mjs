/**
 * @file `node scripts/test-versions.mjs [FOLDER ...]`: runs the tests that compute on libtorch once for every libtorch given,
 * by default the pinned release (fetched if needed) and Debian's libtorch-dev where it is installed. Ends with one line for
 * each; exit status 1 if any failed.
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { buildDist, checkNode, installPackages, root, setUpEngine, tool } from "./prepare.mjs";

checkNode();
installPackages();
buildDist();
setUpEngine();
const { installedLibtorch, thisMachine } = await import("../dist/torch/setup/machine.js");
const { installLibtorch } = await import("../dist/torch/setup/install.js");

/** The pinned release and Debian's. */
async function everyVersion() {
  const pinned = installedLibtorch(thisMachine());
  if (!existsSync(pinned)) await installLibtorch();
  const debian = existsSync("/usr/include/torch/csrc") ? ["/usr"] : [];
  if (!debian.length) console.error("Debian's libtorch-dev is not installed: testing the pinned release alone.");
  return [pinned, ...debian];
}

const given = process.argv.slice(2);
const outcomes = [];
for (const libtorch of given.length ? given : await everyVersion()) {
  console.error(`\nlibtorch in ${libtorch}`);
  const { status } = spawnSync(
    tool("vitest"),
    ["run", "src/torch", "src/models", "src/training", "src/eval", "src/verify"],
    {
      cwd: root,
      stdio: "inherit",
      env: { OMP_WAIT_POLICY: "passive", ...process.env, LIBTORCH: libtorch },
    },
  );
  outcomes.push({ libtorch, passed: status === 0 });
}
for (const { libtorch, passed } of outcomes) console.log(`${passed ? "passed" : "FAILED"}  ${libtorch}`);
process.exitCode = outcomes.every(({ passed }) => passed) ? 0 : 1;
