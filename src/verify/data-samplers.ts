/**
 * @file Golden splits, permutations and samplers (data specification, sections 10 and 14).
 */
import { Curriculum } from "../data/curriculum.ts";
import { MersenneTwister, permutation } from "../data/random.ts";
import { distributedOrder, sessionOffsets, TrainSampler } from "../data/samplers.ts";
import { divideTrials, splitByTrial, splitSections } from "../data/split.ts";
import { toFloat64 } from "../formats/array.ts";
import { goldenRecording } from "./data-sessions.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase, skippedCase } from "./golden.ts";

interface SplitCase {
  id: string;
  session: string;
  type: string;
  seed: number;
  train_val_split?: number;
  train_split?: number;
  val_split?: number;
  candidates: string;
}

interface SplitGolden {
  randperm: Record<string, number[]>;
  mt19937_first_words_seed_1002: number[];
  cases: SplitCase[];
}

/** Permutations, generator words and splits by trial. */
export function verifySplits(folder: string): CaseResult[] {
  const golden = readGolden<SplitGolden>(folder, "split");
  const { randperm, mt19937_first_words_seed_1002: words, cases } = golden.json;
  return [
    runCase("split/mt19937", (compare) => {
      const generator = new MersenneTwister(1002);
      compare.exact(
        "first words",
        words.map(() => generator.next()),
        words,
      );
    }),
    ...Object.entries(randperm).map(([key, expected]) =>
      runCase(`split/randperm/${key}`, (compare) => {
        const [seed, n] = key.split("/").map(Number) as [number, number];
        compare.exact("order", permutation(n, seed), expected);
      }),
    ),
    ...cases.map((given) => {
      const { id } = given;
      if (id === "blockwise") {
        return skippedCase("split/blockwise", "the block splitter skips every other block (fault 15): left out");
      }
      if (id === "sections") return runCase("split/sections", (compare) => compareSections(compare, golden));
      return runCase(`split/${id}`, (compare) => {
        const trialInds = goldenRecording(folder, given.session, given.type).numbers("trial_inds");
        const rows = Int32Array.from(toFloat64(golden.tensor(given.candidates)));
        for (const [part, actual] of Object.entries(splitParts(trialInds, rows, given))) {
          compare.exact(part, actual, golden.tensor(`${id}/${part}`));
        }
      });
    }),
  ];
}

function compareSections(compare: Comparison, golden: GoldenFile<SplitGolden>): void {
  const sections = golden.json.cases.find(({ id }) => id === "sections") as unknown as {
    n: number;
    num_sections: number;
    val_fraction: number;
    global_seed_set_before: number;
  };
  const { n, num_sections: count, val_fraction: fraction, global_seed_set_before: seed } = sections;
  const { train, val } = splitSections(n, count, fraction, seed);
  compare.exact("train", train, golden.tensor("sections/train"));
  compare.exact("val", val, golden.tensor("sections/val"));
}

function splitParts(trialInds: Float64Array, rows: Int32Array, given: SplitCase): Record<string, Int32Array> {
  const { seed, train_val_split: trainFraction, train_split: first = 0, val_split: second = 0 } = given;
  if (trainFraction !== undefined) return { ...splitByTrial(trialInds, rows, { trainFraction, seed }) };
  const [train, val, test] = divideTrials(trialInds, rows, [first, first + second], seed);
  return { train: train!, val: val!, test: test! };
}

interface ShardCase {
  world: number;
  rank: number;
  drop_last: boolean;
  seed: number;
  epoch: number;
  order_bit_exact?: number[];
  order_after_warmup_bit_exact?: number[];
}

interface CurriculumCase extends ShardCase {
  sample_contrasts: number[];
  weights_step0: number[];
  weights_step4000: number[];
}

/** The reference's weights have no floor; the least there is makes none. */
function compareWeights(compare: Comparison, given: CurriculumCase): void {
  const { sample_contrasts: contrasts, weights_step0: first, weights_step4000: half } = given;
  const curriculum = new Curriculum(Float32Array.from(contrasts), { warmupSteps: 8000, floor: Number.MIN_VALUE });
  for (const [step, expected] of [[0, first] as const, [4000, half] as const]) {
    const progress = curriculum.progress(step);
    const weights = contrasts.map((_, sample) => curriculum.weight(sample, progress));
    compare.close(`weights of step ${step}`, weights, expected, { atol: 0, rtol: 1e-7 });
  }
  compare.same("step 8000 is uniform", curriculum.progress(8000), 1);
}

interface ByDatasetCase {
  batch: number;
  with_scores: boolean;
  step: number;
  /** Batches of an epoch. */
  len: number;
  /** How often each session is drawn. */
  dataset_probs: number[];
  local_contrasts: number[][];
}

/** Enough batches to tell the sessions' shares within 0.03 (three standard errors or more). */
const COUNTED_BATCHES = 3000;

/**
 * One session per batch. The reference's batches come from a stream of its library and repeat every epoch (fault 28), so
 * ours are compared in what they have in common: batches of an epoch, samples of a batch, shares of the sessions; and they
 * must not repeat.
 */
function compareHomogeneous(compare: Comparison, given: ByDatasetCase, sizes: readonly number[]): void {
  const { batch: batchSize, with_scores: withScores, step, len, dataset_probs: shares, local_contrasts } = given;
  const contrasts = Float32Array.from(local_contrasts.flat());
  const curriculum = withScores ? new Curriculum(contrasts, { warmupSteps: 8000, floor: 0.05 }) : undefined;
  const sampler = new TrainSampler({ sizes, batchSize, seed: 0, homogeneous: true, curriculum });
  compare.same("batches of an epoch", sampler.batchesPerEpoch, len);
  sampler.restore({ epoch: Math.floor(step / len), batch: step % len });
  const batches = Array.from({ length: COUNTED_BATCHES }, () => sampler.next());
  const ends = sessionOffsets(sizes).subarray(1);
  const sessionsOf = (batch: Int32Array) =>
    new Set(Array.from(batch, (sample) => ends.findIndex((end) => sample < end)));
  compare.same(
    "full batches of one session each",
    batches.every((batch) => batch.length === batchSize && sessionsOf(batch).size === 1),
    true,
  );
  const drawn = batches.map((batch) => [...sessionsOf(batch)][0]!);
  const counts = sizes.map((_, session) => drawn.filter((other) => other === session).length);
  compare.close(
    "shares of sessions",
    counts.map((count) => count / COUNTED_BATCHES),
    shares,
    { atol: 0.03, rtol: 0 },
  );
  const epochs = [0, 1].map((epoch) => batches.slice(epoch * len, (epoch + 1) * len).join());
  compare.same("epochs differ", epochs[0] !== epochs[1], true);
}

/** Distributed shuffles, the weights of the curriculum (its draws differ in either program), and batches of one session. */
export function verifySamplers(folder: string): CaseResult[] {
  const golden = readGolden<{
    sizes: number[];
    distributed: ShardCase[];
    contrast_weighted: CurriculumCase[];
    by_dataset: ByDatasetCase[];
  }>(folder, "samplers");
  const { sizes, distributed, contrast_weighted: curriculum, by_dataset: byDataset } = golden.json;
  const samples = sizes.reduce((sum, size) => sum + size, 0);
  const sharded = (kind: string, given: ShardCase, expected: number[]): CaseResult => {
    const { world, rank, drop_last: dropLast, seed, epoch } = given;
    return runCase(`samplers/${kind}/world${world}/rank${rank}/${dropLast ? "drop" : "pad"}`, (compare) => {
      compare.exact("order", distributedOrder(samples, { seed, epoch, rank, world, dropLast }), expected);
    });
  };
  return [
    ...distributed.map((given) => sharded("distributed", given, given.order_bit_exact!)),
    ...curriculum.map((given) => sharded("after_warmup", given, given.order_after_warmup_bit_exact!)),
    ...curriculum.map((given) =>
      runCase(
        `samplers/curriculum_weights/world${given.world}/rank${given.rank}/${given.drop_last ? "drop" : "pad"}`,
        (compare) => compareWeights(compare, given),
      ),
    ),
    ...byDataset.map((given) =>
      runCase(
        `samplers/by_dataset/batch${given.batch}/${given.with_scores ? "scores" : "plain"}/step${given.step}`,
        (compare) => compareHomogeneous(compare, given, sizes),
      ),
    ),
  ];
}
