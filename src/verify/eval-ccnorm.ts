/**
 * @file Golden noise ceilings and noise-corrected correlations (evaluation specification, section 8).
 */

import { analyticCcnorm, publishedCcnorm } from "../eval/repeats/analytic-ccnorm.ts";
import { type Ccnorm, type CcnormOptions, ccnorm } from "../eval/repeats/ccnorm.ts";
import type { TrialResponses } from "../eval/trials.ts";
import { trialPsth } from "../eval/trials-psth.ts";
import { toFloat64 } from "../formats/array.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

interface CcnormGolden {
  options: {
    ddof?: 0 | 1;
    min_trials_per_bin?: number;
    min_time_bins?: number;
    min_trials_per_half?: number;
    dt_hard_coded?: number;
  };
  tensors: Record<string, { rtol: number; atol: number }>;
}

type Golden = GoldenFile<CcnormGolden>;

const SPLIT_HALF = ["complete", "ragged", "few_trials", "options", "special"].map((name) => `ccnorm_${name}`);

/** Split-half and analytic noise-corrected correlations, and PSTHs. */
export function verifyCcnorm(folder: string): CaseResult[] {
  return [
    ...SPLIT_HALF.map((name) =>
      runCase(name, (compare) => compareSplitHalf(readGolden<CcnormGolden>(folder, name), compare)),
    ),
    runCase("ccnorm_analytic", (compare) => compareAnalytic(readGolden(folder, "ccnorm_analytic"), compare)),
    runCase("ccnorm_psth", (compare) => comparePsth(readGolden(folder, "ccnorm_psth"), compare)),
  ];
}

function compareSplitHalf(golden: Golden, compare: Comparison): void {
  const { options } = golden.json;
  const responses = responsesOf(golden, "in.dfs");
  const given: CcnormOptions = {
    permutations: permutationsOf(golden),
    minTrialsPerBin: options.min_trials_per_bin,
    minTimeBins: options.min_time_bins,
    minTrialsPerHalf: options.min_trials_per_half,
  };
  const reference = ccnorm(responses, { ...given, compat: "reference", ddof: options.ddof });
  close(golden, compare, "out.ccnorm", reference.ccnorm);
  close(golden, compare, "out.ccabs", reference.ccabs);
  close(golden, compare, "out.ccmax", reference.ccmax);
  close(golden, compare, "out.cchalf_mean", reference.cchalf);
  close(golden, compare, "out.cchalf_n", reference.splitsUsed);
  close(golden, compare, "ind.hsu_schoppe_components", components(reference));
  // The default differs only where the reference divides by bins - 1 on one side of a fraction.
  if (options.ddof !== 1) compare.same("default", components(ccnorm(responses, given)), components(reference));
  if (!golden.has("ind.signal_power_ccnorm_ccabs_ccmax")) return;
  const published = publishedCcnorm(responses);
  const rows = [...published.ccnorm, ...published.ccabs, ...published.ccmax];
  close(golden, compare, "ind.signal_power_ccnorm_ccabs_ccmax", rows);
}

function compareAnalytic(golden: Golden, compare: Comparison): void {
  const masked = responsesOf(golden, "in.mask");
  const full: TrialResponses = { ...masked, dfs: undefined };
  const reference = (responses: TrialResponses, ddof: 0 | 1) =>
    analyticCcnorm(responses, { compat: "reference", ddof }).values;
  close(golden, compare, "out.cc_mask_ddof0", reference(masked, 0));
  close(golden, compare, "out.cc_mask_ddof1", reference(masked, 1));
  close(golden, compare, "out.cc_full_ddof0", reference(full, 0));
  close(golden, compare, "ind.cc_signal_power", publishedCcnorm(full).ccnorm);
  close(golden, compare, "ind.cc_unbiased", analyticCcnorm(full).values);
}

function comparePsth(golden: Golden, compare: Comparison): void {
  const { rbar, rbarhat } = trialPsth(responsesOf(golden, "in.dfs"), golden.json.options.dt_hard_coded!);
  close(golden, compare, "out.rbar", rbar);
  close(golden, compare, "out.rbarhat", rbarhat);
}

function responsesOf(golden: Golden, mask: string): TrialResponses {
  const [trials, bins, units] = golden.tensor("in.robs").shape as [number, number, number];
  const read = (name: string) => toFloat64(golden.tensor(name));
  return {
    trials,
    bins,
    units,
    robs: read("in.robs"),
    rates: read("in.rhat"),
    dfs: golden.has(mask) ? read(mask) : undefined,
  };
}

function permutationsOf(golden: Golden): Float64Array[] {
  const splits = golden.tensor("in.splits");
  const [count, trials] = splits.shape as [number, number];
  const numbers = toFloat64(splits);
  return Array.from({ length: count }, (_, split) => numbers.subarray(split * trials, (split + 1) * trials));
}

function components({ ccnorm, ccabs, ccmax, cchalf, splitsUsed }: Ccnorm): number[] {
  return [...ccnorm, ...ccabs, ...ccmax, ...cchalf, ...splitsUsed];
}

function close(golden: Golden, compare: Comparison, name: string, actual: ArrayLike<number>): void {
  const { shape } = golden.tensor(name);
  const data = Float64Array.from(actual);
  compare.close(name, { dtype: "float64", shape, data }, golden.tensor(name), golden.json.tensors[name]!);
}
