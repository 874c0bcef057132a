/**
 * @file Poisson regression of a session's spikes on features of the stimulus and, if asked for, on each unit's own
 * past: which samples it is fitted on, how strongly it is regularised, and what it predicts. The objective is described
 * in `poisson-fit.ts`.
 */

import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";
import { ops, type Tensor, tensor } from "../../torch/index.ts";
import { observe } from "../predict.ts";
import { type RunOptions, requireSameUnits } from "./baseline.ts";
import { centredFeatures } from "./centred-features.ts";
import { meanRates } from "./mean-rate.ts";
import { PoissonDesign } from "./poisson-design.ts";
import { type Link, ratesOf } from "./poisson-link.ts";
import { unitCount } from "./responses.ts";
import { fitSelected } from "./ridge-selection.ts";
import { sampleSpace } from "./sample-space.ts";
import { spikeHistory } from "./spike-history.ts";
import { frameShape, inFrameOrder, type StimulusFeatures, streamFeatures, thinned } from "./stimulus-features.ts";

/** How a regression is fitted. */
export interface PoissonModelOptions extends RunOptions {
  link: Link;
  /** Earlier frames of its own spikes that a unit is regressed on; 0 for none. */
  historyLags: number;
  /** Bytes that the fit may take: where the training samples need more, evenly spaced ones are used. */
  memory?: number | undefined;
}

/** A fitted regression, host arrays only. */
export interface PoissonModel {
  session: string;
  units: number;
  features: StimulusFeatures;
  link: Link;
  /** Weight of every feature, [features, units]; NaN for a unit without valid samples. */
  weights: Float64Array;
  /** Added drive for each earlier spike, nearest frame first, [historyLags, units]. */
  history: Float64Array;
  /** [units]. */
  constant: Float64Array;
  /** Strength of the penalty that was selected for every unit, [units]. */
  ridge: Float64Array;
  /** Training samples that the fit used. */
  samples: number;
  notes: string[];
}

const DEFAULT_MEMORY = 768 * 2 ** 20;
/** Copies of [samples, units] that a step of the fit makes. */
const RESPONSE_COPIES = 12;

/**
 * Fits a regression.
 *
 * @throws UserError for counts below 0
 */
export async function fitPoissonModel(
  train: SampleSet,
  features: StimulusFeatures,
  { link, historyLags, memory = DEFAULT_MEMORY, signal, onProgress }: PoissonModelOptions,
): Promise<PoissonModel> {
  const units = unitCount(train);
  const fitted = thinned(inFrameOrder(train), Math.floor(memory / (4 * (features.width + RESPONSE_COPIES * units))));
  const { robs, dfs } = observe(train.subset(fitted));
  clearInvalid(robs, dfs, train.session);
  const centred = await centredFeatures(train, fitted, features, { signal, onProgress });
  const history = historyLags > 0 ? spikeHistory(train, fitted, historyLags) : null;
  const penalty = features.penalty();
  const isWide = features.width > fitted.length;
  const space = isWide
    ? sampleSpace(centred.values, features.width, penalty)
    : { ...centred, width: features.width, penalty };
  const design = new PoissonDesign(space.values, space.width, units, fitted.length, history);
  const problem = { design, robs, weights: dfs, link, covariance: space.covariance, penalty: space.penalty };
  const { parameters, ridge, unfinished } = await fitSelected(problem, { signal, onProgress });

  const means = meanRates({ robs, dfs, units });
  const fittedWeights = parameters.slice(0, space.width * units);
  const weights = "expand" in space ? space.expand(fittedWeights, units) : fittedWeights;
  const constant = parameters.slice((design.parameters - 1) * units);
  for (let i = 0; i < weights.length; i++) {
    weights[i]! /= centred.scales[Math.floor(i / units)]!;
    constant[i % units]! -= weights[i]! * centred.means[Math.floor(i / units)]!;
  }
  const ownPast = parameters.slice(space.width * units, (design.parameters - 1) * units);
  for (let i = 0; i < ownPast.length; i++) constant[i % units]! -= ownPast[i]! * history!.means[i % units]!;
  for (const [unit, mean] of means.entries()) {
    // Without spikes the likeliest rate is 0, which no finite constant gives.
    if (mean === 0) constant[unit] = Number.NEGATIVE_INFINITY;
    else if (Number.isNaN(mean)) constant[unit] = Number.NaN;
  }
  return {
    session: train.session,
    units,
    features,
    link,
    weights,
    history: ownPast,
    constant,
    ridge,
    samples: fitted.length,
    notes: notesOn(train.length, fitted.length, means, unfinished),
  };
}

function notesOn(all: number, used: number, means: Float64Array, unfinished: readonly number[]): string[] {
  const silent = [...means.keys()].filter((unit) => means[unit] === 0);
  return [
    ...(used < all ? [`Fitted on ${used} evenly spaced of ${all} training samples, as many as its memory holds.`] : []),
    ...(silent.length > 0 ? [`Without training spikes, predicted to stay silent: unit ${silent.join(", ")}.`] : []),
    ...(unfinished.length > 0 ? [`The fit did not reach its optimum for unit ${unfinished.join(", ")}.`] : []),
  ];
}

/** Sets counts under a weight of 0 to 0, whatever they are. */
function clearInvalid(robs: Float32Array, dfs: Float32Array, session: string): void {
  for (let i = 0; i < robs.length; i++) {
    if (!(dfs[i]! > 0)) {
      dfs[i] = 0;
      robs[i] = 0;
    } else if (!(robs[i]! >= 0)) {
      throw new UserError(`Cannot fit a Poisson model to session "${session}": found a response of ${robs[i]}`, {
        hint: "Responses must be spike counts or rates, 0 or more.",
      });
    }
  }
}

/**
 * Predicted spikes per frame, [samples, units]. A model with history is given the unit's true spikes before each
 * sample.
 *
 * @throws UserError when the set is of another session, or has other units or another stimulus than the training
 * samples
 */
export async function predictPoissonModel(
  model: PoissonModel,
  set: SampleSet,
  { signal, onProgress }: RunOptions = {},
): Promise<Float32Array> {
  const { units, features } = model;
  requireSameUnits(model, set);
  requireSameStimulus(model, set);
  const order = inFrameOrder(set);
  const lags = model.history.length / units;
  const history = lags > 0 ? spikeHistory(set, order, lags) : null;
  const rates = new Float32Array(set.length * units);
  const receive = (block: Tensor, start: number) => {
    const count = block.size(0);
    const drive = block
      .matmul(tensor(model.weights, [features.width, units]).float())
      .add_(tensor(model.constant).float());
    if (history !== null) {
      const past = { ...history, rows: history.rows.subarray(start, start + count), means: new Float64Array(units) };
      const design = new PoissonDesign(new Float32Array(0), 0, units, count, past);
      drive.add_(design.apply(tensor(withConstant(model.history, units), [lags + 1, units])));
    }
    const silent = tensor(
      Uint8Array.from(model.constant, (c) => Number(c === Number.NEGATIVE_INFINITY)),
      [units],
      {
        dtype: "bool",
      },
    );
    const predicted = ops.masked_fill.Scalar(ratesOf(model.link, drive).rate, silent, 0).toTypedArray() as Float32Array;
    for (let i = 0; i < count; i++) {
      rates.set(predicted.subarray(i * units, (i + 1) * units), order[start + i]! * units);
    }
  };
  await streamFeatures(set, order, features, receive, { signal, onProgress, stage: "predict" });
  return rates;
}

/** History weights followed by a constant of 0, [lags + 1, units]. */
function withConstant(history: Float64Array, units: number): Float64Array {
  const all = new Float64Array(history.length + units);
  all.set(history);
  return all;
}

function requireSameStimulus({ session, features }: PoissonModel, set: SampleSet): void {
  const text = ({ channels, height, width }: typeof features.frame) => `${channels} x ${height} x ${width}`;
  const found = text(frameShape(set));
  if (found !== text(features.frame)) {
    throw new UserError(
      `Cannot predict session "${session}": its stimulus is ${found}, the baseline was fitted on ${text(features.frame)}`,
    );
  }
  const served = set.lags.get("stim")!.lags;
  const missing = features.lags.find((lag) => !served.includes(lag));
  if (missing === undefined) return;
  throw new UserError(
    `Cannot predict session "${session}": its samples do not show the stimulus ${missing} frames ago`,
  );
}
