/**
 * @file Drawing samples: ours against the reference's ways, at the size of a large data set.
 *
 * `npx tsx bench/samplers.ts [--samples 12000000]`
 *
 * The reference permutes all samples for every epoch and makes a list of them, and draws weighted batches without
 * replacement from all weights. Targets: an epoch's shuffle within 0.3 s, a weighted draw of 256 within 0.2 ms. What a
 * curriculum costs once, the contrast of every frame, is measured by itself.
 */

import { parseArgs } from "node:util";
import { Curriculum, frameContrasts } from "../src/data/curriculum.ts";
import { permutation } from "../src/data/random.ts";
import { TrainSampler } from "../src/data/samplers.ts";
import { Generator, ops, randn, scope, setNumThreads, tensor } from "../src/torch/index.ts";

const { values: flags } = parseArgs({ options: { samples: { type: "string", default: "12000000" } } });
const samples = Number(flags.samples);
const BATCH = 256;
/** Batches of an epoch, as in production runs. */
const STEPS = 512;
setNumThreads(1);

function milliseconds(body: () => unknown): number {
  const started = performance.now();
  body();
  return performance.now() - started;
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const report = (what: string, ours: number, reference: number) =>
  console.log(
    `${what}: ${ours.toFixed(3)} ms, reference ${reference.toFixed(1)} ms, ratio ${(reference / ours).toFixed(1)}`,
  );

console.log(`${samples} samples`);
const common = { sizes: [samples], batchSize: BATCH, seed: 1, batchesPerEpoch: STEPS };
const shuffle = [1, 2, 3].map(() =>
  milliseconds(() => {
    const sampler = new TrainSampler(common);
    for (let step = 0; step < STEPS; step++) sampler.next();
  }),
);
report(
  `an epoch of ${STEPS} shuffled batches`,
  median(shuffle),
  milliseconds(() => Array.from(permutation(samples, 1))),
);

const contrasts = scope(() => randn([samples], new Generator(1)).abs().toTypedArray()) as Float32Array;
const curriculum = new Curriculum(contrasts, { warmupSteps: 8000, floor: 0.05 });
const sampler = new TrainSampler({ ...common, curriculum });
const draws = Array.from({ length: 400 }, () => milliseconds(() => sampler.next()));
const weights = tensor(contrasts).clamp(0.05, 1);
const reference = [1, 2, 3].map(() => milliseconds(() => scope(() => void ops.multinomial(weights, BATCH, false))));
report(`a weighted draw of ${BATCH}`, median(draws), median(reference));

const frames = 20_000;
const pixels = 51 * 51;
const stim = Uint8Array.from({ length: frames * pixels }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
const scoring = [1, 2, 3].map(() => milliseconds(() => frameContrasts({ stim, frames, type: "noise" }, "bench")));
console.log(
  `contrasts of ${frames} frames of 51 x 51: ${((median(scoring) * 1e6) / stim.length).toFixed(1)} ns per pixel`,
);
