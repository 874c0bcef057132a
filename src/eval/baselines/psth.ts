/**
 * @file What repeats of a stimulus tell: the average response to the training repeats, as a prediction of the others.
 */

import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";
import { type Observations, observe } from "../predict.ts";
import { type Baseline, requireSameUnits } from "./baseline.ts";
import { meanRates } from "./mean-rate.ts";

/** Repeats' worth of mean rate that an average may be drawn by; the last one makes it the mean rate. */
const SHRINKAGES = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 1e9] as const;

/** Averages over repeats of a session. */
export interface PsthBaseline extends Baseline {
  readonly kind: "psth";
  /** Repeats' worth of mean rate that was added to each unit's averages, [units]. */
  readonly shrinkage: Float64Array;
}

/** What says which samples are repeats of one another. */
export interface PsthOptions {
  /**
   * Columns of one number per frame that must be alike, beside the stimulus type; `psth_inds`, the frame within a
   * repeat, by default. Preparation drops them unless `keepKeys` names them.
   */
  repeatKeys?: readonly string[] | undefined;
}

/**
 * The rate of every unit in every frame of a repeated stimulus:
 *
 *   rate(frame) = (Σ w·y + κ·mean) / (Σ w + κ), sums over the training repeats of the frame
 *
 * κ, the number of repeats that the mean rate counts for, is the one with the largest Poisson likelihood of each
 * training sample given the others (from 1/4 to infinity, per unit). It keeps a frame without spikes from predicting
 * that there never will be any (empirical Bayes with a Gamma prior: Efron & Morris, J Am Stat Assoc 1973). A sample
 * that is itself a training sample is predicted from the others alone, so that repeats which no model was trained on
 * can be fitted and predicted at once. Frames that training never showed have the mean rate of the training repeats;
 * types that lack a key are not looked at.
 *
 * @throws UserError when no training sample has a repeat
 */
export function fitPsth(train: SampleSet, { repeatKeys = ["psth_inds"] }: PsthOptions = {}): PsthBaseline {
  const hasKeys = train.recordings.map((recording) => repeatKeys.every((key) => recording.has(key)));
  const repeated = train.subset([...train.recordingOf.keys()].filter((i) => hasKeys[train.recordingOf[i]!]));
  const responses = observe(repeated);
  const { units } = responses;
  const mean = meanRates(responses);
  const groups = groupSamples(repeated, repeatGroups(repeated, repeatKeys));
  const sums = sumGroups(responses, groups);
  if (!sums.samples.some((samples) => samples > 1)) {
    throw new UserError(`Cannot average repeats of session "${train.session}": no training sample has another repeat`, {
      hint: `Samples are repeats when their type and ${repeatKeys.join(", ")} agree; keepKeys makes preparation keep columns.`,
    });
  }
  const shrinkage = chooseShrinkage(responses, groups, sums, mean);
  const identity = { session: train.session, units };
  const own = new Map(Array.from(repeated.frameOf, (frame, i) => [`${repeated.recordingOf[i]}:${frame}`, i]));
  return {
    kind: "psth",
    ...identity,
    notes: [],
    shrinkage,
    async predict(set) {
      requireSameUnits(identity, set);
      const groupOfSample = repeatGroups(set, repeatKeys);
      const sharesRecordings = set.recordings.every((recording, i) => recording === train.recordings[i]);
      const rates = new Float32Array(set.length * units);
      for (let i = 0; i < set.length; i++) {
        const name = groupOfSample(i);
        const group = name === undefined ? undefined : groups.members.get(name);
        const trained = sharesRecordings ? own.get(`${set.recordingOf[i]}:${set.frameOf[i]}`) : undefined;
        for (let unit = 0; unit < units; unit++) {
          const without = trained === undefined ? undefined : trained * units + unit;
          rates[i * units + unit] = shrunkRate(responses, sums, group, unit, without, mean[unit]!, shrinkage[unit]!);
        }
      }
      return rates;
    },
  };
}

/** The group of every sample of a set: its type and the values of the keys; undefined where its recording lacks one. */
function repeatGroups(set: SampleSet, keys: readonly string[]): (sample: number) => string | undefined {
  const columns = set.recordings.map((recording) =>
    keys.every((key) => recording.has(key)) ? keys.map((key) => recording.numbers(key)) : undefined,
  );
  return (sample) => {
    const recording = set.recordingOf[sample]!;
    const values = columns[recording]?.map((column) => column[set.frameOf[sample]!]);
    return values && [set.recordings[recording]!.type, ...values].join(":");
  };
}

interface Groups {
  /** Number of every group by name. */
  members: Map<string, number>;
  /** Group of every training sample, [samples]. */
  positions: Int32Array;
}

function groupSamples(train: SampleSet, groupOf: (sample: number) => string | undefined): Groups {
  const members = new Map<string, number>();
  const positions = Int32Array.from({ length: train.length }, (_, i) => {
    const name = groupOf(i)!;
    const known = members.get(name) ?? members.size;
    members.set(name, known);
    return known;
  });
  return { members, positions };
}

/** Sums over each group: samples, [groups]; weighted spikes and weights, [groups, units]. */
interface GroupSums {
  samples: Int32Array;
  spikes: Float64Array;
  weights: Float64Array;
}

function sumGroups({ robs, dfs, units }: Observations, { members, positions }: Groups): GroupSums {
  const samples = new Int32Array(members.size);
  const spikes = new Float64Array(members.size * units);
  const weights = new Float64Array(members.size * units);
  positions.forEach((group, i) => {
    samples[group]! += 1;
    for (let unit = 0; unit < units; unit++) {
      const weight = dfs[i * units + unit]!;
      if (!(weight > 0)) continue;
      spikes[group * units + unit]! += weight * robs[i * units + unit]!;
      weights[group * units + unit]! += weight;
    }
  });
  return { samples, spikes, weights };
}

/** Rate of a unit in a group of repeats, leaving out the training cell `without` if it is one of them. */
function shrunkRate(
  { robs, dfs, units }: Observations,
  { spikes, weights }: GroupSums,
  group: number | undefined,
  unit: number,
  without: number | undefined,
  mean: number,
  shrinkage: number,
): number {
  if (group === undefined) return mean;
  let sum = spikes[group * units + unit]!;
  let weight = weights[group * units + unit]!;
  if (without !== undefined && dfs[without]! > 0) {
    sum -= dfs[without]! * robs[without]!;
    weight -= dfs[without]!;
  }
  // Taking a share out again may leave the last bit below 0.
  return Math.max(0, sum + shrinkage * mean) / (Math.max(0, weight) + shrinkage);
}

/** The shrinkage of every unit under which its training samples are likeliest, each given the others. */
function chooseShrinkage(
  responses: Observations,
  { positions }: Groups,
  sums: GroupSums,
  mean: Float64Array,
): Float64Array {
  const { robs, dfs, units } = responses;
  return Float64Array.from({ length: units }, (_, unit) => {
    let best: number = SHRINKAGES.at(-1)!;
    let highest = Number.NEGATIVE_INFINITY;
    for (const shrinkage of SHRINKAGES) {
      let likelihood = 0;
      positions.forEach((group, i) => {
        const cell = i * units + unit;
        if (!(dfs[cell]! > 0)) return;
        const rate = shrunkRate(responses, sums, group, unit, cell, mean[unit]!, shrinkage);
        likelihood += dfs[cell]! * (robs[cell]! === 0 ? -rate : robs[cell]! * Math.log(rate) - rate);
      });
      if (likelihood > highest) {
        highest = likelihood;
        best = shrinkage;
      }
    }
    return best;
  });
}
