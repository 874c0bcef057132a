/**
 * @file Transforms: from recorded covariates to what the model is fed (data specification, section 8).
 *
 * Every transform takes an array whose first axis is time, over the whole recording. They compute in float32; only
 * `cast`, `unsqueeze`, `select_units` and `smooth` keep or choose another element type.
 */
import type { TransformOp, TransformOpName } from "../config/ops.ts";
import { didYouMean, UserError } from "../errors.ts";
import { arrayBytes, type NdArray, zerosArray } from "../formats/array.ts";
import { castArray } from "./cast.ts";
import { memoryColumn, toFloat32 } from "./column.ts";
import { coneResponse } from "./cones.ts";
import { diff, maxnorm, pixelnorm, scaled, selectLast, splitRelu, symlog, unsqueeze } from "./elementwise.ts";
import { smooth, smoothTrial } from "./smooth.ts";
import { temporalBasis } from "./temporal-basis.ts";
import { whitened } from "./whitening.ts";

/** What a transform may need beside its input. */
export interface TransformContext {
  /** Columns of `select_units: {indices: cids}`. */
  readonly unitColumns: Int32Array;
  /**
   * First frame of every trial, for transforms that must not look across trials: those marked `acrossFrames` then run
   * on each trial by itself. Absent: they run over the whole recording, as the reference does.
   */
  readonly trialStarts?: Int32Array | undefined;
  /** Whether the input is the pipeline's own: results may then take its place in memory. */
  readonly inPlace?: boolean | undefined;
}

type ParamsOf<Name extends TransformOpName> = Extract<TransformOp, { name: Name }>["params"];

/** One transform. */
export interface TransformEntry<Params> {
  readonly name: string;
  /** What it is for, one sentence. */
  readonly doc: string;
  readonly formula: string;
  /** Whether a frame's result depends on other frames. */
  readonly acrossFrames: boolean;
  apply(x: NdArray, params: Params, context: TransformContext): NdArray;
  /** What the user of these parameters should know, or undefined. */
  warning?(params: Params, before: readonly TransformOp[]): string | undefined;
}

/** Every transform by name. */
export const TRANSFORMS: { readonly [Name in TransformOpName]: TransformEntry<ParamsOf<Name>> } = {
  pixelnorm: {
    name: "pixelnorm",
    doc: "Grey levels 0…255 to about ±0.5.",
    formula: "(x − 127) / 255",
    acrossFrames: false,
    apply: (x, _, context) => pixelnorm(toFloat32(x), context),
  },
  unsqueeze: {
    name: "unsqueeze",
    doc: "Inserts an axis of length 1, such as the channel of an image.",
    formula: "[…, a, b, …] → […, a, 1, b, …]",
    acrossFrames: false,
    apply: (x, { axis }) => unsqueeze(x, axis),
  },
  diff: {
    name: "diff",
    doc: "Change since the previous entry, such as velocity from position.",
    formula: "y₀ = 0, y_t = x_t − x_{t−1} along the axis",
    acrossFrames: true,
    apply: (x, { axis }) => diff(toFloat32(x), axis),
  },
  mul: {
    name: "mul",
    doc: "Multiplies by a number.",
    formula: "factor · x",
    acrossFrames: false,
    apply: (x, { factor }, context) => scaled(toFloat32(x), factor, context),
  },
  maxnorm: {
    name: "maxnorm",
    doc: "Divides by the largest size found anywhere in the recording; NaN is ignored and zeros stay zero.",
    formula: "x / max |x|",
    acrossFrames: false,
    apply: (x, _, context) => maxnorm(toFloat32(x), context),
  },
  symlog: {
    name: "symlog",
    doc: "Compresses large values of either sign.",
    formula: "sign(x) · ln(1 + |x|)",
    acrossFrames: false,
    apply: (x, _, context) => symlog(toFloat32(x), context),
  },
  splitrelu: {
    name: "splitrelu",
    doc: "Separates positive and negative parts into channels of their own; the axis doubles.",
    formula: "[max(x, 0), max(−x, 0)] along split_dim",
    acrossFrames: false,
    apply: (x, { split_dim }) => splitRelu(toFloat32(x), split_dim),
  },
  select_units: {
    name: "select_units",
    doc: "Keeps columns of the last axis, in any order and with repeats; cids are the session's units.",
    formula: "x[…, indices]",
    acrossFrames: false,
    apply: (x, { indices }, { unitColumns }) =>
      selectLast(x, indices === "cids" ? unitColumns : Int32Array.from(indices)),
  },
  cast: {
    name: "cast",
    doc: "Changes the element type.",
    formula: "x as dtype",
    acrossFrames: false,
    apply: (x, { dtype }) => castArray(x, dtype),
  },
  smooth: {
    name: "smooth",
    doc: "Gaussian smoothing along time, mirrored at the ends.",
    formula: "Σ_i k_i · x_{t+i−c}, k_i ∝ exp(−½ ((i−c) / σ)²)",
    acrossFrames: true,
    apply: (x, { params: sigma }, { trialStarts }) => (trialStarts ? smoothTrial(x, sigma) : smooth(x, sigma)),
  },
  temporal_basis: {
    name: "temporal_basis",
    doc: "Weighs each channel's time course with raised cosines; acausal bases see the future.",
    formula: "y_k[t] = Σ_j b_k[j] · x[t − j], or x[t − ⌊F/2⌋ + j] when not causal",
    acrossFrames: true,
    apply: (x, params) => temporalBasis(toFloat32(x), params),
    warning: ({ batch_norm }) =>
      batch_norm ? "temporal_basis with batch_norm standardises over training and validation frames alike" : undefined,
  },
  dacones: {
    name: "dacones",
    doc: "Cone photoreceptors with dynamic adaptation, one per pixel.",
    formula: "α y / (1 + β z), y and z the pixel filtered fast and slowly",
    acrossFrames: true,
    apply: (x, params) => coneResponse(toFloat32(x), params),
    warning: (_, before) =>
      before.some(({ name }) => name === "pixelnorm")
        ? "dacones runs after pixelnorm: it sees values around 0 instead of intensities"
        : undefined,
  },
  fftwhitening: {
    name: "fftwhitening",
    doc: "Flattens the spectrum of a movie.",
    formula: "IFFT(FFT(x) · q exp(−(q / f₀)ⁿ)), q the spatiotemporal frequency",
    acrossFrames: true,
    apply: (x, params) => whitened(toFloat32(x), params),
  },
};

/**
 * Checks a pipeline before any data is loaded.
 *
 * @returns what the user should know about it, one sentence each
 * @throws UserError for an unknown transform, with the closest known name
 */
export function checkPipeline(ops: readonly TransformOp[]): string[] {
  return ops.flatMap((op, i) => {
    const entry = entryOf(op);
    const warning = entry.warning?.(op.params, ops.slice(0, i));
    return warning === undefined ? [] : [warning];
  });
}

/**
 * Runs a pipeline over a covariate.
 *
 * @param x [frames, ...]
 * @throws UserError when a transform does not fit the shape it meets, or is unknown
 */
export function runPipeline(x: NdArray, ops: readonly TransformOp[], context: TransformContext): NdArray {
  return ops.reduce((value, op) => {
    const entry = entryOf(op);
    // What an earlier transform made is nobody else's.
    const inPlace = context.inPlace || value.data.buffer !== x.data.buffer;
    const apply = (part: NdArray): NdArray => entry.apply(part, op.params, { ...context, inPlace });
    return context.trialStarts !== undefined && entry.acrossFrames
      ? applyPerTrial(value, context.trialStarts, apply)
      : apply(value);
  }, x);
}

function entryOf(op: TransformOp): TransformEntry<unknown> {
  const entry = (TRANSFORMS as Record<string, TransformEntry<unknown> | undefined>)[op.name];
  if (entry !== undefined) return entry;
  const known = Object.keys(TRANSFORMS);
  const similar = didYouMean(op.name, known);
  throw new UserError(`Unknown transform "${op.name}": known are ${known.join(", ")}`, {
    hint: similar === undefined ? undefined : `Did you mean "${similar}"?`,
  });
}

function applyPerTrial(x: NdArray, trialStarts: Int32Array, apply: (trial: NdArray) => NdArray): NdArray {
  const frames = x.shape[0]!;
  const column = memoryColumn(x);
  const parts = Array.from(trialStarts, (start, i) => apply(column.readRows(start, trialStarts[i + 1] ?? frames)));
  const first = parts[0];
  if (first === undefined) return apply(x);
  const out = zerosArray(first.dtype, [frames, ...first.shape.slice(1)]);
  const bytes = arrayBytes(out);
  let offset = 0;
  for (const part of parts) {
    bytes.set(arrayBytes(part), offset);
    offset += arrayBytes(part).byteLength;
  }
  return out;
}

/**
 * Joins arrays along their last axis, as concatenated transforms of one exposed name are.
 *
 * @param parts at least one
 * @throws UserError when element types or other axes differ
 */
export function concatenateLast(parts: readonly NdArray[], key: string): NdArray {
  const first = parts[0]!;
  if (parts.length === 1) return first;
  const outer = first.shape.slice(0, -1);
  for (const part of parts) {
    if (part.dtype === first.dtype && part.shape.slice(0, -1).join() === outer.join()) continue;
    const shapes = parts.map(({ dtype, shape }) => `${dtype} [${shape.join(", ")}]`).join(" and ");
    throw new UserError(`Cannot join transforms into "${key}" along the last axis: they give ${shapes}`);
  }
  const widths = parts.map((part) => part.shape.at(-1)!);
  const width = widths.reduce((sum, n) => sum + n, 0);
  const out = zerosArray(first.dtype, [...outer, width]);
  const bytes = arrayBytes(out);
  const rows = outer.reduce((product, n) => product * n, 1);
  const itemBytes = out.data.BYTES_PER_ELEMENT;
  let column = 0;
  parts.forEach((part, i) => {
    const source = arrayBytes(part);
    const run = widths[i]! * itemBytes;
    for (let row = 0; row < rows; row++) {
      bytes.set(source.subarray(row * run, (row + 1) * run), (row * width + column) * itemBytes);
    }
    column += widths[i]!;
  });
  return out;
}
