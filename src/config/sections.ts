/**
 * @file Configuration of the twin's stages: adapter, frontend, convnet, modulator, recurrent, readout, shifter.
 *
 * Follows the model specification, sections 4, 5 and 11 to 14. Every stage is `{type, params}`; a stage of type `none`
 * is switched off and ignores whatever its `params` still hold.
 */

import { z } from "zod";
import { ActivationTypeSchema, BlockSchema, checkWindow, kernelShape, NetBlockSchema, StemSchema } from "./block.ts";
import { problem } from "./checks.ts";
import { IGNORED } from "./ignored-keys.ts";
import { count, dynamicAdaptationShape, fraction, positive, positiveCount, temporalBasisShape } from "./shapes.ts";

const ignored = `${IGNORED}.`;

const off = z
  .strictObject({ type: z.literal("none"), params: z.looseObject({}).prefault({}) })
  .describe("Switched off: params are ignored.");

// --- adapter (section 4) ---

export const AdapterParamsSchema = z
  .strictObject({
    init_sigma: positive.default(1).describe("Initial width of the blur, in pixels."),
    grid_size: positiveCount.default(25).describe("Rows and columns of the resampled frame."),
    transform: z.enum(["scale", "affine"]).default("scale").describe("What is learnt about the sampling grid."),
    blur_kernel: z
      .enum(["reference", "centred"])
      .default("reference")
      .describe("reference: an even kernel that shifts the frame by half a pixel and loses one row and column."),
    differentiate_sigma: z.boolean().default(false).describe("Let the loss train the blur width."),
    init_scale: positive
      .nullable()
      .default(null)
      .describe("Initial zoom: 1 samples the whole frame. null: the reference's 0.693, the central 69 %."),
  })
  .check(({ value, issues }) => {
    if (value.transform === "affine" && value.init_scale !== null) {
      issues.push(problem(value, ["init_scale"], "an affine adapter starts at the identity: leave init_scale out"));
    }
  });

const adapter = z
  .strictObject({ type: z.literal("adapter"), params: AdapterParamsSchema.prefault({}) })
  .describe("Resamples every frame on a learnt grid, one adapter per session.");

export const AdapterSchema = z.discriminatedUnion("type", [off, adapter]);

// --- frontend (section 5) ---

export const LearnableTemporalParamsSchema = z
  .strictObject({
    kernel_size: positiveCount.default(16).describe("Taps: frames each kernel sees."),
    num_channels: positiveCount.default(6).describe("Number of kernels."),
    init_type: z
      .enum(["gaussian_derivatives", "random", "identity", "biphasic"])
      .default("gaussian_derivatives")
      .describe("Initial kernels. Without effect on windowed or weight-normed kernels unless apply_init is true."),
    apply_init: z.boolean().default(false).describe("Apply init_type to windowed and weight-normed kernels too."),
    split_MP: z.boolean().default(false).describe("Half of the kernels see fine detail, half the blurred frame."),
    bias: z.boolean().default(false),
    causal: z.boolean().optional().describe(ignored),
    ...kernelShape,
    weight_norm_dim: z.literal(0).default(0),
  })
  .check(checkWindow)
  .check(({ value, issues }) => {
    if (value.split_MP && value.num_channels % 2 !== 0) {
      issues.push(problem(value, ["num_channels"], `split_MP needs an even number, found ${value.num_channels}`));
    }
  });

export const FrontendSchema = z.discriminatedUnion("type", [
  off,
  z
    .strictObject({ type: z.literal("learnable_temporal"), params: LearnableTemporalParamsSchema.prefault({}) })
    .describe("Learnt temporal kernels, the same at every pixel."),
  z
    .strictObject({
      type: z.literal("da"),
      params: z
        .strictObject({
          ...dynamicAdaptationShape,
          learnable_params: z.boolean().default(false).describe("Train the seven scalars."),
          height: positiveCount.nullable().optional().describe(ignored),
          width: positiveCount.nullable().optional().describe(ignored),
        })
        .prefault({}),
    })
    .describe("Dynamical adaptation, a model of cones."),
  z
    .strictObject({
      type: z.literal("temporal_basis"),
      params: z
        .strictObject({
          ...temporalBasisShape,
          chomp: count.nullable().default(null).describe("Drop this many frames at the start of the result."),
        })
        .prefault({}),
    })
    .describe("Fixed raised-cosine kernels."),
  z.strictObject({ type: z.literal("conv"), params: StemSchema }).describe("One convolution block."),
  adapter,
]);

// --- convnet (section 11) ---

const netShape = {
  channels: z.array(positiveCount).describe("Width of every block."),
  stem_config: StemSchema.nullable().default(null).describe("Block in front of the others."),
  final_activation: ActivationTypeSchema.default("none").describe("Activation after the last block."),
  checkpointing: z.boolean().optional().describe(ignored),
  dim: z.int().optional().describe(ignored),
  base_channels: z.int().optional().describe(ignored),
};
const netBlocks = z.array(NetBlockSchema).describe("One block per entry of channels.");

function checkNet({ value, issues }: z.core.ParsePayload<{ channels: unknown[]; block_configs: unknown[] }>): void {
  const [channels, blocks] = [value.channels.length, value.block_configs.length];
  if (channels === blocks) return;
  issues.push(
    problem(value, ["block_configs"], `expected one block per entry of channels (${channels}), found ${blocks}`),
  );
}

export const ConvnetSchema = z.discriminatedUnion("type", [
  off,
  z
    .strictObject({
      type: z.literal("vanilla"),
      params: z.strictObject({ ...netShape, block_configs: z.array(BlockSchema) }).check(checkNet),
    })
    .describe("Blocks in sequence. Also written conv or cnn."),
  z
    .strictObject({
      type: z.literal("resnet"),
      params: z
        .strictObject({
          ...netShape,
          block_configs: netBlocks,
          resnet_post_add_activation: ActivationTypeSchema.default("none").describe("Activation after every addition."),
        })
        .check(checkNet),
    })
    .describe("Blocks with additive shortcuts."),
  z
    .strictObject({
      type: z.literal("densenet"),
      params: z.strictObject({ ...netShape, block_configs: netBlocks }).check(checkNet),
    })
    .describe("Blocks that append to what came before."),
]);

// --- modulator (section 12) ---

export const BehaviorEncoderSchema = z.strictObject({
  type: z.literal("mlp").default("mlp"),
  dims: z.array(positiveCount).default([64, 64]).describe("Widths of the layers; empty: one layer of 64."),
  activation: ActivationTypeSchema.default("gelu"),
  bias: z.boolean().default(true),
  residual: z.boolean().default(true).describe("Add the input to the output when both are equally wide."),
  dropout: fraction.default(0),
  last_layer_activation: z.boolean().default(false),
});

function checkOddKernels({ value, issues }: z.core.ParsePayload<{ kernel_size: number | number[] }>): void {
  const sizes = [value.kernel_size].flat();
  if (sizes.every((size) => size % 2 === 1)) return;
  issues.push(problem(value, ["kernel_size"], `expected odd sizes, found ${sizes.join(", ")}`));
}

const modulatorShape = {
  behavior_dim: positiveCount.default(2).describe("Number of behaviour features. Also written n_vars."),
  feature_dim: z.int().optional().describe(`${IGNORED}: the convnet decides.`),
};
const encodedParams = z.strictObject({ ...modulatorShape, encoder_params: BehaviorEncoderSchema.prefault({}) });

export const ModulatorSchema = z.discriminatedUnion("type", [
  off,
  z
    .strictObject({ type: z.literal("concat"), params: encodedParams.prefault({}) })
    .describe("Appends encoded behaviour to the features as channels."),
  z
    .strictObject({
      type: z.literal("film"),
      params: encodedParams
        .extend({
          init: z
            .enum(["reference", "identity"])
            .default("reference")
            .describe(
              "Scale of every channel at the start. reference: the sum of the encoded behaviour. identity: 1, so that " +
                "features pass unchanged until training finds otherwise.",
            ),
        })
        .prefault({}),
    })
    .describe("Behaviour scales and shifts every channel."),
  z
    .strictObject({
      type: z.literal("convgru"),
      params: z
        .strictObject({
          ...modulatorShape,
          hidden_dim: positiveCount.optional().describe("Absent: the width of the features."),
          beh_emb_dim: positiveCount.default(16).describe("Width of the linear embedding of behaviour."),
          kernel_size: positiveCount.default(3).describe("Odd size."),
          use_layer_norm: z.boolean().optional().describe(ignored),
          learnable_h0: z.boolean().optional().describe(ignored),
          use_depthwise: z.boolean().optional().describe(ignored),
          use_grouped: z.boolean().optional().describe(ignored),
          num_groups: z.int().optional().describe(ignored),
          use_residual: z.boolean().optional().describe(ignored),
          grad_clip_val: z.number().optional().describe(ignored),
        })
        .check(checkOddKernels)
        .prefault({}),
    })
    .describe("A convolutional GRU over lags that also sees behaviour; keeps its last state."),
]);

// --- recurrent (section 13) ---

const perLayer = z.union([positiveCount, z.array(positiveCount).min(1)]);
const libraryRnnParams = z.strictObject({
  hidden_dim: positiveCount.default(64).describe("Width of the state."),
  num_layers: positiveCount.default(1).describe("Layers, each reading the states of the one below."),
  dropout: fraction.default(0).describe("Probability of dropping a value between layers, in training."),
  kernel_size: z.unknown().optional().describe(ignored),
});

export const RecurrentSchema = z.discriminatedUnion("type", [
  off,
  z
    .strictObject({
      type: z.literal("convgru"),
      params: z
        .strictObject({
          hidden_dim: perLayer.default(64).describe("Channels, one number or one per layer."),
          kernel_size: perLayer.default(3).describe("Odd size, one number or one per layer."),
          n_layers: positiveCount.default(1),
        })
        .check(({ value, issues }) => {
          for (const key of ["hidden_dim", "kernel_size"] as const) {
            const given = value[key];
            if (typeof given === "number" || given.length === value.n_layers) continue;
            issues.push(
              problem(value, [key], `expected one per layer (n_layers ${value.n_layers}), found ${given.length}`),
            );
          }
        })
        .check(checkOddKernels)
        .prefault({}),
    })
    .describe("Convolutional GRU over lags."),
  z
    .strictObject({ type: z.literal("gru"), params: libraryRnnParams.prefault({}) })
    .describe("GRU over flattened frames."),
  z
    .strictObject({ type: z.literal("lstm"), params: libraryRnnParams.prefault({}) })
    .describe("LSTM over flattened frames."),
]);

// --- readout (section 14) ---

const nUnits = positiveCount.optional().describe(`${IGNORED}: the sessions' cids decide.`);

export const ReadoutSchema = z.discriminatedUnion("type", [
  z
    .strictObject({
      type: z.literal("gaussian"),
      params: z
        .strictObject({
          n_units: nUnits,
          bias: z.boolean().default(true),
          initial_std: positive.default(5).describe("Initial width of every unit's pooling field, in feature pixels."),
          initial_mean_scale: z
            .number()
            .min(0)
            .default(0)
            .describe("Spread of the initial centres, in feature pixels."),
        })
        .prefault({}),
    })
    .describe("Every unit pools the features under a Gaussian."),
  z
    .strictObject({
      type: z.literal("linear"),
      params: z.strictObject({ n_units: nUnits, bias: z.boolean() }),
    })
    .describe("Mean over space, then a linear map."),
  z
    .strictObject({
      type: z.literal("gaussian_point"),
      params: z
        .strictObject({
          n_units: nUnits,
          bias: z.boolean().default(true),
          covariance: z
            .enum(["isotropic", "uncorrelated", "full"])
            .default("full")
            .describe("Of the places drawn in training: a circle, an ellipse along the axes, any ellipse."),
          sample: z
            .enum(["batch", "sample"])
            .default("sample")
            .describe("Draw each unit's place once for a session's samples in a batch, or for every sample."),
          init_mu_range: z
            .number()
            .min(0)
            .default(0.1)
            .describe("Initial means are uniform between minus and plus this, from the middle (0) to the edge (1)."),
          init_sigma: positive
            .default(0.3)
            .describe("Initial standard deviation, from the middle (0) to the edge (1)."),
        })
        .prefault({}),
    })
    .describe("Every unit reads the features at one place, drawn from a learnt Gaussian in training."),
  z
    .strictObject({
      type: z.literal("factorized"),
      params: z
        .strictObject({
          n_units: nUnits,
          bias: z.boolean().default(true),
          non_negative: z.boolean().default(false).describe("Use the absolute values of the masks."),
          normalize: z.boolean().default(false).describe("Divide every mask by the sum of its absolute values."),
          init: z
            .enum(["flat", "gaussian", "random"])
            .default("gaussian")
            .describe("Initial masks: one value everywhere, a Gaussian in the middle, or normal draws."),
          initial_std: positive.default(5).describe("init gaussian only: width of the masks, in feature pixels."),
        })
        .check(({ value, issues }) => {
          if (value.init === "gaussian" || value.initial_std === 5) return;
          issues.push(
            problem(value, ["initial_std"], `initial_std is read by init gaussian only, not by ${value.init}`),
          );
        })
        .prefault({}),
    })
    .describe("Every unit has a mask over the map and a weight per feature. Also written factorised."),
]);

// --- shifter ---

export const ShifterSchema = z.discriminatedUnion("type", [
  off,
  z
    .strictObject({
      type: z.literal("mlp"),
      params: z
        .strictObject({
          features: z
            .array(count)
            .min(1)
            .nullable()
            .default(null)
            .describe("Positions of the gaze in the behaviour vector, from 0. null: all of it."),
          behavior_dim: positiveCount
            .nullable()
            .default(null)
            .describe("Number of behaviour features. Needed where features is null."),
          hidden_dims: z.array(positiveCount).default([10]).describe("Widths of the hidden layers."),
          activation: ActivationTypeSchema.default("tanh"),
          max_shift: positive
            .default(0.5)
            .describe("Largest shift along each axis, in halves of the feature map: 1 is from its middle to its edge."),
        })
        .check(({ value, issues }) => {
          const { features, behavior_dim } = value;
          if (features === null) {
            if (behavior_dim !== null) return;
            issues.push(
              problem(value, ["behavior_dim"], "needed where features is null: the number of behaviour features"),
            );
            return;
          }
          const double = features.find((feature, i) => features.indexOf(feature) < i);
          if (double !== undefined) issues.push(problem(value, ["features"], `${double} is listed twice`));
          const largest = Math.max(...features);
          if (behavior_dim === null || largest < behavior_dim) return;
          issues.push(problem(value, ["features"], `${largest} is not among the ${behavior_dim} behaviour features`));
        }),
    })
    .describe("A perceptron from gaze to a shift of all places a session's readout looks at."),
]);

export type AdapterConfig = z.infer<typeof AdapterSchema>;
export type FrontendConfig = z.infer<typeof FrontendSchema>;
export type ConvnetConfig = z.infer<typeof ConvnetSchema>;
export type ModulatorConfig = z.infer<typeof ModulatorSchema>;
export type RecurrentConfig = z.infer<typeof RecurrentSchema>;
export type ReadoutConfig = z.infer<typeof ReadoutSchema>;
export type ShifterConfig = z.infer<typeof ShifterSchema>;
