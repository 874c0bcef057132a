/**
 * @file Configuration of a whole model: the top-level keys, the regularisers, and the way from a parsed YAML file to
 * typed values.
 *
 * Follows the model specification, sections 2 and 15, and the training specification, section 14. After
 * {@link parseModelConfig} every key has its value and builders need no defaults of their own, but for three keys whose
 * default depends on their surroundings and is stated in their descriptions: `bias` of a convolution in a block,
 * `affine` of a norm, `stride` of a pool.
 */

import { z } from "zod";
import { ActivationTypeSchema, checkNormAndActivation, normAndActivationShape } from "./block.ts";
import { problem } from "./checks.ts";
import { normalizeModelConfig } from "./normalize.ts";
import {
  AdapterSchema,
  ConvnetSchema,
  FrontendSchema,
  ModulatorSchema,
  ReadoutSchema,
  RecurrentSchema,
  ShifterSchema,
} from "./sections.ts";
import { count, fraction, positive, positiveCount } from "./shapes.ts";
import { type ConfigSource, plainSource } from "./source.ts";
import { validate } from "./validate.ts";

export const BaselineSchema = z.strictObject({
  enabled: z.boolean().default(false),
  activation: z.enum(["relu", "softplus"]).default("relu"),
  init_value: z.number().default(0.001),
});

export const HistoryEncoderSchema = z.strictObject({
  type: z.literal("mlp").default("mlp"),
  params: z
    .strictObject({
      num_lags: positiveCount.default(5).describe("Frames of spike history."),
      hidden_dims: z.array(positiveCount).default([32, 10]),
      ...normAndActivationShape,
      norm_type: normAndActivationShape.norm_type.default("none"),
      dropout: fraction.default(0),
      bias: z.boolean().default(true),
      residual: z.boolean().default(false).describe("Add the input to the output when both are equally wide."),
      output_activation: z.boolean().default(false).describe("Treat the last layer like a hidden one."),
      spectral_norm: z.boolean().default(false).describe("Divide every weight by its largest singular value."),
      spectral_pre_iterations: count
        .default(0)
        .describe(
          "Power iterations before training; 15 make the singular values of a new model right. 0 is the reference's: " +
            "they become right in the first training steps.",
        ),
    })
    .check(checkNormAndActivation)
    .check(({ value, issues }) => {
      if (value.spectral_norm || value.spectral_pre_iterations === 0) return;
      issues.push(
        problem(value, ["spectral_pre_iterations"], "read with spectral_norm only: set spectral_norm to true"),
      );
    })
    .prefault({}),
});

const ScheduleSchema = z
  .strictObject({
    kind: z.enum(["constant", "warmup", "linear_ramp", "linear_decay"]).default("constant"),
    start_epoch: count.default(0).describe("First epoch with an effect, from 0."),
    end_epoch: count.optional().describe("Last epoch of the schedule. A linear_ramp falls back to 0 after it."),
    start_lambda: z.number().optional().describe("linear_decay only: strength at start_epoch. Absent: lambda."),
  })
  .check(({ value, issues }) => {
    if (value.start_lambda !== undefined && value.kind !== "linear_decay") {
      issues.push(problem(value, ["start_lambda"], `start_lambda is read by linear_decay only, not by ${value.kind}`));
    }
  });

export const RegularizerSchema = z.strictObject({
  name: z.string().min(1).describe("Name in logs."),
  type: z
    .enum([
      "l1",
      "l2",
      "group_lasso",
      "ortho",
      "proximal_l1",
      "proximal_clamp",
      "proximal_clamp_positive",
      "proximal_clamp_min",
    ])
    .describe("A penalty in the loss, or (proximal_…) a projection after the optimiser's step."),
  lambda: z.number().describe("Strength, or the bound of a clamp."),
  apply_to: z
    .array(z.string().min(1))
    .default([])
    .describe("Patterns; all pieces between slashes must occur in a parameter's name."),
  schedule: ScheduleSchema.prefault({}),
});

export const ModelConfigSchema = z
  .strictObject({
    model_type: z
      .enum(["v1", "v1multi", "v1multi_history"])
      .default("v1")
      .describe(
        "v1: one session. v1multi: a shared core, an adapter and a readout per session. …_history: plus spike history.",
      ),
    initial_input_channels: positiveCount.default(1).describe("Channels of the stimulus."),
    sampling_rate: positive.default(240).describe("Frames per second that the time constants of a da frontend assume."),
    lag_order: z
      .enum(["newest_first", "oldest_first"])
      .default("newest_first")
      .describe("Direction of the lag axis inside the network. newest_first is the reference's."),
    height: positiveCount.nullable().optional().describe("Accepted and ignored."),
    width: positiveCount.nullable().optional().describe("Accepted and ignored."),
    adapter: AdapterSchema.prefault({ type: "none" }),
    frontend: FrontendSchema.prefault({ type: "none" }),
    convnet: ConvnetSchema,
    modulator: ModulatorSchema.prefault({ type: "none" }),
    recurrent: RecurrentSchema.prefault({ type: "none" }),
    readout: ReadoutSchema.prefault({ type: "gaussian" }),
    shifter: ShifterSchema.prefault({ type: "none" }).describe(
      "Moves what gaussian and gaussian_point readouts look at with the gaze; needs behaviour.",
    ),
    history_encoder: HistoryEncoderSchema.optional().describe("v1multi_history only, and always present there."),
    output_activation: ActivationTypeSchema.default("none").describe("none: outputs are log rates."),
    baseline: BaselineSchema.prefault({}).describe("A learnt rate per unit, added after the activation."),
    regularization: z.array(RegularizerSchema).default([]),
    lambda_pred: z.number().optional().describe("Accepted and ignored."),
  })
  .check(({ value, issues }) => {
    if (value.history_encoder !== undefined && value.model_type !== "v1multi_history") {
      const message = `history_encoder is read by model_type v1multi_history only, not by ${value.model_type}`;
      issues.push(problem(value, ["history_encoder"], message));
    }
  })
  .describe("Model configuration of VisionCore.");

export type ModelConfig = z.infer<typeof ModelConfigSchema>;
export type HistoryEncoderConfig = z.infer<typeof HistoryEncoderSchema>;
export type RegularizerConfig = z.infer<typeof RegularizerSchema>;
export type ScheduleConfig = z.infer<typeof ScheduleSchema>;

/**
 * Typed model configuration with all defaults filled in. `value` is left alone, and parsing a result again gives an
 * equal result, so that checkpoints may store either.
 *
 * @param source Where `value` was written; without it, messages name keys but no lines.
 * @throws ConfigError with every problem.
 */
export function parseModelConfig(
  value: unknown,
  source: ConfigSource = plainSource("model config", value),
): ModelConfig {
  return validate(ModelConfigSchema, normalizeModelConfig(value), source);
}

export type {
  ActivationParams,
  ActivationType,
  BlockConfig,
  ConvParams,
  NormParams,
  NormType,
  PoolConfig,
  StemConfig,
  WindowParams,
} from "./block.ts";
export type {
  AdapterConfig,
  ConvnetConfig,
  FrontendConfig,
  ModulatorConfig,
  ReadoutConfig,
  RecurrentConfig,
  ShifterConfig,
} from "./sections.ts";
