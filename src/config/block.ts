/**
 * @file Configuration of a convolution block: convolution, norm, activation, pooling.
 *
 * Follows the model specification, sections 6 to 10. Sizes per axis are one number or `[T, H, W]`.
 */

import { z } from "zod";
import { misplaced, type Owners, problem } from "./checks.ts";
import { count, fraction, perAxis, positive, positiveCount, whole } from "./shapes.ts";

/** Windows that taper convolution kernels (specification 6.4). */
const WINDOWS = [
  "hann",
  "hamming",
  "general_hamming",
  "blackman",
  "nuttall",
  "general_cosine",
  "bartlett",
  "cosine",
  "gaussian",
  "exponential",
  "kaiser",
] as const;

const NORM_TYPES = ["none", "rms", "grn", "layer", "batch", "instance", "group"] as const;

const ACTIVATION_TYPES = [
  "none",
  "relu",
  "leakyrelu",
  "elu",
  "prelu",
  "gelu",
  "sigmoid",
  "tanh",
  "silu",
  "mish",
  "softplus",
  "bsoftplus",
  "splitrelu",
  "square",
] as const;

export const ActivationTypeSchema = z
  .enum(ACTIVATION_TYPES)
  .meta({ id: "Activation", description: "Activation; upper and lower case are the same." });

export const WindowParamsSchema = z
  .strictObject({
    power: z.number().default(1).describe("The window is raised to this power, then scaled to a peak of 1."),
    sym: z.boolean().default(true).describe("Symmetric window; false gives the periodic one."),
    alpha: z.number().default(0.54).describe("general_hamming only."),
    a: z
      .array(z.number())
      .min(1)
      .optional()
      .describe("general_cosine only, required there: the weights of the cosines."),
    std: positive.default(1).describe("gaussian only: standard deviation in taps."),
    tau: positive.default(1).describe("exponential only: decay in taps."),
    beta: z.number().default(12).describe("kaiser only: shape."),
  })
  .meta({ id: "WindowParams", description: "Parameters of the window." });

const WINDOW_PARAM_OWNERS: Owners = {
  alpha: ["general_hamming"],
  a: ["general_cosine"],
  std: ["gaussian"],
  tau: ["exponential"],
  beta: ["kaiser"],
};

/** Anti-aliasing window and weight norm, the part of a convolution that the temporal frontend shares. */
export const kernelShape = {
  stride: perAxis(positiveCount).default(1).describe("Stride, one number or [T, H, W]."),
  dilation: perAxis(positiveCount).default(1).describe("Dilation, one number or [T, H, W]."),
  padding_mode: z
    .enum(["zeros", "reflect", "replicate", "circular"])
    .default("replicate")
    .describe("How the convolution itself pads; most blocks pad outside it."),
  aa_signal: z.boolean().default(false).describe("Taper kernels of 5 or more taps with a window."),
  aa_window: z.enum(WINDOWS).default("hann").describe("The window."),
  aa_window_kwargs: WindowParamsSchema.prefault({}),
  use_weight_norm: z.boolean().default(false).describe("Learn direction and length of every kernel separately."),
  keep_unit_norm: z.boolean().default(false).describe("With weight norm: hold every kernel at length 1."),
  weight_norm_dim: z
    .int()
    .min(0)
    .max(4)
    .default(0)
    .describe("Weight axis whose entries have a length each. Standard convolutions only know 0."),
};

/** Problems of a convolution's window. */
export function checkWindow({ value, issues }: z.core.ParsePayload<KernelParams>): void {
  issues.push(...misplaced(value, "aa_window", "aa_window_kwargs", WindowParamsSchema, WINDOW_PARAM_OWNERS));
  if (value.aa_window === "general_cosine" && value.aa_window_kwargs.a === undefined) {
    issues.push(problem(value, ["aa_window"], "general_cosine needs its weights: a list a under aa_window_kwargs"));
  }
}

type KernelParams = z.infer<z.ZodObject<typeof kernelShape, z.core.$strict>>;

export const ConvParamsSchema = z
  .strictObject({
    type: z
      .enum(["standard", "depthwise"])
      .default("standard")
      .describe("depthwise is followed by a 1x1x1 convolution."),
    kernel_size: perAxis(positiveCount).describe("Kernel size, one number or [T, H, W]."),
    padding: z
      .union([count, z.array(count).min(2).max(3)])
      .default(0)
      .describe(
        "Padding, one number, [T, H, W] or [H, W]. A causal block with a temporal kernel pads rows and columns by it; other blocks with pad in their order ignore it.",
      ),
    bias: z.boolean().optional().describe("Absent: true when the block has no norm, else false."),
    groups: positiveCount.default(1).describe("Channel groups; standard only."),
    ...kernelShape,
  })
  .check(checkWindow)
  .check(({ value, issues }) => {
    if (value.type === "standard" && value.weight_norm_dim !== 0) {
      issues.push(problem(value, ["weight_norm_dim"], "a standard convolution keeps axis 0: write 0 or leave it out"));
    }
    if (value.type === "depthwise" && value.groups !== 1) {
      issues.push(problem(value, ["groups"], "a depthwise convolution sets its own groups: leave it out"));
    }
  })
  .meta({ id: "Convolution", description: "Convolution." });

export const NormParamsSchema = z
  .strictObject({
    eps: positive.default(1e-5).describe("Added to the variance (grn: to the mean norm)."),
    affine: z.boolean().optional().describe("Learn gain and shift. Absent: true, for instance norm false."),
    target_dim: z
      .union([whole, z.array(whole).min(1)])
      .default(1)
      .describe("rms and layer only: axes to normalise over; 1 is channels."),
    num_groups: positiveCount.default(1).describe("group only."),
  })
  .meta({ id: "NormParams", description: "Parameters of the norm." });

const NORM_PARAM_OWNERS: Owners = { target_dim: ["rms", "layer"], num_groups: ["group"] };

export const ActivationParamsSchema = z
  .strictObject({
    negative_slope: z.number().default(0.01).describe("leakyrelu only."),
    approximate: z.enum(["none", "tanh"]).default("none").describe("gelu only."),
    split_dim: whole.default(1).describe("splitrelu only: axis that doubles."),
    trainable_gain: z.boolean().default(false).describe("splitrelu only: learn the gain of the positive half."),
    beta_init: positive.default(1).describe("bsoftplus only: initial sharpness."),
    beta_min: positive.default(0.1).describe("bsoftplus only: smallest sharpness."),
    beta_max: positive.default(10).describe("bsoftplus only: largest sharpness."),
    inplace: z.boolean().optional().describe("Accepted and ignored."),
  })
  .meta({ id: "ActivationParams", description: "Parameters of the activation." });

const ACTIVATION_PARAM_OWNERS: Owners = {
  negative_slope: ["leakyrelu"],
  approximate: ["gelu"],
  split_dim: ["splitrelu"],
  trainable_gain: ["splitrelu"],
  beta_init: ["bsoftplus"],
  beta_min: ["bsoftplus"],
  beta_max: ["bsoftplus"],
};

/** Norm and activation of a layer, the part of a block that the history encoder shares. Each has its default norm. */
export const normAndActivationShape = {
  norm_type: z.enum(NORM_TYPES).describe("Norm; upper and lower case are the same."),
  norm_params: NormParamsSchema.prefault({}),
  act_type: ActivationTypeSchema.default("relu"),
  act_params: ActivationParamsSchema.prefault({}),
};

/** Problems of a norm and an activation: parameters that belong to another type. */
export function checkNormAndActivation({ value, issues }: z.core.ParsePayload<NormAndActivation>): void {
  issues.push(...misplaced(value, "norm_type", "norm_params", NormParamsSchema, NORM_PARAM_OWNERS));
  issues.push(...misplaced(value, "act_type", "act_params", ActivationParamsSchema, ACTIVATION_PARAM_OWNERS));
}

type NormAndActivation = z.infer<z.ZodObject<typeof normAndActivationShape, z.core.$strict>>;

const slidingPool = {
  kernel_size: perAxis(positiveCount).describe("One number (for T, H and W alike) or [T, H, W]."),
  stride: perAxis(positiveCount).optional().describe("Absent: the kernel size."),
  padding: perAxis(count).default(0),
};
const adaptivePool = { kernel_size: perAxis(positiveCount).describe("Output size, one number or [T, H, W].") };
const squeezePool = {
  stride: positiveCount.default(2).describe("Spatial stride of the 2x2 pooling."),
  r: positiveCount.default(8).describe("Squeeze-excite: channels are divided by this."),
  use_soft: z.boolean().default(true).describe("Weight the average towards large values."),
};

export const PoolSchema = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("none") }),
    z.strictObject({ type: z.literal("max"), ...slidingPool }),
    z.strictObject({ type: z.literal("avg"), ...slidingPool }),
    z.strictObject({ type: z.literal("adaptivemax"), ...adaptivePool }),
    z.strictObject({ type: z.literal("adaptiveavg"), ...adaptivePool }),
    z.strictObject({ type: z.literal("aablur"), ...squeezePool }),
    z.strictObject({ type: z.literal("se_pool"), ...squeezePool }),
    z
      .strictObject({
        type: z.literal("locatt"),
        channels: positiveCount.describe("Channels that arrive here; a multiple of chan_window."),
        chan_window: positiveCount.default(3).describe("Odd number of neighbouring channels."),
        spatial_kernel: positiveCount.default(3).describe("Odd size in pixels."),
        layout: z
          .enum(["reference", "per_frame"])
          .default("reference")
          .describe("reference: mixes channels and frames when it looks at pixels. per_frame: does not."),
      })
      .check(({ value, issues }) => {
        for (const key of ["chan_window", "spatial_kernel"] as const) {
          if (value[key] % 2 === 0) issues.push(problem(value, [key], `expected an odd number, found ${value[key]}`));
        }
        if (value.channels % value.chan_window !== 0) {
          const message = `expected a multiple of chan_window (${value.chan_window}), found ${value.channels}`;
          issues.push(problem(value, ["channels"], message));
        }
      }),
  ])
  .meta({ id: "Pool", description: "Pooling." });

const blockShape = {
  conv_params: ConvParamsSchema,
  ...normAndActivationShape,
  norm_type: normAndActivationShape.norm_type.default("batch"),
  pool_params: PoolSchema.nullable().default(null).describe("Pooling, or null for none."),
  dropout: fraction.default(0).describe("Probability of dropping an element in training."),
  causal: z.boolean().default(true).describe("Pad the lag axis on one side only."),
  order: z
    .array(z.enum(["pad", "conv", "norm", "act", "dropout", "pool"]))
    .min(1)
    .default(["pad", "conv", "norm", "act", "dropout", "pool"])
    .describe("Stages in the order they run; a stage that is not listed is skipped."),
};

/** A block whose width comes from the net's `channels`. */
export const BlockSchema = z
  .strictObject(blockShape)
  .check(checkNormAndActivation)
  .meta({ id: "Block", description: "Convolution block." });

/** A block of a residual or dense net: the reference drops two more keys there. */
export const NetBlockSchema = z
  .strictObject({
    ...blockShape,
    out_channels: z.unknown().optional().describe("Accepted and ignored: `channels` of the net decides."),
    channel_multiplier: z.unknown().optional().describe("Accepted and ignored."),
  })
  .check(checkNormAndActivation)
  .meta({ id: "NetBlock", description: "Convolution block of a residual or dense net." });

/** A block that states its own width: a stem or a convolutional frontend. */
export const StemSchema = z
  .strictObject({ out_channels: positiveCount.describe("Channels the convolution puts out."), ...blockShape })
  .check(checkNormAndActivation)
  .meta({ id: "Stem", description: "Convolution block with its width." });

export type WindowParams = z.infer<typeof WindowParamsSchema>;
export type ConvParams = z.infer<typeof ConvParamsSchema>;
export type NormType = (typeof NORM_TYPES)[number];
export type NormParams = z.infer<typeof NormParamsSchema>;
export type ActivationType = (typeof ACTIVATION_TYPES)[number];
export type ActivationParams = z.infer<typeof ActivationParamsSchema>;
export type PoolConfig = z.infer<typeof PoolSchema>;
/** Either kind of block without its width. `bias` of the convolution is absent unless written: see its description. */
export type BlockConfig = z.infer<typeof BlockSchema>;
export type StemConfig = z.infer<typeof StemSchema>;

const OWNED_PARAMS: Readonly<Record<string, { typeKey: string; owners: Owners }>> = {
  aa_window_kwargs: { typeKey: "aa_window", owners: WINDOW_PARAM_OWNERS },
  norm_params: { typeKey: "norm_type", owners: NORM_PARAM_OWNERS },
  act_params: { typeKey: "act_type", owners: ACTIVATION_PARAM_OWNERS },
};

/** False when the type chosen in `config` never reads parameter `name` of its `paramsKey`: `alpha` of a Hann window. */
export function paramIsRead(config: Readonly<Record<string, unknown>>, paramsKey: string, name: string): boolean {
  const owned = OWNED_PARAMS[paramsKey];
  const owners = owned?.owners[name];
  return owned === undefined || owners === undefined || owners.includes(String(config[owned.typeKey]));
}
