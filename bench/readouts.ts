/**
 * @file Readouts on a synthetic population whose planted rates are known: the same small core with each of them, and with a
 * shifter where the eye tracker is wrong. Prints bits per spike on held-out trials, beside what the planted rates reach. See
 * docs/readouts.md.
 *
 * `npx tsx bench/readouts.ts [--epochs 16] [--seeds 1,2] [--gain-error 0.1] [--only NAME,NAME] [--threads 1]`
 *
 * The tracker's error: measured gaze is off by `gain-error` times its distance from the centre of the screen, so that the
 * stimulus is cropped that far from where the eye looked. Responses are those to what the eye saw.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { formatTable } from "../src/cli/terminal.ts";
import { loadModelConfig } from "../src/config/load.ts";
import { type ModelConfig, parseModelConfig } from "../src/config/model.ts";
import { parseSessionConfig } from "../src/config/session.ts";
import type { Recording } from "../src/data/recording.ts";
import { parentConfigText } from "../src/data/synthetic/dataset-config.ts";
import { PRESETS } from "../src/data/synthetic/presets.ts";
import {
  generateSession,
  loadTwin,
  type PreparedSession,
  predictSamples,
  prepareSession,
  scorePredictions,
  train,
} from "../src/index.ts";
import { setNumThreads } from "../src/torch/index.ts";
import { modelConfigFile } from "./comparison-flags.ts";

const { demo } = PRESETS;
const UNITS = 24;
const SESSIONS = ["Synth_2024-01-01", "Synth_2024-01-02"];
/** Crops are made this much larger on every side than the model sees, so that a window of them can be moved. */
const MARGIN = 8;
/** Behaviour 40 and 41 are eye position, in degrees. */
const SHIFTER = { type: "mlp", params: { features: [40, 41], max_shift: 1 } };

const TRAINING = {
  batchSize: 128,
  stepsPerEpoch: 40,
  learningRate: 1e-2,
  weightDecay: 1e-4,
  gradientClipVal: 10,
  lrScheduler: "cosine_warmup",
  warmupEpochs: 1,
  warmupPerStep: true,
  precision: "32",
  limitValBatches: 1,
} as const;

const READOUTS: Record<string, Record<string, unknown>> = {
  gaussian: {},
  gaussian_point: { readout: { type: "gaussian_point" } },
  factorized: { readout: { type: "factorized", params: { initial_std: 2 } } },
  "gaussian + shifter": { shifter: SHIFTER },
  "gaussian_point + shifter": { readout: { type: "gaussian_point" }, shifter: SHIFTER },
};

const { values: flags } = parseArgs({
  options: {
    epochs: { type: "string", default: "16" },
    seeds: { type: "string", default: "1" },
    "gain-error": { type: "string", default: "0" },
    only: { type: "string", default: Object.keys(READOUTS).join(",") },
    threads: { type: "string", default: "1" },
  },
});
setNumThreads(Number(flags.threads));

function population(gainError: number): PreparedSession[] {
  return SESSIONS.map((name) => {
    const cropSize = demo.cropSize + 2 * MARGIN;
    const { recordings } = generateSession({ ...demo, name, units: UNITS, cropSize }, 1);
    for (const recording of recordings) crop(recording, gainError);
    const config = parse(parentConfigText([name], demo.lags));
    for (const key of ["data_dir", "session_dir", "sessions"]) delete config[key];
    const cids = Array.from({ length: UNITS }, (_, unit) => unit);
    return prepareSession(parseSessionConfig({ ...config, session: name, cids }), {
      keepKeys: ["true_rates"],
      session: {
        name,
        open: (type) => recordings.find((recording) => recording.type === type) ?? null,
        types: () => recordings.map(({ type }) => type),
        missingPct: undefined,
      },
    });
  });
}

/** Cuts the stimulus to the model's size around where the tracker puts the gaze. */
function crop(recording: Recording, gainError: number): void {
  const stim = recording.get("stim");
  const gaze = recording.floats("eyepos").data;
  const [frames, wide] = stim.shape as [number, number];
  const size = demo.cropSize;
  const from = stim.data as Uint8Array;
  const to = new Uint8Array(frames * size * size);
  const offset = (degrees: number) => {
    const pixels = Math.round(gainError * degrees * demo.ppd);
    return Math.max(-MARGIN, Math.min(MARGIN, pixels));
  };
  for (let t = 0; t < frames; t++) {
    // Rows run down, gaze up.
    const left = MARGIN + offset(gaze[2 * t]!);
    const top = MARGIN - offset(gaze[2 * t + 1]!);
    for (let row = 0; row < size; row++) {
      const start = (t * wide + top + row) * wide + left;
      to.set(from.subarray(start, start + size), (t * size + row) * size);
    }
  }
  recording.set("stim", { dtype: "uint8", shape: [frames, size, size], data: to });
}

interface Scores {
  bps: number;
  oracle: number;
  seconds: number;
}

async function trained(sessions: readonly PreparedSession[], modelConfig: ModelConfig, seed: number): Promise<Scores> {
  const start = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "readouts-"));
  try {
    const { last } = await train({
      ...TRAINING,
      modelConfig,
      sessions,
      maxEpochs: Number(flags.epochs),
      seed,
      checkpointDir: folder,
      experimentName: "run",
    });
    const { twin } = loadTwin(last);
    const scores = [];
    for (const [i, { val }] of sessions.entries()) scores.push(scorePredictions(await predictSamples(twin, i, val)));
    twin.dispose();
    return {
      bps: mean(scores.flatMap(({ bps }) => [...bps])),
      oracle: mean(scores.flatMap(({ oracleBps }) => [...oracleBps!])),
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Over units that have a score. */
function mean(scores: readonly number[]): number {
  const known = scores.filter(Number.isFinite);
  return known.reduce((sum, score) => sum + score, 0) / known.length;
}

const base = loadModelConfig(modelConfigFile("demo")).config;
const sessions = population(Number(flags["gain-error"]));
const samples = sessions.map(({ train: { length } }) => length).join(" + ");
console.error(
  `${samples} training samples, ${Number(flags.epochs) * TRAINING.stepsPerEpoch} steps of ${TRAINING.batchSize}`,
);
const rows: string[][] = [];
for (const name of flags.only.split(",")) {
  const change = READOUTS[name];
  if (!change) throw new Error(`There is no readout "${name}": ${Object.keys(READOUTS).join(", ")}`);
  for (const seed of flags.seeds.split(",").map(Number)) {
    const { bps, oracle, seconds } = await trained(sessions, parseModelConfig({ ...base, ...change }), seed);
    const row = [name, String(seed), bps.toFixed(3), (bps / oracle).toFixed(3), seconds.toFixed(0)];
    console.error(row.join("  "));
    rows.push(row);
  }
}
console.log(formatTable(["readout", "seed", "bits per spike", "of the oracle", "seconds"], rows));
