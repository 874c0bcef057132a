/**
 * @file Python with PyTorch, for tests that compare with it where it is present: that of VISIONCORE_PYTHON, of the active
 * environment, or the system's.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const { VISIONCORE_PYTHON, VIRTUAL_ENV, CONDA_PREFIX } = process.env;

function firstWithTorch(): string | undefined {
  const environments = [VIRTUAL_ENV, CONDA_PREFIX].flatMap((root) => (root ? [join(root, "bin", "python")] : []));
  const candidates = VISIONCORE_PYTHON ? [VISIONCORE_PYTHON] : [...environments, "python3"];
  return candidates.find((program) => spawnSync(program, ["-c", "import torch"]).status === 0);
}

/** The program, or undefined where there is none that has PyTorch. */
export const pythonWithTorch = firstWithTorch();

/** Why tests that need it are skipped, for their names. */
export const PYTHON_NOTE = pythonWithTorch === undefined ? " (skipped: no Python with torch here)" : "";

/**
 * Runs a script.
 *
 * @returns what it printed, as JSON
 */
export function runPython(script: string, args: readonly string[]): unknown {
  const { status, stdout, stderr } = spawnSync(pythonWithTorch!, ["-c", script, ...args], {
    encoding: "utf8",
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
  if (status !== 0) throw new Error(`Python failed: ${stderr}`);
  return JSON.parse(stdout);
}
