/**
 * @file `npm test`: sets up what is missing, then type check, lint and all tests; arguments go to vitest. The last line
 * is the count, in which a failed type check or lint is one failure each.
 */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { buildDist, checkNode, installPackages, PrepareError, root, run, setUpEngine, tool } from "./prepare.mjs";

const counts = { passed: 0, failed: 0, skipped: 0 };
try {
  checkNode();
  installPackages();
  counts.failed += check("tsc", ["--noEmit"]);
  counts.failed += check("biome", ["ci", "."]);
  buildDist({ tolerant: true });
  setUpEngine();
  const { passed, failed, skipped } = await runTests(process.argv.slice(2));
  counts.passed += passed;
  counts.failed += failed;
  counts.skipped += skipped;
} catch (error) {
  if (!(error instanceof PrepareError)) throw error;
  console.error(error.message);
  counts.failed += 1;
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 ? 0 : 1;

/** Runs a checker; 1 if it found something. */
function check(name, args) {
  const status = run(tool(name), args);
  if (status !== 0) console.error(`${name} ${args.join(" ")} failed`);
  return status === 0 ? 0 : 1;
}

/** Runs vitest and returns what its tests came to, as counted by the reporter inside it. */
function runTests(args) {
  const reporters = ["--reporter=default", `--reporter=${join(root, "scripts/count-reporter.mjs")}`];
  // Spinning OpenMP threads make tests that run beside each other three times slower.
  const env = { OMP_WAIT_POLICY: "passive", ...process.env };
  const stdio = ["inherit", "inherit", "inherit", "ipc"];
  const vitest = spawn(tool("vitest"), ["run", ...reporters, ...args], { cwd: root, env, stdio });
  let counts = { passed: 0, failed: 0, skipped: 0 };
  vitest.on("message", (message) => {
    counts = message;
  });
  return new Promise((resolve) => {
    vitest.on("close", (status) => {
      // A run that broke off, or found no tests, must not look like a success.
      if (status !== 0 && counts.failed === 0) counts.failed = 1;
      resolve(counts);
    });
  });
}
