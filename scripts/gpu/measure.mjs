/**
 * @file Builds, verifies and measures on this machine, one stage after the other, for run.sh. A stage that fails or takes
 * too long is recorded as such and the next one runs; the report is written anew after each, so that a run that is cut off
 * leaves what it has.
 */

import { spawnSync } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderSection } from "./report.mjs";

const STAGE_LIMIT_MS = 240_000;
const { DEVICE: device, OUT: out, THREADS: threads } = process.env;
const onGpu = device !== "cpu";

// On a GPU the recipe of the published twin, on a CPU a fraction of it.
const defaults = onGpu
  ? { batch: 256, sessions: 30, units: 93, lags: 33, steps: 20 }
  : { batch: 4, sessions: 2, units: 100, lags: 33, steps: 3 };
const settings = Object.fromEntries(
  Object.entries(defaults).map(([name, value]) => [name, Number(process.env[name.toUpperCase()] ?? value)]),
);
if (threads) settings.threads = Number(threads);
const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);

const node = process.execPath;
// Golden numbers are compared in full float32; the training steps use TF32 as the reference does.
const exact = onGpu ? { NVIDIA_TF32_OVERRIDE: "0" } : {};
const stages = [
  { name: "setup", command: [node, "src/cli/main.js", "setup"] },
  {
    name: "check",
    command: ["python3", "bench/python/flagship.py", "--check", "golden/models", "--device", device],
    env: exact,
  },
  { name: "verify", command: [node, "src/cli/main.js", "verify", "golden/models", "--device", device], env: exact },
  ...["32", "bf16-mixed"].flatMap((precision) => {
    const args = ["--device", device, "--precision", precision, ...flags];
    return [
      { name: `ours ${precision}`, command: [node, "bench/flagship.js", ...args, "--json"] },
      { name: `reference ${precision}`, command: ["python3", "bench/python/flagship.py", ...args] },
    ];
  }),
];

const performance = {
  date: new Date().toISOString().slice(0, 10),
  device,
  ...JSON.parse(readFileSync("packed.json", "utf8")),
  settings,
  stages: [],
};
writeFileSync(join(out, "log.txt"), "");
for (const stage of stages) {
  performance.stages.push(runStage(stage));
  writeFileSync(join(out, "performance.json"), `${JSON.stringify(performance, null, 1)}\n`);
  writeFileSync(join(out, "performance.md"), renderSection(performance));
}
process.exitCode = performance.stages.every(({ status }) => status === 0) ? 0 : 1;

function runStage({ name, command, env = {} }) {
  const typed = command.map((word) => (word === node ? "node" : word)).join(" ");
  const shown = [...Object.entries(env).map(([key, value]) => `${key}=${value}`), typed].join(" ");
  say(`\n$ ${shown}\n`);
  const start = Date.now();
  const [program, ...args] = command.map(String);
  const run = spawnSync(program, args, { env: { ...process.env, ...env }, encoding: "utf8", timeout: STAGE_LIMIT_MS });
  say(`${run.stdout}${run.stderr}${run.error ? `${run.error.message}\n` : ""}`);
  const seconds = Math.round((Date.now() - start) / 100) / 10;
  // A stage says its result in the last line it prints: JSON, or for a person.
  return {
    name,
    command: shown,
    status: run.status,
    seconds,
    result: parsed(run.stdout.trimEnd().split("\n").at(-1)),
  };
}

function say(text) {
  process.stdout.write(text);
  appendFileSync(join(out, "log.txt"), text);
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}
