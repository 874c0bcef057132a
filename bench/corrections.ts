/**
 * @file What the corrections of the reference buy: every shipped model, reduced, trained on a synthetic population with and
 * without them, and scored on held-out trials as a fraction of what the planted rates themselves reach. See
 * docs/corrections.md.
 *
 * `npx tsx bench/corrections.ts [CONFIG ...] [--variants reference,lags,adapter,init,all] [--samples 9600] [--seed 1]
 * [--results FILE] [--threads 1]`
 *
 * Finished runs are appended to FILE, one JSON object a line, and not repeated: an interrupted benchmark continues.
 */

import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { formatTable } from "../src/cli/terminal.ts";
import { parseSessionConfig } from "../src/config/session.ts";
import { parentConfigText } from "../src/data/synthetic/dataset-config.ts";
import type { SessionSpec } from "../src/data/synthetic/presets.ts";
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
import { CONFIGS, reducedConfig, VARIANTS, type Variant } from "./reduced-config.ts";

/** One session; `fixrsvp` is not used. Receptive fields lie inside the part that the reference's adapter starts with. */
const POPULATION: SessionSpec = {
  name: "Synth_2024-01-01",
  units: 32,
  cropSize: 27,
  ppd: 16,
  rfSpreadDeg: 0.2,
  rapidImages: 1,
  blocks: {
    backimage: { trials: 30, trialSeconds: [3, 5] },
    gaborium: { trials: 15, trialSeconds: [3, 5] },
    gratings: { trials: 10, trialSeconds: [2, 3] },
    fixrsvp: { trials: 1, trialSeconds: [1, 1] },
  },
};
const POPULATION_SEED = 1;
const LAGS = 33;
const BATCH = 32;
const EPOCHS = 16;
const LEARNING_RATE = 1e-2;

/** A finished run. */
interface Result {
  config: string;
  variant: Variant;
  samples: number;
  seed: number;
  /** Mean over units of bits per spike on held-out trials: of the twin, and of the planted rates. */
  bps: number;
  oracle: number;
  seconds: number;
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    variants: { type: "string", default: Object.keys(VARIANTS).join(",") },
    samples: { type: "string", default: "9600" },
    seed: { type: "string", default: "1" },
    results: { type: "string" },
    threads: { type: "string", default: "1" },
  },
});
const configs = positionals.length > 0 ? positionals : CONFIGS;
const variants = flags.variants.split(",") as Variant[];
for (const variant of variants) if (!(variant in VARIANTS)) throw new Error(`There is no variant "${variant}"`);
const samples = Number(flags.samples);
const seed = Number(flags.seed);
setNumThreads(Number(flags.threads));

function population(): PreparedSession {
  const { name, recordings } = generateSession(POPULATION, POPULATION_SEED);
  const config = parse(parentConfigText([name], LAGS));
  config.transforms.history = { source: "robs", ops: [], expose_as: "history" };
  config.keys_lags.history = [1, 2, 3, 4, 5];
  for (const key of ["data_dir", "session_dir", "sessions"]) delete config[key];
  const cids = Array.from({ length: POPULATION.units }, (_, unit) => unit);
  return prepareSession(parseSessionConfig({ ...config, session: name, cids }), {
    keepKeys: ["true_rates"],
    session: {
      name,
      open: (type) => recordings.find((recording) => recording.type === type) ?? null,
      types: () => recordings.map(({ type }) => type),
      missingPct: undefined,
    },
  });
}

async function trained(session: PreparedSession, config: string, variant: Variant): Promise<Result> {
  const start = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "corrections-"));
  try {
    const { last } = await train({
      modelConfig: reducedConfig(config, variant),
      sessions: [session],
      batchSize: BATCH,
      maxEpochs: EPOCHS,
      stepsPerEpoch: Math.round(samples / BATCH / EPOCHS),
      learningRate: LEARNING_RATE,
      weightDecay: 1e-4,
      gradientClipVal: 10,
      lrScheduler: "cosine_warmup",
      warmupEpochs: 1,
      warmupPerStep: true,
      limitValBatches: 2,
      precision: "32",
      seed,
      checkpointDir: folder,
      experimentName: "run",
    });
    const { twin } = loadTwin(last);
    const { bps, oracleBps } = scorePredictions(await predictSamples(twin, 0, heldOut));
    twin.dispose();
    const seconds = Math.round((performance.now() - start) / 1000);
    return { config, variant, samples, seed, bps: mean(bps), oracle: mean(oracleBps!), seconds };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Over units that have a score. */
function mean(scores: Float64Array): number {
  const known = scores.filter(Number.isFinite);
  return known.reduce((sum, score) => sum + score, 0) / known.length;
}

function finishedRuns(path: string | undefined): Result[] {
  if (path === undefined || !existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Result);
}

const results = finishedRuns(flags.results);
const find = (config: string, variant: Variant) =>
  results.find((r) => r.config === config && r.variant === variant && r.samples === samples && r.seed === seed);
const session = population();
// Neighbouring frames say much the same: every other one will do.
const heldOut = session.val.subset(Array.from({ length: Math.ceil(session.val.length / 2) }, (_, i) => 2 * i));
console.error(`${session.train.length} training and ${heldOut.length} held-out samples`);
for (const config of configs) {
  for (const variant of variants) {
    if (find(config, variant)) continue;
    const result = await trained(session, config, variant);
    results.push(result);
    if (flags.results) appendFileSync(flags.results, `${JSON.stringify(result)}\n`);
    console.error(
      `${config} ${variant}: ${(result.bps / result.oracle).toFixed(3)} of the oracle, ${result.seconds} s`,
    );
  }
}
console.log(resultTable());

/** All finished runs: a row for every config, number of samples and seed; differences are to the variant `reference`. */
function resultTable(): string {
  const names = Object.keys(VARIANTS) as Variant[];
  const rows = [...new Set(results.map((run) => `${run.config} ${run.samples} ${run.seed}`))].sort();
  return formatTable(
    ["fraction of the oracle", "samples", "seed", ...names],
    rows.map((row) => {
      const runs = results.filter((run) => `${run.config} ${run.samples} ${run.seed}` === row);
      const fraction = (variant: Variant) =>
        runs.filter((run) => run.variant === variant).map((run) => run.bps / run.oracle)[0];
      const before = fraction("reference");
      const cells = names.map((variant) => {
        const after = fraction(variant);
        if (after === undefined) return "";
        return before === undefined || variant === "reference"
          ? after.toFixed(2)
          : `${after.toFixed(2)} (${signed(after - before)})`;
      });
      return [...row.split(" "), ...cells];
    }),
  );
}

function signed(difference: number): string {
  return `${difference < 0 ? "-" : "+"}${Math.abs(difference).toFixed(2)}`;
}
