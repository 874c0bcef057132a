/**
 * @file Golden trials of repeated stimuli: aligned, cleaned, and prepared for analyses of covariance (evaluation
 * specification, sections 8.1, 13 and 15.5).
 */

import { alignImages } from "../eval/fixrsvp/align-images.ts";
import { scaledBins, withMinimumFixation, withoutDuplicates } from "../eval/fixrsvp/clean.ts";
import { type CovarianceTrialOptions, covarianceTrials } from "../eval/fixrsvp/covariance-trials.ts";
import type { FixationTrials } from "../eval/fixrsvp/fixation-trials.ts";
import { ccnorm } from "../eval/repeats/ccnorm.ts";
import { alignTrials } from "../eval/trials.ts";
import { trialPsth } from "../eval/trials-psth.ts";
import { toFloat64 } from "../formats/array.ts";
import { type CaseResult, type Comparison, readGolden, runCase } from "./golden.ts";

interface Sidecar<Options> {
  options: Options;
  tensors: Record<string, { atol?: number; rtol?: number }>;
  agreement: Record<string, number>;
}

/** A golden case whose outputs are compared with the tolerances that its JSON states. */
function openCase<Options>(folder: string, name: string) {
  const golden = readGolden<Sidecar<Options>>(folder, name);
  return {
    ...golden.json,
    floats: (tensor: string) => toFloat64(golden.tensor(tensor)),
    shape: (tensor: string) => golden.tensor(tensor).shape,
    /** Compares values in row-major order with an output of their number. */
    close(compare: Comparison, tensor: string, values: ArrayLike<number>): void {
      const { atol = 0, rtol = 0 } = golden.json.tensors[tensor]!;
      compare.close(tensor, values, toFloat64(golden.tensor(tensor)), { atol, rtol });
    },
  };
}

/** `fixrsvp_trials`, `fixrsvp_cleaning`, `cov_align_trials`. */
export function verifyTrials(folder: string): CaseResult[] {
  return [
    runCase("fixrsvp_trials", (compare) => compareTrials(folder, compare)),
    runCase("fixrsvp_cleaning", (compare) => compareCleaning(folder, compare)),
    ...compareCovarianceTrials(folder),
  ];
}

function compareTrials(folder: string, compare: Comparison): void {
  const { floats, shape, close, options } = openCase<{
    dt: number;
    min_trials_per_bin: number;
    min_time_bins: number;
  }>(folder, "fixrsvp_trials");
  const units = shape("in.robs")[1]!;
  const order = [...floats("in.train_inds"), ...floats("in.val_inds")];
  const inOrder = (values: Float64Array, width: number) =>
    order.flatMap((frame) => Array.from(values.subarray(frame * width, (frame + 1) * width)));
  const aligned = alignTrials({
    units,
    trialInds: inOrder(floats("in.trial_inds"), 1),
    psthInds: inOrder(floats("in.psth_inds"), 1),
    robs: inOrder(floats("in.robs"), units),
    rates: floats("in.rhat_eval_order"),
    dfs: inOrder(floats("in.dfs"), units),
  });
  compare.same("trials × bins × units", [aligned.trials, aligned.bins, aligned.units], shape("out.robs_trial"));
  close(compare, "out.robs_trial", aligned.robs);
  close(compare, "out.rhat_trial", aligned.rates);
  close(compare, "out.dfs_trial", aligned.dfs);
  const { rbar, rbarhat } = trialPsth(aligned, options.dt);
  close(compare, "out.rbar", rbar);
  close(compare, "out.rbarhat", rbarhat);
  const [splits, trials] = shape("in.splits") as [number, number];
  const orders = floats("in.splits");
  const scores = ccnorm(aligned, {
    permutations: Array.from({ length: splits }, (_, split) => orders.subarray(split * trials, (split + 1) * trials)),
    minTrialsPerBin: options.min_trials_per_bin,
    minTimeBins: options.min_time_bins,
    compat: "reference",
  });
  close(compare, "out.ccnorm", scores.ccnorm);
  close(compare, "out.ccnorm_clipped", scores.clipped);
  close(compare, "out.ccabs", scores.ccabs);
  close(compare, "out.ccmax", scores.ccmax);
}

function compareCleaning(folder: string, compare: Comparison): void {
  const golden = openCase<{ min_fixation_bins: number; salvageable_mismatch_time_threshold: number }>(
    folder,
    "fixrsvp_cleaning",
  );
  const { floats, shape, options, agreement } = golden;
  const [trials, bins, units] = shape("in.robs") as [number, number, number];
  const given: FixationTrials = {
    trials,
    bins,
    units,
    trialNumbers: Float64Array.from({ length: trials }, (_, trial) => trial),
    robs: floats("in.robs"),
    dfs: floats("in.dfs"),
    eyepos: floats("in.eyepos"),
    fixDur: floats("in.fix_dur"),
    imageIds: Int32Array.from(floats("in.image_ids")),
    frames: Int32Array.from({ length: trials * bins }, (_, frame) => frame),
  };
  const compareStep = (step: string, found: FixationTrials) => {
    compare.same(`${step} trials`, found.trials, shape(`out.${step}_robs`)[0]);
    golden.close(compare, `out.${step}_robs`, found.robs);
    golden.close(compare, `out.${step}_dfs`, found.dfs);
    golden.close(compare, `out.${step}_eyepos`, found.eyepos);
    golden.close(compare, `out.${step}_fix_dur`, found.fixDur);
    golden.close(compare, `out.${step}_image_ids`, found.imageIds);
  };
  const unique = withoutDuplicates(given);
  compareStep("dedup", unique);
  const fixating = withMinimumFixation(unique, options.min_fixation_bins);
  compareStep("minfix", fixating);
  const aligned = alignImages(fixating, { salvageable: options.salvageable_mismatch_time_threshold });
  compareStep("aligned", aligned.trials);
  golden.close(compare, "out.reference_trial", [aligned.reference]);
  golden.close(
    compare,
    "out.unmatched",
    aligned.mismatches.flatMap(({ trial, bin }) => [trial, bin]),
  );
  compare.same("20 bins at 120 Hz", scaledBins(20, 120), agreement.bins_20_at_120hz);
  compare.same("25 bins at 120 Hz", scaledBins(25, 120), agreement.bins_25_at_120hz);
}

interface CovarianceOptions {
  min_total_spikes: number;
  fixation_radius?: number;
  fixation_center?: CovarianceTrialOptions["center"];
  require_dpi_valid?: boolean;
  valid_time_bins?: number;
  min_fix_dur?: number;
}

function compareCovarianceTrials(folder: string): CaseResult[] {
  const golden = openCase<{ modes: [name: string, options: CovarianceOptions][] }>(folder, "cov_align_trials");
  const { floats, shape } = golden;
  return golden.options.modes.map(([mode, given]) =>
    runCase(`cov_align_trials/${mode}`, (compare) => {
      const samples = {
        units: shape("in.robs")[1]!,
        trialInds: floats("in.trial_inds"),
        psthInds: floats("in.psth_inds"),
        robs: floats("in.robs"),
        eyepos: floats("in.eyepos"),
        dpiValid: floats("in.dpi_valid"),
      };
      const { trials } = covarianceTrials(samples, {
        validTimeBins: given.valid_time_bins,
        minFixDur: given.min_fix_dur,
        minTotalSpikes: given.min_total_spikes,
        fixationRadius: given.fixation_radius,
        center: given.fixation_center,
        requireDpiValid: given.require_dpi_valid,
      });
      if (trials === null) return compare.same("trials", null, "some");
      compare.same("shape", [trials.trials, trials.bins, trials.units], shape(`out.${mode}_robs`));
      golden.close(compare, `out.${mode}_robs`, trials.robs);
      golden.close(compare, `out.${mode}_eyepos`, trials.eyepos);
      golden.close(compare, `out.${mode}_valid`, trials.valid);
      golden.close(compare, `out.${mode}_neurons`, trials.neurons);
      golden.close(compare, `out.${mode}_meta`, [
        trials.totals.trials,
        trials.trials,
        trials.totals.units,
        trials.units,
      ]);
    }),
  );
}
