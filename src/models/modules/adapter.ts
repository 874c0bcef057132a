/**
 * @file The adapter: one session's learnt resampling of every frame to a square grid (model specification, section 4).
 *
 * A Gaussian blur, as wide as the sampling is coarse, then bilinear sampling at `scale * grid`. Coordinates run from -1 to
 * 1 between the centres of the outermost pixels; outside the frame there are zeros.
 */

import { arange, full, linspace, ops, stack, type Tensor, tensor, withoutAutocast } from "../../torch/index.ts";
import { type BuildContext, type Formulation, Layer } from "./layer.ts";

export interface AdapterOptions {
  /** Width of the learnt blur at the start, in pixels. */
  initSigma: number;
  /** Rows and columns of the result. */
  gridSize: number;
  transform: "scale" | "affine";
  /** `reference` is off centre: it shifts the frame by half a pixel and loses a row and a column. */
  blurKernel: "reference" | "centred";
  /** Whether the width of the blur receives gradients. */
  differentiateSigma: boolean;
  /** scale: initial sampling density, 1 for the whole frame. null: 0.693, the central 69 %. */
  initScale: number | null;
}

/** Below this width, in pixels, the frame is not blurred. */
const SMALLEST_SIGMA = 1e-3;
/** Taps on either side of a blur kernel's middle, at most. */
const LARGEST_REACH = 512;

const inverseSoftplus = (value: number) => Math.log(Math.expm1(value));

/** `[batch, channels, T, H, W]` or `[batch, channels, H, W]` to the same with `H = W = gridSize`. */
export class Adapter extends Layer {
  readonly options: AdapterOptions;
  readonly #formulation: Formulation;
  readonly #logSigma: Tensor;
  /** `[2]`, x and y: the sampling density before softplus. Only with transform `scale`. */
  readonly #logScale: Tensor | null = null;
  /** `[2, 3]`. Only with transform `affine`. */
  readonly #affine: Tensor | null = null;
  /** `[gridSize, gridSize, 2]`: x, y of the undistorted grid. */
  readonly #baseGrid: Tensor;

  constructor(options: AdapterOptions, { formulation }: BuildContext) {
    super();
    this.options = options;
    this.#formulation = formulation;
    const { initSigma, gridSize, transform, initScale } = options;
    this.#logSigma = this.parameter("log_sigma", full([], inverseSoftplus(initSigma)));
    if (transform === "scale") {
      this.#logScale = this.parameter("log_scale", full([2], initScale === null ? 0 : inverseSoftplus(initScale)));
    } else {
      this.#affine = this.parameter("affine", tensor([1, 0, 0, 0, 1, 0], [2, 3]));
    }
    const axis = linspace(-1, 1, gridSize);
    const x = axis.view([1, -1]).expand([gridSize, gridSize]);
    const y = axis.view([-1, 1]).expand([gridSize, gridSize]);
    this.#baseGrid = this.buffer("base_grid", stack([x, y], 2), false);
  }

  override forward(x: Tensor): Tensor {
    return resample([{ adapter: this, stimulus: x }])[0]!;
  }

  /** Whether rows and columns are resampled independently, so that one matrix per axis does all. */
  get isSeparable(): boolean {
    return this.#logScale !== null && this.#formulation === "fast";
  }

  /** Sampling density `[2]` (x, y), width of the blur `[]` in pixels, and the grid's coordinates `[gridSize]`. */
  sampling(): { scale: Tensor; sigma: Tensor; coordinates: Tensor } {
    return {
      scale: this.#logScale!.softplus(),
      sigma: this.#sigma(),
      coordinates: this.#baseGrid.select(0, 0).select(1, 0),
    };
  }

  /** Blur, then sampling of every frame on the distorted grid. */
  sample(x: Tensor): Tensor {
    const { gridSize } = this.options;
    const [height, width] = x.shape.slice(-2) as [number, number];
    const frames = this.#blur(x.reshape([-1, 1, height, width])).transpose(0, 1);
    const sampled = ops.grid_sampler_2d(frames, this.#grid().unsqueeze(0), BILINEAR, ZEROS, true);
    return sampled.reshape([...x.shape.slice(0, -2), gridSize, gridSize]);
  }

  /** What the coarser axis needs against aliasing, and the learnt part. Without a gradient unless asked for. */
  #sigma(): Tensor {
    const density = this.#logScale ? this.#logScale.softplus().amin() : smallestSingularValue(this.#affine!);
    const antiAliasing = density.pow(-1).sub(1).mul(0.44).clamp(0);
    const sigma = antiAliasing.square().add(this.#logSigma.softplus().square()).sqrt();
    return this.options.differentiateSigma ? sigma : sigma.detach();
  }

  #grid(): Tensor {
    if (this.#logScale) return this.#baseGrid.mul(this.#logScale.softplus());
    const affine = this.#affine!;
    return this.#baseGrid.matmul(affine.slice(1, 0, 2).transpose(0, 1)).add(affine.select(1, 2));
  }

  #blur(frames: Tensor): Tensor {
    const sigma = this.#sigma();
    if (sigma.item() < SMALLEST_SIGMA) return frames;
    const kernel = blurKernel(sigma, this.options.blurKernel);
    const reach = blurReach(sigma).item();
    const rows = ops.conv2d(frames, kernel.view([1, 1, -1, 1]), null, 1, [reach, 0]);
    return ops.conv2d(rows, kernel.view([1, 1, 1, -1]), null, 1, [0, reach]);
  }
}

// Codes of the sampling operator.
const BILINEAR = 0;
const ZEROS = 0;

/** Smallest singular value of the left 2 x 2 block of `[2, 3]`. */
function smallestSingularValue(affine: Tensor): Tensor {
  const [a, b, c, d] = [0, 1].flatMap((row) => [0, 1].map((column) => affine.select(0, row).select(0, column))) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const rotation = stack([a.add(d), c.sub(b)]).norm();
  const reflection = stack([a.sub(d), b.add(c)]).norm();
  return rotation.sub(reflection).abs().mul(0.5);
}

// --- blur ------------------------------------------------------------------------------------------------------------

/** By how much the kernel's centre is off the pixel it replaces; the blurred axis is that much shorter. */
function kernelShift(kind: AdapterOptions["blurKernel"]): 0 | 1 {
  return kind === "reference" ? 1 : 0;
}

/** The taps of a kernel of width `sigma` `[]`, in pixels; they sum to 1. Waits for the device. */
export function blurKernel(sigma: Tensor, kind: AdapterOptions["blurKernel"]): Tensor {
  const shift = kernelShift(kind);
  const taps = blurTaps(offsets(blurReach(sigma).item(), shift, sigma), sigma, shift);
  return taps.div(taps.sum());
}

/** Taps on either side of the kernel's middle: `6 sigma`, rounded and made odd, is the length. */
function blurReach(sigma: Tensor): Tensor {
  return ops.floor(ops.round(sigma.mul(6)).div(2)).clamp(null, LARGEST_REACH);
}

/** Offsets `-reach ... reach + shift` of the pixels a kernel reads. */
function offsets(reach: number, shift: 0 | 1, { dtype, device }: Tensor): Tensor {
  return arange(2 * reach + 1 + shift, { dtype, device }).sub(reach);
}

/** Taps, not yet normalised, that a kernel of width `sigma` has at `offset`; zero beyond its reach. */
function blurTaps(offset: Tensor, sigma: Tensor, shift: 0 | 1): Tensor {
  const within = offset
    .sub(shift / 2)
    .abs()
    .lt(blurReach(sigma).add((shift + 1) / 2));
  const gaussian = offset.sub(shift).div(sigma.clamp(SMALLEST_SIGMA)).square().mul(-0.5).exp();
  return gaussian.mul(within);
}

// --- resampling by matrices ------------------------------------------------------------------------------------------

/** A session's adapter and its stimulus. */
export interface Resampling {
  adapter: Adapter;
  /** `[batch, channels, T, H, W]` or `[batch, channels, H, W]` */
  stimulus: Tensor;
}

/**
 * Resamples the stimuli of several sessions, each by its own adapter.
 *
 * Where rows and columns are independent, blurring and bilinear sampling of an axis are one `[gridSize, length]` matrix,
 * built on the device: no number of it is waited for. The matrices of all sessions are built together.
 */
export function resample(sessions: readonly Resampling[]): Tensor[] {
  return withoutAutocast(() => {
    const groups = new Map<string, Resampling[]>();
    for (const session of sessions) {
      const key = groupKey(session);
      groups.set(key, [...(groups.get(key) ?? []), session]);
    }
    const resampled = new Map<Resampling, Tensor>();
    for (const group of groups.values()) {
      const results = group[0]!.adapter.isSeparable
        ? resampleByMatrices(group)
        : group.map(({ adapter, stimulus }) => adapter.sample(stimulus));
      for (const [i, session] of group.entries()) resampled.set(session, results[i]!);
    }
    return sessions.map((session) => resampled.get(session)!);
  });
}

function groupKey({ adapter, stimulus }: Resampling): string {
  return JSON.stringify([adapter.options, stimulus.shape.slice(-2)]);
}

/** For sessions whose options and frame sizes agree. */
function resampleByMatrices(sessions: readonly Resampling[]): Tensor[] {
  const { options } = sessions[0]!.adapter;
  const [height, width] = sessions[0]!.stimulus.shape.slice(-2) as [number, number];
  const sampling = sessions.map(({ adapter }) => adapter.sampling());
  const scale = stack(sampling.map(({ scale }) => scale));
  const sigma = stack(sampling.map(({ sigma }) => sigma)).view([-1, 1, 1]);
  const { coordinates } = sampling[0]!;
  const shift = kernelShift(options.blurKernel);
  const byColumns = ops.unbind.int(axisMatrices(width, scale.slice(1, 0, 1), sigma, coordinates, shift));
  const byRows = ops.unbind.int(axisMatrices(height, scale.slice(1, 1, 2), sigma, coordinates, shift));
  return sessions.map(({ stimulus }, i) => {
    const columns = stimulus
      .reshape([-1, width])
      .matmul(byColumns[i]!.transpose(0, 1))
      .view([-1, height, options.gridSize]);
    const rows = byRows[i]!.unsqueeze(0).expand([columns.size(0), options.gridSize, height]);
    return ops.bmm(rows, columns).view([...stimulus.shape.slice(0, -2), options.gridSize, options.gridSize]);
  });
}

/**
 * Per session the matrix that blurs an axis of `length` pixels and samples it: `[sessions, gridSize, length]`. `scale` is
 * `[sessions, 1]`, `sigma` `[sessions, 1, 1]`, `coordinates` `[gridSize]`.
 */
function axisMatrices(length: number, scale: Tensor, sigma: Tensor, coordinates: Tensor, shift: 0 | 1): Tensor {
  const { dtype, device } = scale;
  const pixels = arange(length, { dtype, device });
  const offset = pixels.view([1, 1, -1]).sub(pixels.view([1, -1, 1]));
  const blurred = sigma.lt(SMALLEST_SIGMA).to({ dtype }).rsub(1);
  const total = blurTaps(offsets(LARGEST_REACH, shift, sigma).view([1, 1, -1]), sigma, shift).sum(2, true);
  const kernels = blurTaps(offset, sigma, shift)
    .div(total)
    .mul(pixels.lt(length - shift).view([1, -1, 1]));
  const blur = kernels.mul(blurred).add(offset.eq(0).mul(blurred.rsub(1)));

  const lastPixel = blurred.mul(-shift).add(length - 1);
  const position = scale.mul(coordinates).add(1).div(2).unsqueeze(2).mul(lastPixel);
  const before = ops.floor(position);
  const share = position.sub(before);
  const sample = pixels
    .eq(before)
    .mul(share.rsub(1))
    .add(pixels.eq(before.add(1)).mul(share));
  return sample.matmul(blur);
}
