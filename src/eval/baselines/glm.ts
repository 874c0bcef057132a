/**
 * @file The standard models of a sensory neuron: a spatio-temporal filter and a nonlinearity (LNP: Chichilnisky,
 * Network 2001; Paninski, Network 2004), and the same with the neuron's own earlier spikes (GLM: Truccolo et al., J
 * Neurophysiol 2005; Pillow et al., Nature 2008).
 */

import type { SampleSet } from "../../data/samples.ts";
import type { Baseline, RunOptions } from "./baseline.ts";
import { describeGrid, filterGrid } from "./filter-grid.ts";
import { gridFeatures, type PixelGrid } from "./pixel-grid.ts";
import type { Link } from "./poisson-link.ts";
import { fitPoissonModel, type PoissonModel, predictPoissonModel } from "./poisson-model.ts";
import { frameShape, stimulusLags } from "./stimulus-features.ts";

/** Options of {@link fitGlm}. */
export interface GlmOptions extends RunOptions {
  /** Stimulus lags, the first of those that the samples serve; 25. */
  lags?: number | undefined;
  /** Frames of spike history; 0 for an LNP model. */
  historyLags?: number | undefined;
  /** `exponential` by default. */
  link?: Link | undefined;
  /** Weights of the stimulus filter; a larger stimulus is windowed and averaged down to it. 2000. */
  maxParameters?: number | undefined;
  /** Bytes that the fit may take; 768 MiB. */
  memory?: number | undefined;
}

/** A fitted filter model. */
export interface GlmBaseline extends Baseline {
  readonly kind: "lnp" | "glm";
  readonly grid: PixelGrid;
  /** In frames. */
  readonly lags: Int32Array;
  /** Filter weights, history and constants; features are [lags, channels, rows, columns] of the grid. */
  readonly model: PoissonModel;
}

/**
 *   rate = link(Σ k(lag, channel, row, column)·stimulus + Σ h(τ)·spikes(t − τ) + constant)
 *
 * fitted by penalised maximum likelihood. The penalty of k, squared weights and squared differences of neighbours in
 * time and space, has the strength, unit by unit, that predicts left-out parts of the training samples best.
 *
 * Where lags times pixels exceed `maxParameters`, the filter lives in the part of the frame that any unit's
 * spike-triggered average singles out, with pixels averaged over equal cells.
 *
 * @throws UserError when the samples serve no stimulus
 */
export async function fitGlm(train: SampleSet, options: GlmOptions = {}): Promise<GlmBaseline> {
  const { historyLags = 0, link = "exponential", maxParameters = 2000, memory, signal, onProgress } = options;
  const frame = frameShape(train);
  const lags = stimulusLags(train, options.lags ?? 25);
  const run = { signal, onProgress };
  const grid = await filterGrid(train, lags, Math.floor(maxParameters / lags.length), run);
  const features = gridFeatures(frame, lags, grid);
  const model = await fitPoissonModel(train, features, { link, historyLags, memory, ...run });
  return {
    kind: historyLags > 0 ? "glm" : "lnp",
    session: train.session,
    units: model.units,
    notes: [...describeGrid(frame, grid), ...model.notes],
    grid,
    lags,
    model,
    predict: (set, predictRun) => predictPoissonModel(model, set, predictRun),
  };
}
