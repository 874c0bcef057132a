/**
 * @file A pyramid of Gabor filters in quadrature, and contrast energies from it (Adelson & Bergen, J Opt Soc Am A
 * 1985).
 */

import { cat, ops, type Tensor, tensor } from "../../torch/index.ts";
import { finestGrid, gridWeights, projected, wholeFrame } from "./pixel-grid.ts";
import type { FrameShape } from "./stimulus-features.ts";

/** Orientations, evenly spaced over half a turn. */
const ORIENTATIONS = 6;
/** Standard deviation of the envelope in wavelengths: a bandwidth of about an octave. */
const ENVELOPE = 0.5;
/** Wavelengths between positions, unless that makes more of them per side than there is time for: movies need all at each lag. */
const SPACING = 0.5;
const MOST_POSITIONS = { still: 16, movie: 8 } as const;
/** The finest filters have at least so many pixels a period. */
const FINEST = 3.5;
/** Larger frames are averaged down to this many pixels on their longer side. */
const LONGEST_SIDE = 56;
/** Cells per side over which the energies of a scale are averaged. */
const POOLED = 4;
/** Share of its mean below which an energy counts as none. */
const FLOOR = 0.01;

/** Filters of one wavelength on a square grid of positions. */
interface Scale {
  /** Pixels per period. */
  wavelength: number;
  /** Pixels between positions. */
  stride: number;
  /** Positions down and across. */
  rows: number;
  columns: number;
  padding: [vertical: number, horizontal: number];
  /** [phases · orientations, 1, size, size]; cosine phases first. */
  kernels: Float32Array;
  size: number;
  /** Averages positions over cells, [rows · columns, cells]. */
  pooling: Float32Array;
  cells: number;
}

/** Everything that turns frames into energies. */
export interface GaborPyramid {
  frame: FrameShape;
  /** Size of the frames that are filtered. */
  height: number;
  width: number;
  scales: readonly Scale[];
  /** Temporal filters in quadrature pairs, [2 · pairs, lags]; null for a single lag. */
  temporal: Float32Array | null;
  /** Pairs times two directions of motion; 1 for a single lag. */
  motions: number;
  lags: number;
  /** Filter outputs of a frame. */
  frameWidth: number;
  /** Energies of a sample. */
  energies: number;
  /** Means of the energies of each scale, motion and orientation: where their logarithm is 0. */
  references: Float64Array;
}

/**
 * Filters for frames of a size. Wavelengths are half the shorter side, a quarter, … down to 3.5 pixels; no scales at
 * all for frames below 7 pixels.
 *
 * With several lags energies are those of motion: two temporal filters in quadrature, f₃ and f₅ with
 * fₙ(t) = (kt)ⁿ·exp(−kt)·(1/n! − (kt)²/(n + 2)!), at two speeds k, combine with the two spatial phases into the
 * energies of both directions.
 */
export function gaborPyramid(frame: FrameShape, lags: Int32Array): GaborPyramid {
  const shrink = Math.min(1, LONGEST_SIDE / Math.max(frame.height, frame.width));
  const [height, width] = [Math.round(frame.height * shrink), Math.round(frame.width * shrink)];
  const scales: Scale[] = [];
  for (let wavelength = Math.min(height, width) / 2; wavelength >= FINEST; wavelength /= 2) {
    scales.push(scaleOf(wavelength, height, width, lags.length > 1 ? MOST_POSITIONS.movie : MOST_POSITIONS.still));
  }
  const temporal = lags.length > 1 ? temporalFilters(lags) : null;
  const motions = temporal === null ? 1 : (2 * temporal.length) / lags.length / 2;
  return {
    frame,
    height,
    width,
    scales,
    temporal,
    motions,
    lags: lags.length,
    frameWidth: scales.reduce((sum, { rows, columns }) => sum + 2 * ORIENTATIONS * rows * columns, 0),
    energies: scales.reduce((sum, { cells }) => sum + motions * ORIENTATIONS * cells, 0),
    references: new Float64Array(scales.length * motions * ORIENTATIONS).fill(1),
  };
}

function scaleOf(wavelength: number, height: number, width: number, most: number): Scale {
  const spacing = Math.max(SPACING * wavelength, Math.min(height, width) / most);
  const stride = Math.max(1, Math.round(spacing));
  const [rows, columns] = [Math.max(1, Math.floor(height / stride)), Math.max(1, Math.floor(width / stride))];
  const radius = Math.ceil(2.5 * ENVELOPE * wavelength);
  // The first position is as far from the edge as the last one.
  const first = (pixels: number, count: number) => Math.floor((pixels - 1 - (count - 1) * stride) / 2);
  const positions = { channels: 1, height: rows, width: columns };
  const pooled = { window: wholeFrame(positions), rows: Math.min(rows, POOLED), columns: Math.min(columns, POOLED) };
  return {
    wavelength,
    stride,
    rows,
    columns,
    padding: [radius - first(height, rows), radius - first(width, columns)],
    kernels: gaborKernels(wavelength, radius),
    size: 2 * radius + 1,
    pooling: gridWeights(positions, pooled),
    cells: pooled.rows * pooled.columns,
  };
}

/** Unit-norm Gabors of all phases and orientations; the even ones have no mean. */
function gaborKernels(wavelength: number, radius: number): Float32Array {
  const size = 2 * radius + 1;
  const sigma = ENVELOPE * wavelength;
  const kernels = new Float32Array(2 * ORIENTATIONS * size * size);
  for (let k = 0; k < 2 * ORIENTATIONS; k++) {
    const angle = (Math.PI * (k % ORIENTATIONS)) / ORIENTATIONS;
    const carrier = k < ORIENTATIONS ? Math.cos : Math.sin;
    const kernel = kernels.subarray(k * size * size, (k + 1) * size * size);
    const envelope = kernel.map((_, i) => {
      const [y, x] = [Math.floor(i / size) - radius, (i % size) - radius];
      return Math.exp(-(x * x + y * y) / (2 * sigma * sigma));
    });
    kernel.set(
      envelope.map((height, i) => {
        const [y, x] = [Math.floor(i / size) - radius, (i % size) - radius];
        return height * carrier((2 * Math.PI * (x * Math.cos(angle) + y * Math.sin(angle))) / wavelength);
      }),
    );
    const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
    const mean = sum(kernel) / sum(envelope);
    kernel.forEach((value, i) => {
      kernel[i] = value - mean * envelope[i]!;
    });
    const norm = Math.hypot(...kernel);
    kernel.forEach((value, i) => {
      kernel[i] = value / norm;
    });
  }
  return kernels;
}

/** Unit-norm pairs f₃ and f₅ at two speeds; the slower pair lasts as long as the lags. */
function temporalFilters(lags: Int32Array): Float32Array {
  const duration = Math.max(...lags) + 1;
  const filters = [12, 24].flatMap((span) =>
    [3, 5].map((n) => {
      const factorial = (m: number): number => (m <= 1 ? 1 : m * factorial(m - 1));
      const filter = Array.from(lags, (lag) => {
        const t = (span / duration) * Math.max(0, lag);
        return t ** n * Math.exp(-t) * (1 / factorial(n) - t ** 2 / factorial(n + 2));
      });
      const norm = Math.hypot(...filter) || 1;
      return filter.map((value) => value / norm);
    }),
  );
  return Float32Array.from(filters.flat());
}

/** Outputs of all filters, [frames, channels, height, width] to [frames, frameWidth]; channels are averaged. */
export function filterFrames(pyramid: GaborPyramid, frames: Tensor, grey: number): Tensor {
  const { frame, height, width, scales } = pyramid;
  const count = frames.size(0);
  const contrast = frames.mean(1, true).add(-grey);
  const isWhole = height === frame.height && width === frame.width;
  const small = isWhole ? contrast : shrunk(contrast, frame, height, width);
  return cat(
    scales.map(({ kernels, size, stride, padding }) =>
      ops
        .conv2d(small, tensor(kernels, [2 * ORIENTATIONS, 1, size, size]), null, [stride, stride], padding)
        .reshape([count, -1]),
    ),
    1,
  );
}

function shrunk(contrast: Tensor, frame: FrameShape, height: number, width: number): Tensor {
  const grid = { ...finestGrid(frame, wholeFrame(frame), 1), rows: height, columns: width };
  const cells = height * width;
  return projected(contrast, gridWeights(frame, grid), frame.height * frame.width, cells).view([-1, 1, height, width]);
}

/**
 * Energies of every scale, [samples, motions, orientations, rows · columns] each, from filter outputs [samples, lags,
 * frameWidth]: the sum of squares over two phases, or over two phases of motion.
 */
export function contrastEnergies(pyramid: GaborPyramid, outputs: Tensor): Tensor[] {
  const { scales, temporal, lags } = pyramid;
  let start = 0;
  return scales.map(({ rows, columns }) => {
    const positions = rows * columns;
    const end = start + 2 * ORIENTATIONS * positions;
    const part = outputs.slice(2, start, end);
    start = end;
    if (temporal === null) {
      return part.reshape([-1, 1, 2, ORIENTATIONS, positions]).square().sum(2);
    }
    const filters = temporal.length / lags;
    const filtered = tensor(temporal, [filters, lags]).matmul(part);
    const pairs = filtered.reshape([-1, filters / 2, 2, 2, ORIENTATIONS, positions]);
    const at = (speed: number, phase: number) => pairs.select(2, speed).select(2, phase);
    const [slowEven, slowOdd, fastEven, fastOdd] = [at(1, 0), at(1, 1), at(0, 0), at(0, 1)];
    const right = fastEven.sub(slowOdd).square().add(slowEven.add(fastOdd).square());
    const left = fastEven.add(slowOdd).square().add(slowEven.sub(fastOdd).square());
    return cat([right, left], 1);
  });
}

/** Mean energy over positions of every scale, motion and orientation, [samples, references]. */
export function energyMeans(pyramid: GaborPyramid, outputs: Tensor): Tensor {
  return cat(
    contrastEnergies(pyramid, outputs).map((energies) => energies.mean(3).flatten(1)),
    1,
  );
}

/**
 * Features of the energies, [samples, energies]: ln(energy / mean + 0.01), averaged over at most 4 x 4 cells of a
 * scale. The logarithm stands for the compression by contrast gain control (Nishimoto & Gallant, J Neurosci 2011).
 */
export function energyFeatures(pyramid: GaborPyramid, outputs: Tensor): Tensor {
  const perScale = pyramid.motions * ORIENTATIONS;
  return cat(
    contrastEnergies(pyramid, outputs).map((energies, i) => {
      const { rows, columns, pooling, cells } = pyramid.scales[i]!;
      const means = tensor(pyramid.references.subarray(i * perScale, (i + 1) * perScale), [
        pyramid.motions,
        ORIENTATIONS,
        1,
      ]);
      const compressed = energies.div(means.float()).add(FLOOR).log();
      return compressed.matmul(tensor(pooling, [rows * columns, cells])).flatten(1);
    }),
    1,
  );
}
