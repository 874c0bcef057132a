/**
 * @file Preparing a long session: time, and peak memory beside the size of its stimulus as uint8 at the model's rate.
 *
 * `npx tsx bench/prepare.ts [--minutes 60] [--units 93] [--threads 1]`
 *
 * The recording is random, 51 x 51 pixels at 240 Hz, down-sampled to 120 Hz, with the filters and the behaviour of the
 * shipped configurations. It is made in a temporary folder (37 MB a minute) and removed. Target: a peak below 1.3 times
 * the stimulus, and 50 ms to open it once it is prepared.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadDatasetConfigs } from "../src/config/dataset.ts";
import { prepareSession } from "../src/data/prepare.ts";
import { prepareWithCache } from "../src/data/prepared-cache.ts";
import { StimulusStore } from "../src/data/stimulus-store.ts";
import { setNumThreads } from "../src/torch/index.ts";
import { writeRandomRecording } from "./random-recording.ts";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    units: { type: "string", default: "93" },
    threads: { type: "string", default: "1" },
  },
});
setNumThreads(Number(flags.threads));
const units = Number(flags.units);
const frames = Number(flags.minutes) * 60 * 240;
const SIZE = 51;

const SHIPPED = join(import.meta.dirname, "../experiments/dataset_configs/multi_basic_120_backimage_long.yaml");
const config = {
  ...loadDatasetConfigs(SHIPPED, { maxDatasets: 1 }).sessions[0]!,
  session: "Bench_2024-01-01",
  cids: Array.from({ length: units }, (_, unit) => unit),
};

/** A line of /proc/self/status, in MB. */
function memory(field: "VmHWM" | "VmRSS"): number {
  const line = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync("/proc/self/status", "utf8"));
  return Number(line![1]) / 1024;
}

const folder = mkdtempSync(join(tmpdir(), "prepare-"));
try {
  writeRandomRecording(join(folder, config.session), { type: "backimage", frames, units, size: SIZE });
  const before = memory("VmRSS");
  const started = performance.now();
  const prepared = prepareSession(config, { dataDir: folder });
  const seconds = (performance.now() - started) / 1000;
  const peak = memory("VmHWM") - before;
  const store = (Math.floor(frames / 2) * SIZE * SIZE) / 2 ** 20;
  const mb = (x: number) => `${x.toFixed(0)} MB`;
  console.log(`${flags.minutes} minutes, ${units} units, ${prepared.train.length + prepared.val.length} samples`);
  console.log(
    `stimulus as uint8 at 120 Hz ${mb(store)}, peak ${mb(peak)} (${(peak / store).toFixed(2)}), kept ${mb(memory("VmRSS") - before)}`,
  );
  console.log(`${seconds.toFixed(2)} s, ${(frames / 240 / seconds).toFixed(0)} times real time`);
  const open = () => {
    const started = performance.now();
    prepareWithCache(config, { dataDir: folder, store: new StimulusStore(0) }, join(folder, "cache"));
    return performance.now() - started;
  };
  console.log(`with a cache ${(open() / 1000).toFixed(2)} s the first time, then ${open().toFixed(1)} ms`);
} finally {
  rmSync(folder, { recursive: true });
}
