/**
 * @file Training on more stimuli than may lie in memory: a population on disk, mapped, with what the process needs beside.
 *
 * `npx tsx bench/out-of-core.ts [--gigabytes 6] [--steps 20] [--keep DIR]`
 *
 * Makes sessions of 2 GB (random pixels at 120 Hz) in a temporary folder, or uses those of DIR, and trains the demo's model on
 * them with no stimulus in memory. To hold it to 2 GB, run it in a control group with `memory.max`; pages of mapped files
 * are then dropped as needed.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadModelConfig } from "../src/config/load.ts";
import { parseSessionConfig } from "../src/config/session.ts";
import { prepareSession } from "../src/data/prepare.ts";
import { StimulusStore } from "../src/data/stimulus-store.ts";
import { train } from "../src/training/trainer.ts";
import { modelConfigFile } from "./comparison-flags.ts";
import { writeRandomRecording } from "./random-recording.ts";

const { values: flags } = parseArgs({
  options: {
    gigabytes: { type: "string", default: "6" },
    steps: { type: "string", default: "20" },
    keep: { type: "string" },
  },
});
const SIZE = 51;
const UNITS = 16;
const FRAMES = Math.floor(2e9 / SIZE ** 2);

/** Fields of /proc/self/status, in MB. */
function memory(): string {
  const text = readFileSync("/proc/self/status", "utf8");
  const megabytes = (field: string) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(text)![1]) / 1024);
  return `resident ${megabytes("VmRSS")} MB, of it ${megabytes("RssAnon")} MB its own and ${megabytes("RssFile")} MB of mapped files`;
}

const folder = flags.keep ?? mkdtempSync(join(tmpdir(), "out-of-core-"));
try {
  const store = new StimulusStore(0);
  const sessions = Array.from({ length: Math.ceil(Number(flags.gigabytes) / 2) }, (_, number) => {
    const name = `Large_2024-01-${String(number + 1).padStart(2, "0")}`;
    if (!existsSync(join(folder, name))) {
      writeRandomRecording(join(folder, name), { type: "movie", frames: FRAMES, units: UNITS, size: SIZE });
    }
    const config = parseSessionConfig({
      session: name,
      types: ["movie"],
      cids: Array.from({ length: UNITS }, (_, unit) => unit),
      keys_lags: { robs: 0, dfs: 0, stim: Array.from({ length: 14 }, (_, lag) => lag) },
      transforms: { stim: { source: "stim", ops: [{ pixelnorm: {} }, { unsqueeze: 1 }] } },
      datafilters: { dfs: { ops: [{ valid_nlags: { n_lags: 13 } }] } },
      train_val_split: 0.8,
    });
    return prepareSession(config, { dataDir: folder, store });
  });
  console.log(`${(store.mapped / 1e9).toFixed(1)} GB mapped, ${store.inMemory} bytes in memory; ${memory()}`);
  const runs = mkdtempSync(join(tmpdir(), "out-of-core-run-"));
  const started = performance.now();
  const result = await train({
    modelConfig: loadModelConfig(modelConfigFile("demo")).config,
    sessions,
    checkpointDir: runs,
    batchSize: 32,
    stepsPerEpoch: Number(flags.steps),
    maxEpochs: 1,
    limitValBatches: 2,
  });
  const seconds = (performance.now() - started) / 1000;
  console.log(`${result.globalStep} steps in ${seconds.toFixed(1)} s; ${memory()}`);
  rmSync(runs, { recursive: true });
} finally {
  if (flags.keep === undefined) rmSync(folder, { recursive: true });
}
