/**
 * @file Golden losses, bits per spike, validation summaries and readout biases (training specification, sections 6 to 9).
 */
import type { NdArray } from "../formats/array.ts";
import { type AuxiliaryLoss, type HasAuxiliaryLosses, poissonLoss, squaredErrorLoss } from "../models/losses.ts";
import { fromArray, gradientsOf, Module, ModuleList, scope, type Tensor } from "../torch/index.ts";
import { AuxiliaryLosses } from "../training/aux-loss.ts";
import { biasForRate, unitRates } from "../training/bias-init.ts";
import { BitsPerSpike, sumScores } from "../training/bits-per-spike.ts";
import { type GroupLoss, validationMetrics } from "../training/metrics.ts";
import { meanLoss } from "../training/step.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

interface LossCase {
  index: number;
  name: string;
  log_input: boolean;
  clamp_min: number | null;
  has_mask: boolean;
}

interface LossGolden {
  cases: LossCase[];
  aux_loss: { lambda_pred: number; value: number }[];
  step_aggregation: { group_losses: (number | string)[]; step_loss: number }[];
}

/** Loss values and gradients; the means over finite group losses are part of the trajectories. */
export function verifyLosses(folder: string): CaseResult[] {
  const golden = readGolden<LossGolden>(folder, "losses");
  return [
    ...golden.json.cases.map((golded) =>
      runCase(`losses/${golded.name}`, (compare) => scope(() => compareLoss(compare, golden, golded))),
    ),
    runCase("losses/aux_loss", (compare) => scope(() => compareAuxiliaryLoss(compare, golden))),
    runCase("losses/step_aggregation", (compare) => {
      for (const [i, { group_losses, step_loss }] of golden.json.step_aggregation.entries()) {
        const losses = group_losses.map((loss) => ({ session: "", loss: Number(loss), samples: 1 }));
        compare.close(`step ${i}`, [meanLoss(losses)], [step_loss], { atol: 0, rtol: 1e-6 });
      }
    }),
  ];
}

/** A module whose errors the golden file has, in a tree as a model is. */
class Predicting extends Module implements HasAuxiliaryLosses {
  readonly #errors: NdArray;

  constructor(errors: NdArray) {
    super();
    this.#errors = errors;
  }

  takeAuxiliaryLosses(): AuxiliaryLoss[] {
    return [{ name: "prediction", value: squaredErrorLoss(fromArray(this.#errors)).keep() }];
  }
}

function compareAuxiliaryLoss(compare: Comparison, golden: GoldenFile<LossGolden>): void {
  const root = new ModuleList([new Predicting(golden.tensor("aux.pred_err"))]);
  for (const { lambda_pred: weight, value } of golden.json.aux_loss) {
    const loss = new AuxiliaryLosses(root, weight).take();
    compare.close(`weight ${weight}`, [loss?.item() ?? Number.NaN], [value], { atol: 0, rtol: 1e-6 });
  }
  const [first] = golden.json.aux_loss;
  const loss = new AuxiliaryLosses(root).take();
  compare.close("default weight", [loss?.item() ?? Number.NaN], [first!.value], { atol: 0, rtol: 1e-6 });
}

function compareLoss(compare: Comparison, golden: GoldenFile<LossGolden>, golded: LossCase): void {
  const { index, log_input: logInput, clamp_min: bound, has_mask: hasMask } = golded;
  const input = (name: string) => fromArray(golden.tensor(`c${index}.${name}`)).clone();
  const prediction = input("rhat").setRequiresGrad();
  const bounded = bound === null ? prediction : prediction.clamp(bound);
  const loss = poissonLoss(bounded, input("robs"), hasMask ? input("dfs") : null, { logInput, legacyMask: true });
  const [gradient] = gradientsOf([loss], [prediction]);
  compare.close("loss", loss.detach().reshape([1]).toArray(), golden.tensor(`c${index}.loss`), { atol: 0, rtol: 1e-6 });
  compare.relative("gradient", gradient!.toArray(), golden.tensor(`c${index}.grad_rhat`), 1e-6);
}

interface ScoreGolden {
  cases: { index: number; name: string; has_mask: boolean }[];
  aggregator: { batch_sizes: number[] };
}

/** Differences between log-likelihoods of float32 sums, in bits. */
const SCORE_TOLERANCE = { atol: 2e-6, rtol: 1e-5 };

/** Bits per spike per unit. */
export function verifyBitsPerSpike(folder: string): CaseResult[] {
  const golden = readGolden<ScoreGolden>(folder, "bps");
  const input = (name: string) => fromArray(golden.tensor(name));
  const { cases, aggregator } = golden.json;
  return [
    ...cases.map(({ index, name, has_mask: hasMask }) =>
      runCase(`bps/${name}`, (compare) => {
        const batch = { rate: input(`c${index}.r_pred`), counts: input(`c${index}.r_obs`) };
        const scores = scoresOf([{ ...batch, mask: hasMask ? input(`c${index}.dfs`) : null }]);
        compare.close("scores", scores, golden.tensor(`c${index}.bps`), SCORE_TOLERANCE);
      }),
    ),
    runCase("bps/aggregator", (compare) => {
      const batches = aggregator.batch_sizes.map((_, j) => ({
        rate: input(`agg.b${j}.rhat`),
        counts: input(`agg.b${j}.robs`),
        mask: input(`agg.b${j}.dfs`),
      }));
      compare.close("scores", scoresOf(batches), golden.tensor("agg.bps"), SCORE_TOLERANCE);
    }),
  ];
}

interface ScoredBatch {
  rate: Tensor;
  counts: Tensor;
  mask: Tensor | null;
}

function scoresOf(batches: readonly ScoredBatch[]): Float64Array {
  const scorer = new BitsPerSpike(batches[0]!.rate.shape[1] ?? 1, { poisonMasked: true });
  for (const { rate, counts, mask } of batches) scorer.add(rate, counts, mask);
  const scores = scorer.scores({ silent: "formula" });
  scorer.dispose();
  return scores;
}

interface ValidationGolden {
  sessions: { name: string; units: number }[];
  world_size: number;
  batches: { rank: number; ds: number; batch: number; n: number; loss: number }[];
  local_sum_count_by_rank: { sum: number; count: number }[][];
  expected_all_ranks: Record<string, number>;
  val_loss: { across_ranks: number };
  rank0_only: { val_loss_by_subject: Record<string, number> };
  single_rank_view: Record<string, number>[];
}

/** Summaries of a validation on two processes, with the reference's rule: scores of each process are added up. */
export function verifyValidation(folder: string): CaseResult[] {
  const golden = readGolden<ValidationGolden>(folder, "val_epoch");
  const { sessions, world_size: world, batches, ...expected } = golden.json;
  const ranks = Array.from({ length: world }, (_, rank) => rank);
  const losses = ranks.map((rank) => groupLossesOf(golden.json, rank));
  const sums = ranks.map((rank) =>
    sessions.map((_, ds) => {
      const own = batches.filter((batch) => batch.rank === rank && batch.ds === ds);
      if (own.length === 0) return { sum: 0, count: 0 };
      const input = (batch: number, name: string) => fromArray(golden.tensor(`rank${rank}.ds${ds}.b${batch}.${name}`));
      const scored = own.map(({ batch }) => ({
        rate: input(batch, "rhat"),
        counts: input(batch, "robs"),
        mask: input(batch, "dfs"),
      }));
      return sumScores(scoresOf(scored));
    }),
  );
  const metrics = (which: readonly number[]) =>
    validationMetrics({
      losses: which.map((rank) => losses[rank]!),
      scores: sessions.map(({ name }, ds) => ({
        session: name,
        sum: which.reduce((total, rank) => total + sums[rank]![ds]!.sum, 0),
        count: which.reduce((total, rank) => total + sums[rank]![ds]!.count, 0),
      })),
    });
  return [
    runCase("val_epoch/all_ranks", (compare) => {
      const flat = (values: { sum: number; count: number }[][]) =>
        values.flat().flatMap(({ sum, count }) => [sum, count]);
      compare.close("sums and counts", flat(sums), flat(expected.local_sum_count_by_rank), SCORE_TOLERANCE);
      const actual = metrics(ranks);
      compareMetrics(compare, actual, expected.expected_all_ranks);
      compareMetrics(compare, actual, { val_loss: expected.val_loss.across_ranks });
      compareMetrics(compare, actual, expected.rank0_only.val_loss_by_subject);
    }),
    ...expected.single_rank_view.map((view, rank) =>
      runCase(`val_epoch/rank${rank}`, (compare) => compareMetrics(compare, metrics([rank]), view)),
    ),
  ];
}

function groupLossesOf({ batches, sessions }: ValidationGolden, rank: number): GroupLoss[] {
  return batches
    .filter((batch) => batch.rank === rank)
    .map(({ ds, n, loss }) => ({ session: sessions[ds]!.name, loss, samples: n }));
}

function compareMetrics(compare: Comparison, actual: Record<string, number>, expected: Record<string, number>): void {
  for (const [key, value] of Object.entries(expected))
    compare.close(key, [actual[key] ?? Number.NaN], [value], SCORE_TOLERANCE);
}

interface BiasCase {
  index: number;
  units: number;
  parts: number[];
  mask: "2d" | "1d" | null;
  log_input: boolean;
}

/** Readout biases from firing rates. */
export function verifyBiasInitialisation(folder: string): CaseResult[] {
  const golden = readGolden<{ cases: BiasCase[] }>(folder, "bias_init");
  return golden.json.cases.map(({ index, units, parts, mask, log_input: logInput }) =>
    runCase(`bias_init/${index}`, (compare) => {
      const floats = (name: string) => (golden.tensor(name) as NdArray & { data: Float32Array }).data;
      const sources = parts.map((_, j) => ({
        robs: floats(`c${index}.part${j}.robs`),
        units,
        dfs: mask === null ? undefined : floats(`c${index}.part${j}.dfs`),
        dfsColumns: mask === "2d" ? units : 1,
      }));
      const biases = Array.from(unitRates(sources), (rate) => biasForRate(rate, logInput));
      compare.close("biases", biases, golden.tensor(`c${index}.bias`), { atol: 1e-6, rtol: 1e-6 });
    }),
  );
}
