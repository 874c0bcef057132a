/**
 * @file Golden covariance decomposition: utilities, single bins, trajectories, and model rates (evaluation specification,
 * section 15).
 */

import type { CovarianceParts } from "../eval/covariance/components.ts";
import { covarianceToCorrelation, upperTriangle } from "../eval/covariance/correlation-matrix.ts";
import { decomposeCovariance } from "../eval/covariance/decompose.ts";
import type { DecompositionOptions } from "../eval/covariance/decomposition-options.ts";
import { fitDensity } from "../eval/covariance/density.ts";
import { geometricMedians } from "../eval/covariance/geometric-median.ts";
import { diagonal } from "../eval/covariance/matrix.ts";
import { type ModelRates, rateVarianceComponents, splitHalfPsthVariance } from "../eval/covariance/model-rates.ts";
import { countingWindows, validSegments } from "../eval/covariance/samples.ts";
import {
  decomposeTrajectories,
  rateCovarianceByDistance,
  type TrajectoryOptions,
} from "../eval/covariance/trajectory.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import { againstTensors, type CompareTensor, type StatedTolerances } from "./eval-tensors.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

/** Options of a decomposition as the sidecars spell them. */
interface Mode {
  target: "full" | "naive" | "central";
  time_bin_weighting?: "uniform" | "trial_count";
  density?: "gaussian";
  closepair_density?: "squared";
  cpsth_method?: "split_half";
  weight_clip?: number;
  reduction?: "centroid";
}

interface DecomposeGolden extends StatedTolerances {
  options: { threshold: number; min_trials_per_time_bin: number; modes: [string, Mode][]; distance_edges: number[] };
}

interface UtilitiesGolden extends StatedTolerances {
  options: { min_len_bins: number; "windows_(count,history)": [number, number][] };
}

interface ModelRatesGolden extends StatedTolerances {
  options: { anova_min_trials: number; threshold: number; min_trials_per_phase: number };
}

/** Utilities, decompositions and model rates. */
export function verifyEvalCovariance(folder: string): CaseResult[] {
  return [
    runCase("cov_utilities", (compare) => compareUtilities(readGolden(folder, "cov_utilities"), compare)),
    runCase("cov_decompose", (compare) => compareDecompose(readGolden(folder, "cov_decompose"), compare)),
    runCase("cov_trajectory", (compare) => compareTrajectory(readGolden(folder, "cov_trajectory"), compare)),
    runCase("cov_model_rates", (compare) => compareModelRates(readGolden(folder, "cov_model_rates"), compare)),
  ];
}

function compareUtilities(golden: GoldenFile<UtilitiesGolden>, compare: Comparison): void {
  const check = againstTensors(golden, compare);
  const input = (name: string) => toFloat64(golden.tensor(`in.${name}`));
  const units = golden.tensor("in.V").shape[0]!;
  check("out.corr", covarianceToCorrelation(input("V"), units));
  check("out.corr_minvar0", covarianceToCorrelation(input("V"), units, 0));
  check("out.upper", upperTriangle(input("V"), units));

  const [trials, bins, neurons] = golden.tensor("in.robs").shape as [number, number, number];
  const { min_len_bins: minLength, "windows_(count,history)": windows } = golden.json.options;
  const segments = validSegments(input("mask"), { trials, bins, minLength });
  check(
    "out.segments",
    segments.flatMap(({ trial, start, stop }) => [trial, start, stop]),
  );
  const responses = { trials, bins, units: neurons, robs: input("robs"), eye: input("eyepos") };
  for (const [count, history] of windows) {
    const cut = countingWindows(responses, segments, { count, history });
    check(`out.counts_${count}_${history}`, cut.counts);
    check(`out.traj_${count}_${history}`, cut.trajectories);
    check(`out.tidx_${count}_${history}`, cut.bins);
  }

  check("out.geomedian", geometricMedians(input("points"), golden.tensor("in.points").shape[1]!));
  check("out.kde", fitDensity(input("kde_points"), "kde")!(input("kde_query")));
  check("out.gauss", fitDensity(input("kde_points"), "gaussian")!(input("kde_query")));
}

function compareDecompose(golden: GoldenFile<DecomposeGolden>, compare: Comparison): void {
  const check = againstTensors(golden, compare);
  const [trials, bins, units] = golden.tensor("in.counts").shape as [number, number, number];
  const input = (name: string) => toFloat64(golden.tensor(`in.${name}`));
  const responses = { trials, bins, units, robs: input("counts"), eye: input("eye"), valid: input("valid") };
  const permutations = splitOrders(golden.tensor("in.split_perm"));
  for (const [name, mode] of golden.json.options.modes) {
    const options = decompositionOptions(golden.json.options, mode);
    const split = mode.cpsth_method === "split_half" ? ({ method: "split_half", permutations } as const) : undefined;
    const parts = decomposeCovariance(responses, { ...options, psth: split });
    checkParts(name, parts, check);
    check(`out.${name}_noise_corr`, parts.noiseCorrelation);
  }
}

function compareTrajectory(golden: GoldenFile<DecomposeGolden>, compare: Comparison): void {
  const check = againstTensors(golden, compare);
  const input = (name: string) => toFloat64(golden.tensor(`in.${name}`));
  const samples = {
    units: golden.tensor("in.counts").shape[1]!,
    counts: input("counts"),
    bins: Int32Array.from(input("T_idx")),
    length: golden.tensor("in.trajectories").shape[1]!,
    trajectories: input("trajectories"),
  };
  for (const [name, mode] of golden.json.options.modes) {
    const options: TrajectoryOptions = decompositionOptions(golden.json.options, mode);
    const parts = decomposeTrajectories(samples, { ...options, reduction: mode.reduction });
    checkParts(name, parts, check);
    check(`out.${name}_n`, [parts.timeBins, parts.samples, parts.closePairs]);
  }
  const { distance_edges, min_trials_per_time_bin: minTrialsPerBin } = golden.json.options;
  const distance = rateCovarianceByDistance(samples, distance_edges, { minTrialsPerBin });
  check("out.dist_centers", distance.centres);
  check("out.dist_count", distance.pairs);
  check("out.dist_Ceye", distance.covariance);
  check("out.dist_Erate", distance.meanRate);
}

function compareModelRates(golden: GoldenFile<ModelRatesGolden>, compare: Comparison): void {
  const check = againstTensors(golden, compare);
  const [trials, bins, units] = golden.tensor("in.rate").shape as [number, number, number];
  const input = (name: string) => toFloat64(golden.tensor(`in.${name}`));
  const rates = { trials, bins, units, rates: input("rate"), valid: input("valid") };
  const { anova_min_trials, threshold, min_trials_per_phase } = golden.json.options;
  check("out.anova", anovaRows(rates));
  check("out.anova_min", anovaRows(rates, anova_min_trials));
  check("out.splithalf", splitHalfPsthVariance(rates, { permutations: splitOrders(golden.tensor("in.split_perm")) }));
  const parts = decomposeCovariance(
    { ...rates, robs: rates.rates, eye: input("eye") },
    { threshold, minTrialsPerBin: min_trials_per_phase },
  );
  check("out.pipe_one_minus_alpha", parts.oneMinusAlpha);
  check("out.pipe_crate_diag", diagonal(parts.rate, units));
  check("out.pipe_cpsth_diag", diagonal(parts.psth, units));
  // A unit whose rate never varies, in 4 trials of 3 bins.
  check("out.degenerate", anovaRows({ trials: 4, bins: 3, units: 1, rates: new Float64Array(12).fill(1) }));
}

/** Fields of the analysis of variance, one row per unit. */
function anovaRows(rates: ModelRates, minTrialsPerBin?: number): number[] {
  const anova = rateVarianceComponents(rates, { minTrialsPerBin });
  return Array.from({ length: rates.units }, (_, unit) => [
    anova.within[unit]!,
    anova.between[unit]!,
    anova.total[unit]!,
    anova.oneMinusAlpha[unit]!,
    anova.timeBins[unit]!,
    anova.samples[unit]!,
  ]).flat();
}

function checkParts(mode: string, parts: CovarianceParts, check: CompareTensor): void {
  check(`out.${mode}_Ctotal`, parts.total);
  check(`out.${mode}_Cpsth`, parts.psth);
  check(`out.${mode}_Crate`, parts.rate);
  check(`out.${mode}_CnoiseC`, parts.noise);
  check(`out.${mode}_fano`, parts.fano);
  check(`out.${mode}_Erate`, parts.meanRate);
  check(`out.${mode}_one_minus_alpha`, parts.oneMinusAlpha);
}

function decompositionOptions(
  { threshold, min_trials_per_time_bin: minTrialsPerBin }: { threshold: number; min_trials_per_time_bin: number },
  mode: Mode,
): DecompositionOptions {
  return {
    threshold,
    minTrialsPerBin,
    target: mode.target,
    weighting: mode.time_bin_weighting,
    density: mode.density,
    closePairDensity: mode.closepair_density,
    weightClip: mode.weight_clip,
  };
}

/** Orders of the samples of each time bin, [splits][bins], from a table that −1 fills up. */
function splitOrders(table: NdArray): number[][][] {
  const [splits, bins, longest] = table.shape as [number, number, number];
  const values = toFloat64(table);
  return Array.from({ length: splits }, (_, split) =>
    Array.from({ length: bins }, (_, bin) =>
      [...values.subarray((split * bins + bin) * longest, (split * bins + bin + 1) * longest)].filter((i) => i >= 0),
    ),
  );
}
