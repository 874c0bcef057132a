/** @file Runs the Python half of a benchmark, when the user names an interpreter that has torch. */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The JSON object a script in bench/python prints, or null (with a word why) without VISIONCORE_PYTHON. */
export function pythonResult(script: string, args: string[] = []): Record<string, unknown> | null {
  const python = process.env.VISIONCORE_PYTHON;
  if (!python) {
    console.log("Set VISIONCORE_PYTHON to an interpreter with torch to compare with Python.");
    return null;
  }
  const path = fileURLToPath(new URL(`python/${script}`, import.meta.url));
  const run = spawnSync(python, [path, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (run.status !== 0) throw new Error(`${python} ${script} ended with ${run.status ?? run.error?.message}`);
  return JSON.parse(run.stdout);
}
