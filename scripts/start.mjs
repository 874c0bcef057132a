/**
 * @file `npm start`: from a fresh clone to a trained twin. Sets up what is missing, then runs the demo with the arguments
 * given here.
 */

import { spawn } from "node:child_process";
import { buildDist, checkNode, cli, installPackages, PrepareError, root, setUpEngine } from "./prepare.mjs";

try {
  checkNode();
  installPackages();
  buildDist();
  setUpEngine();
  const demo = spawn(process.execPath, [cli, "demo", ...process.argv.slice(2)], { cwd: root, stdio: "inherit" });
  // Ctrl-C reaches the demo too, which may have something to save: wait for it.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => demo.kill("SIGTERM"));
  demo.on("close", (status) => process.exit(status === null ? 1 : status));
} catch (error) {
  if (!(error instanceof PrepareError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
