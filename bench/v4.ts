/**
 * @file From images and mean responses in macaque V4 to scores: converts, trains and scores as docs/examples/v4.md
 * describes, and compares the median correlation of each session with ridge regression on pixels and Gabor energy.
 *
 * `npx tsx bench/v4.ts FOLDER [--val-trials DIR] [--epochs 80] [--threads N] [--device cpu|cuda:0]`
 *
 * FOLDER holds `images_<session>_gray.npy` (uint8, [images, 112, 112]) and, in it or in `original/`,
 * `responses_avg_<session>.npy` ([neurons, images]). The regression was scored on the last fifth of a permutation by NumPy,
 * which this command writes into files for `--val-trials`:
 *
 * `python3 -c "import numpy as np; [np.save(f'val_{s}.npy', np.random.default_rng(123).permutation(n)[n * 4 // 5:]) for s, n in
 * [(210325, 640), (210224, 800), (210305, 400)]]"`
 *
 * Without it a fifth of the images is drawn at random, and the comparison is between different images.
 */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { headlineScores, summarize } from "../src/cli/format-evaluation.ts";
import { formatTable } from "../src/cli/terminal.ts";
import { convertNpy, evaluateModelMultidataset, train } from "../src/index.ts";
import { setNumThreads } from "../src/torch/index.ts";

/** Sessions in the order of the dataset file, with the regression's median correlation. */
const SESSIONS = [
  { session: "210325", ridge: 0.47 },
  { session: "210224", ridge: 0.37 },
  { session: "210305", ridge: 0.73 },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "val-trials": { type: "string" },
    epochs: { type: "string", default: "80" },
    threads: { type: "string", default: String(cpus().length) },
    device: { type: "string", default: "cpu" },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("Name the folder with images_<session>_gray.npy");
const { "val-trials": valFolder, device } = values;
setNumThreads(Number(values.threads));

function responsesOf(session: string): string {
  const name = `responses_avg_${session}.npy`;
  const inFolder = join(folder!, name);
  return existsSync(inFolder) ? inFolder : join(folder!, "original", name);
}

const work = mkdtempSync(join(tmpdir(), "v4-"));
try {
  const dataset = join(work, "v4.yaml");
  for (const { session } of SESSIONS) {
    convertNpy({
      stim: join(folder, `images_${session}_gray.npy`),
      robs: responsesOf(session),
      robsAxes: "nt",
      height: 28,
      width: 28,
      frameSeconds: 0.1,
      trials: { kind: "frame" },
      valTrials: valFolder === undefined ? undefined : join(valFolder, `val_${session}.npy`),
      session: `Pe_${session}`,
      type: "images",
      out: work,
      datasetConfig: { path: dataset, lags: 1, splitBy: "trial", trainFraction: 0.8 },
    });
  }
  const start = performance.now();
  const { best, last } = await train({
    modelConfig: fileURLToPath(new URL("../experiments/model_configs/v4_images.yaml", import.meta.url)),
    datasetConfigsPath: dataset,
    batchSize: 64,
    maxEpochs: Number(values.epochs),
    learningRate: 5e-3,
    weightDecay: 0.5,
    lrScheduler: "cosine_warmup",
    warmupEpochs: 2,
    warmupPerStep: true,
    gradientClipVal: 10,
    precision: "32",
    device,
    checkpointDir: join(work, "checkpoints"),
    experimentName: "v4",
  });
  console.log(`trained in ${((performance.now() - start) / 1000).toFixed(0)} s`);

  const { sessions } = await evaluateModelMultidataset({
    checkpoint: best?.path ?? last,
    analyses: ["correlation"],
    device,
  });
  const rows = SESSIONS.map(({ session, ridge }, i) => {
    const { median } = summarize(headlineScores(sessions[i]!)[0]!.values);
    return [session, median.toFixed(3), ridge.toFixed(2), (median / ridge).toFixed(2)];
  });
  console.log(formatTable(["session", "median correlation", "ridge", "ratio"], rows));
  if (valFolder === undefined) console.log("Ridge was scored on other images: --val-trials");
} finally {
  rmSync(work, { recursive: true });
}
