/**
 * @file A linear-nonlinear model on contrast energies: the standard model of complex cells, with a linear filter beside
 * it for simple ones (Adelson & Bergen, J Opt Soc Am A 1985; fitted as in Nishimoto & Gallant, J Neurosci 2011).
 */

import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";
import { cat, type Tensor, tensor } from "../../torch/index.ts";
import type { Baseline, RunOptions } from "./baseline.ts";
import { filterGrid } from "./filter-grid.ts";
import { energyFeatures, energyMeans, filterFrames, type GaborPyramid, gaborPyramid } from "./gabor-pyramid.ts";
import { gridFeatures } from "./pixel-grid.ts";
import type { Link } from "./poisson-link.ts";
import { fitPoissonModel, type PoissonModel, predictPoissonModel } from "./poisson-model.ts";
import {
  frameShape,
  inFrameOrder,
  type StimulusFeatures,
  stimulusLags,
  streamFeatures,
  thinned,
} from "./stimulus-features.ts";

/** Options of {@link fitGaborEnergy}. */
export interface GaborEnergyOptions extends RunOptions {
  /** Stimulus lags, the first of those that the samples serve; 25. */
  lags?: number | undefined;
  /** `softplus` by default. */
  link?: Link | undefined;
  /** Weights of the linear part; a larger stimulus is windowed and averaged down to it. 2000. */
  maxParameters?: number | undefined;
  /** Bytes that the fit may take; 768 MiB. */
  memory?: number | undefined;
}

/** A fitted energy model. */
export interface GaborEnergyBaseline extends Baseline {
  readonly kind: "gabor-energy";
  /** Features are energies [scales, motions, orientations, cells], then pixels [lags, channels, rows, columns]. */
  readonly model: PoissonModel;
  readonly energies: number;
}

/** Samples that the mean energies are taken over. */
const CALIBRATION_SAMPLES = 2000;
/** Pixels of the linear part at each lag, at most: still images come in hundreds. */
const LINEAR_CELLS = 28 * 28;

/**
 *   rate = link(Σ a·ln(energy / mean + 0.01) + Σ k(lag, row, column)·stimulus + constant)
 *
 * Energies come from quadrature pairs of Gabors at octaves of wavelength and six orientations, half a period apart or
 * more, averaged over up to 4 x 4 cells per wavelength; with several lags they are those of motion in both directions
 * at two speeds. The linear part is the filter of an LNP model, of at most 28 x 28 cells. All energies have unit
 * variance, and so have the pixels jointly; there is one penalty, squared weights and for pixels squared differences of
 * neighbours, whose strength is selected per unit on left-out parts of the training samples.
 *
 * @throws UserError when the samples serve no stimulus, or frames are below 7 pixels
 */
export async function fitGaborEnergy(
  train: SampleSet,
  { lags: lagCount = 25, link = "softplus", maxParameters = 2000, memory, signal, onProgress }: GaborEnergyOptions = {},
): Promise<GaborEnergyBaseline> {
  const frame = frameShape(train);
  const pyramid = gaborPyramid(frame, stimulusLags(train, lagCount));
  if (pyramid.scales.length === 0) {
    throw new UserError(
      `Cannot fit Gabor energies to session "${train.session}": its frames are ${frame.height} x ${frame.width} pixels, ` +
        "the smallest Gabor needs 7",
    );
  }
  const features = await gaborFeatures(train, pyramid, maxParameters, { signal, onProgress });
  const model = await fitPoissonModel(train, features, { link, historyLags: 0, memory, signal, onProgress });
  return {
    kind: "gabor-energy",
    session: train.session,
    units: model.units,
    notes: model.notes,
    model,
    energies: pyramid.energies,
    predict: (set, run) => predictPoissonModel(model, set, run),
  };
}

async function gaborFeatures(
  train: SampleSet,
  pyramid: GaborPyramid,
  maxParameters: number,
  run: RunOptions,
): Promise<StimulusFeatures> {
  const { frame, energies } = pyramid;
  const lags = stimulusLags(train, pyramid.lags);
  const cells = Math.min(LINEAR_CELLS, Math.floor(maxParameters / lags.length));
  const grid = await filterGrid(train, lags, cells, run);
  const linear = gridFeatures(frame, lags, grid);
  const width = energies + linear.width;
  const grey = await calibrate(train, pyramid, run);
  return {
    frame,
    lags,
    frameWidth: pyramid.frameWidth + linear.frameWidth,
    width,
    // Every energy has a scale of its own, all pixels have one.
    groups: Int32Array.from({ length: width }, (_, i) => Math.min(i, energies)),
    penalty: () => withIdentity(energies, linear.penalty(), linear.width),
    project: (frames) => cat([filterFrames(pyramid, frames, grey), linear.project(frames)], 1),
    combine: (stacks) =>
      cat(
        [
          energyFeatures(pyramid, stacks.slice(2, 0, pyramid.frameWidth)),
          linear.combine(stacks.slice(2, pyramid.frameWidth)),
        ],
        1,
      ),
  };
}

/** Sets the pyramid's mean energies from some training samples, and returns the mean grey level. */
async function calibrate(train: SampleSet, pyramid: GaborPyramid, run: RunOptions): Promise<number> {
  const positions = thinned(inFrameOrder(train), CALIBRATION_SAMPLES);
  const { frame, references } = pyramid;
  const base = { frame, groups: new Int32Array(0), penalty: () => new Float64Array(0) };
  const mean = async (features: Pick<StimulusFeatures, "lags" | "frameWidth" | "width" | "project" | "combine">) => {
    const sums = new Float64Array(features.width);
    const receive = (block: Tensor) => {
      tensor(sums).add_(block.double().sum(0));
    };
    await streamFeatures(train, positions, { ...base, ...features }, receive, { ...run, stage: "energies" });
    return sums.map((sum) => sum / positions.length);
  };
  const lags = stimulusLags(train, pyramid.lags);
  const [grey] = await mean({
    lags: lags.slice(0, 1),
    frameWidth: 1,
    width: 1,
    project: (frames) => frames.mean([1, 2, 3]).unsqueeze(1),
    combine: (stacks) => stacks.flatten(1),
  });
  const means = await mean({
    lags,
    frameWidth: pyramid.frameWidth,
    width: references.length,
    project: (frames) => filterFrames(pyramid, frames, grey!),
    combine: (stacks) => energyMeans(pyramid, stacks),
  });
  references.set(means.map((energy) => Math.max(energy, 1e-12)));
  return grey!;
}

/** A matrix with ones on the diagonal before it. */
function withIdentity(count: number, matrix: Float64Array, size: number): Float64Array {
  const total = count + size;
  const out = new Float64Array(total * total);
  for (let i = 0; i < count; i++) out[i * total + i] = 1;
  for (let row = 0; row < size; row++) {
    out.set(matrix.subarray(row * size, (row + 1) * size), (count + row) * total + count);
  }
  return out;
}
