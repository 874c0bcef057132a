/**
 * @file Evaluating sessions: how much of the time is the forward pass, and how much the analyses.
 *
 * `npx tsx bench/evaluation.ts [--sessions 4] [--minutes 3] [--units 93] [--threads 2] [--analyses bps,ccnorm,saccade,qc]`
 *
 * The population is synthetic (preset lab, 51 x 51 pixels, 120 Hz), the twin the flagship with random weights: scores mean
 * nothing, times do. Both grow with the number of samples, but for the random halves of CCnorm, which do not; shorter
 * sessions than an hour overstate the share of the analyses. Target: analyses below 15 % of reading, predicting and
 * analysing together.
 */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadDatasetConfigs } from "../src/config/dataset.ts";
import { loadModelConfig } from "../src/config/load.ts";
import { prepareSession } from "../src/data/prepare.ts";
import { synthesize } from "../src/data/synthetic/population.ts";
import { evaluateModelMultidataset } from "../src/eval/evaluate.ts";
import { buildModel } from "../src/models/build.ts";
import { Generator, setNumThreads } from "../src/torch/index.ts";
import { saveModelFile } from "../src/training/model-file.ts";
import { defaultSettings } from "../src/training/options.ts";
import { describeSession, inputShape } from "../src/training/session-fit.ts";

const { values: flags } = parseArgs({
  options: {
    sessions: { type: "string", default: "4" },
    minutes: { type: "string", default: "3" },
    units: { type: "string", default: "93" },
    threads: { type: "string", default: "2" },
    device: { type: "string", default: "cpu" },
    analyses: { type: "string", default: "bps,ccnorm,saccade,qc" },
    model: { type: "string", default: "learned_resnet_none_convgru_gaussian" },
  },
});
setNumThreads(Number(flags.threads));

const folder = mkdtempSync(join(tmpdir(), "evaluation-"));
try {
  const { dataset } = await synthesize({
    out: join(folder, "data"),
    preset: "lab",
    seed: 1,
    sessions: Number(flags.sessions),
    minutes: Number(flags.minutes),
    units: Number(flags.units),
  });
  const checkpoint = saveUntrained(dataset);
  const started = performance.now();
  const { sessions, seconds } = await evaluateModelMultidataset({
    checkpoint,
    analyses: flags.analyses.split(","),
    device: flags.device,
    onProgress: ({ session, activity, part }) => {
      if (part === 1) process.stderr.write(`${session}: ${activity}\n`);
    },
  });
  const total = (performance.now() - started) / 1000;
  const samples = sessions.reduce((sum, one) => sum + Object.values(one.samples).reduce((a, b) => a + b, 0), 0);
  console.log(`${sessions.length} sessions of ${flags.minutes} minutes, ${flags.units} units, ${samples} samples`);
  for (const [what, time] of Object.entries(seconds)) {
    console.log(`${what.padEnd(9)} ${time.toFixed(1)} s, ${((100 * time) / total).toFixed(1)} %`);
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** A model file of the flagship with random weights. */
function saveUntrained(dataset: string): string {
  const { config } = loadModelConfig(join(import.meta.dirname, `../experiments/model_configs/${flags.model}.yaml`));
  const prepared = loadDatasetConfigs(dataset).sessions.map((session) => prepareSession(session));
  const input = inputShape(prepared[0]!);
  const sessions = prepared.map(describeSession);
  const twin = buildModel(
    config,
    prepared.map(({ session: name, nUnits }) => ({ name, nUnits })),
    { generator: new Generator(0), ...(input && { input }) },
  );
  const path = join(folder, "run", "last.safetensors");
  mkdirSync(join(folder, "run"));
  const rest = { epoch: null, global_step: null, metrics: {}, settings: defaultSettings("cpu"), imported: null };
  saveModelFile(path, twin, { model_config: config, input, sessions, ...rest });
  twin.dispose();
  return path;
}
