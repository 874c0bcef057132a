/**
 * @file Golden statistics: subspaces, statistical helpers, and PSTHs by bin number (evaluation specification, sections 16 to
 * 18).
 */

import { psthByBin, psthSquaredCorrelation } from "../eval/psth.ts";
import { bootstrapMean, bootstrapPairedDifference, type MeanInterval } from "../eval/statistics/bootstrap.ts";
import { falseDiscovery } from "../eval/statistics/false-discovery.ts";
import { fisherZ, fisherZMean } from "../eval/statistics/fisher-z.ts";
import { geometricMean, geometricMeanOfColumns } from "../eval/statistics/geometric-mean.ts";
import { comparablePairs } from "../eval/statistics/pairs.ts";
import { permutationP } from "../eval/statistics/permutation-p.ts";
import { quartiles } from "../eval/statistics/quantiles.ts";
import { participationRatio, projectToPsd, subspaceOverlap, varianceCapture } from "../eval/statistics/subspace.ts";
import { type Alternative, wilcoxonSignedRank } from "../eval/statistics/wilcoxon.ts";
import { toFloat64 } from "../formats/array.ts";
import { againstTensors, type CompareTensor, type StatedTolerances } from "./eval-tensors.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

interface StatsGolden extends StatedTolerances {
  options: { ci: number; null_obs: number };
}

interface PsthGolden extends StatedTolerances {
  options: { min_obs: number };
}

/** Subspaces, statistics and PSTHs. */
export function verifyEvalStatistics(folder: string): CaseResult[] {
  return [
    runCase("subspace", (compare) => compareSubspace(readGolden(folder, "subspace"), compare)),
    runCase("stats", (compare) => compareStats(readGolden(folder, "stats"), compare)),
    runCase("psth_r2", (compare) => comparePsth(readGolden(folder, "psth_r2"), compare)),
  ];
}

function compareSubspace(golden: GoldenFile<StatedTolerances>, compare: Comparison): void {
  const check = againstTensors(golden, compare);
  const input = (name: string) => toFloat64(golden.tensor(`in.${name}`));
  const units = golden.tensor("in.M").shape[0]!;
  const projected = projectToPsd(input("M"), units);
  check("out.psd", projected);
  check("out.psd_eps", projectToPsd(input("M"), units, 0.1));
  check("out.psd_nan", projectToPsd(input("M_nan"), units));
  const identity = Float64Array.from({ length: units * units }, (_, i) => (i % (units + 1) === 0 ? 1 : 0));
  check(
    "out.pr",
    [projected, identity, input("M"), new Float64Array(units * units)].map((matrix) =>
      participationRatio(matrix, units),
    ),
  );
  const [u, q] = [input("U"), input("Q")];
  check("out.overlap", [subspaceOverlap(u, q, units), subspaceOverlap(u, u, units)]);
  check("out.capture", [varianceCapture(projected, q, units), varianceCapture(projected, u, units)]);
}

function compareStats(golden: GoldenFile<StatsGolden>, compare: Comparison): void {
  const check = againstTensors(golden, compare);
  const input = (name: string) => toFloat64(golden.tensor(`in.${name}`));
  const rows = (name: string) => {
    const values = input(name);
    const width = golden.tensor(`in.${name}`).shape[1]!;
    return Array.from({ length: values.length / width }, (_, row) => values.subarray(row * width, (row + 1) * width));
  };
  const [a, b] = [input("a"), input("b")];
  check("out.geomean", [geometricMean(input("x"))]);
  check("out.geomean_axis0", geometricMeanOfColumns(input("X"), golden.tensor("in.X").shape[1]!));
  check("out.iqr", quartiles(input("x")));
  const triple = ({ mean, low, high }: MeanInterval) => [mean, low, high];
  const level = golden.json.options.ci;
  check("out.boot_mean", triple(bootstrapMean(input("x"), { level, indices: rows("boot_index_x") })));
  check("out.boot_diff", triple(bootstrapPairedDifference(a, b, { level, indices: rows("boot_index_diff") })));
  const rho = input("rho");
  check(
    "out.fisher",
    rho.map((r) => fisherZ(r)),
  );
  check("out.fisher_mean", [fisherZMean(rho), fisherZMean([...rho, Number.NaN])]);
  const observed = golden.json.options.null_obs;
  check("out.emp", [permutationP(observed, input("null")), permutationP(observed, input("null"), "less")]);
  compareWilcoxon(golden, check);
  const bh = falseDiscovery(input("pvals"));
  check("out.fdr_adjusted", bh.adjusted);
  check("ind.fdr_bh", bh.adjusted);
  check("out.fdr_reject", bh.rejected);
  check("out.fdr_by_adjusted", falseDiscovery(input("pvals"), { anyDependence: true }).adjusted);
  check("out.paired_mask", comparablePairs(a, b));
  check("out.paired_mask_any", comparablePairs(a, b, { positive: false }));
}

function compareWilcoxon(golden: GoldenFile<StatsGolden>, check: CompareTensor): void {
  const input = (name: string) => toFloat64(golden.tensor(`in.${name}`));
  const test = (a: Float64Array, b: Float64Array, alternative?: Alternative) => {
    const { statistic, p } = wilcoxonSignedRank(a, b, alternative);
    return [statistic, p];
  };
  for (const alternative of ["two-sided", "greater", "less"] as const) {
    check(`out.wilcoxon_${alternative}`, test(input("a"), input("b"), alternative));
  }
  check("out.wilcoxon_ties", test(input("a_round"), input("b_round")));
  const big = input("big");
  check("out.wilcoxon_large", test(big, new Float64Array(big.length)));
}

function comparePsth(golden: GoldenFile<PsthGolden>, compare: Comparison): void {
  const check = againstTensors(golden, compare);
  const units = golden.tensor("in.robs").shape[1]!;
  const psth = psthByBin(
    {
      robs: Float32Array.from(toFloat64(golden.tensor("in.robs"))),
      rates: Float32Array.from(toFloat64(golden.tensor("in.rhat"))),
      units,
      psthInds: toFloat64(golden.tensor("in.psth_inds")),
    },
    { minSamples: golden.json.options.min_obs },
  );
  check("out.psth", psth.observed);
  check("out.psth_hat", psth.predicted);
  check("ind.r2", psthSquaredCorrelation(psth, units));
}
