/**
 * @file From spike counts of four retinal ganglion cells to scores: converts, trains and scores as docs/examples/retina.md
 * describes, and compares the twin with a stimulus-only Poisson GLM of each cell.
 *
 * `npx tsx bench/retina.ts FOLDER [--epochs 10] [--threads N] [--device cpu|cuda:0]`
 *
 * FOLDER holds `stim.npy` and `counts.npy` and, for the comparison, `reference.json` with the GLM's bits per spike in
 * `poisson_glm.test_bits_per_spike_stimulus_only`. The data may not be passed on, nor results on them published without
 * their owner's permission, so this prints numbers and keeps none. Target: every cell above its GLM.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { headlineScores } from "../src/cli/format-evaluation.ts";
import { formatTable } from "../src/cli/terminal.ts";
import type { UnitScore } from "../src/eval/analysis.ts";
import { convertNpy, evaluateModelMultidataset, train } from "../src/index.ts";
import { setNumThreads } from "../src/torch/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    epochs: { type: "string", default: "10" },
    threads: { type: "string", default: String(cpus().length) },
    device: { type: "string", default: "cpu" },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("Name the folder with stim.npy and counts.npy");
const { device } = values;
setNumThreads(Number(values.threads));

/** The first 80 % of the frames are one trial, the rest the other. */
const FRAMES_THAT_TRAIN = 115_240;

function glmScores(path: string): number[] | undefined {
  if (!existsSync(path)) return undefined;
  const reference = JSON.parse(readFileSync(path, "utf8")) as {
    poisson_glm: { test_bits_per_spike_stimulus_only: number[] };
  };
  return reference.poisson_glm.test_bits_per_spike_stimulus_only;
}

const work = mkdtempSync(join(tmpdir(), "retina-"));
try {
  const dataset = join(work, "retina.yaml");
  convertNpy({
    stim: join(folder, "stim.npy"),
    robs: join(folder, "counts.npy"),
    frameSeconds: 0.008340605,
    trials: { kind: "length", frames: FRAMES_THAT_TRAIN },
    session: "Rgc_2004",
    type: "flicker",
    out: work,
    datasetConfig: { path: dataset, lags: 40, splitBy: "time", trainFraction: 0.8 },
  });
  const start = performance.now();
  const { best, last } = await train({
    modelConfig: fileURLToPath(new URL("../experiments/model_configs/retina_flicker.yaml", import.meta.url)),
    datasetConfigsPath: dataset,
    batchSize: 512,
    maxEpochs: Number(values.epochs),
    learningRate: 3e-3,
    weightDecay: 1e-4,
    lrScheduler: "cosine_warmup",
    warmupEpochs: 1,
    warmupPerStep: true,
    gradientClipVal: 0,
    precision: "32",
    device,
    checkpointDir: join(work, "checkpoints"),
    experimentName: "retina",
    onEpoch: ({ epoch, metrics }) =>
      console.error(`epoch ${epoch + 1}: ${metrics.val_bps_overall?.toFixed(4) ?? "-"} bits/spike`),
  });
  console.log(`trained in ${((performance.now() - start) / 1000).toFixed(0)} s`);

  const { sessions } = await evaluateModelMultidataset({
    checkpoint: best?.path ?? last,
    analyses: ["bps", "correlation"],
    device,
  });
  const glm = glmScores(join(folder, "reference.json"));
  const { cids } = sessions[0]!;
  const [{ values: bps }, { values: correlation }] = headlineScores(sessions[0]!) as [UnitScore, UnitScore];
  const header = ["cell", "bits/spike", ...(glm ? ["GLM", "ratio"] : []), "correlation"];
  const rows = cids.map((cell, i) => {
    const compared = glm ? [glm[cell]!.toFixed(4), (bps[i]! / glm[cell]!).toFixed(2)] : [];
    return [String(cell), bps[i]!.toFixed(4), ...compared, correlation[i]!.toFixed(4)];
  });
  console.log(formatTable(header, rows));
} finally {
  rmSync(work, { recursive: true });
}
