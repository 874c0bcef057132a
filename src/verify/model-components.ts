/**
 * @file Building what a golden case names: a component from its YAML-level arguments, or a twin from model and dataset
 * configuration.
 */

import { BlockSchema, ConvParamsSchema, PoolSchema } from "../config/block.ts";
import { HistoryEncoderSchema, parseModelConfig } from "../config/model.ts";
import { normalizeSection } from "../config/normalize.ts";
import {
  AdapterSchema,
  ConvnetSchema,
  FrontendSchema,
  ModulatorSchema,
  ReadoutSchema,
  RecurrentSchema,
} from "../config/sections.ts";
import type { NdArray } from "../formats/array.ts";
import { buildModel, makeAdapter, makeFrontend, makeReadout, makeRecurrent } from "../models/build.ts";
import { Block } from "../models/modules/block.ts";
import { makeConv, type Padding } from "../models/modules/conv.ts";
import { Convnet } from "../models/modules/convnet.ts";
import type { BuildContext, Formulation, Layer } from "../models/modules/layer.ts";
import { Mlp } from "../models/modules/mlp.ts";
import { makeModulator } from "../models/modules/modulator.ts";
import { makePool } from "../models/modules/pool.ts";
import { GaussianReadout } from "../models/modules/readout.ts";
import {
  blockOptions,
  convnetOptions,
  convOptions,
  mlpOptions,
  modulatorOptions,
  paddingOf,
  poolOptions,
} from "../models/options.ts";
import { type SessionSpec, UNKNOWN_INPUT } from "../models/shapes.ts";
import type { Twin } from "../models/twin.ts";
import { Generator, type Module, type Tensor } from "../torch/index.ts";

/** Tensors by the name a golden file gives them, without prefix. */
export type NamedTensors = ReadonlyMap<string, Tensor>;

/** Something with inputs, outputs and parameters. */
export interface Subject {
  module: Module;
  run(inputs: NamedTensors): Map<string, Tensor>;
  /** Intermediate results by stage. Where only the last frame is read, that frame alone may be given. */
  stages(inputs: NamedTensors): Map<string, NdArray>;
}

export function freshContext(formulation: Formulation): BuildContext {
  return { generator: new Generator(0), formulation };
}

// --- components --------------------------------------------------------------------------------------------------------

/** Arguments of a component as its author wrote them. */
export type ComponentArgs = Record<string, unknown> & {
  in_channels: number;
  sampling_rate: number;
  out_channels: number;
  input_dim: number;
};

/** Shapes of a case's inputs by name. */
export type InputShapes = Readonly<Record<string, readonly number[]>>;

export function buildComponent(
  component: string,
  args: ComponentArgs,
  inputs: InputShapes,
  formulation: Formulation,
): Subject {
  const context = freshContext(formulation);
  const section = normalizeSection({ type: args.type, params: args.params ?? {} });
  const [family] = component.split(".");
  switch (family) {
    case "adapter":
      return layer(makeAdapter(AdapterSchema.parse(section), context));
    case "frontend": {
      const input = { channels: args.in_channels, samplingRate: args.sampling_rate };
      return layer(makeFrontend(FrontendSchema.parse(section), input, context).layer);
    }
    case "convnet":
      return layer(new Convnet(convnetOptions(ConvnetSchema.parse(section), args.in_channels)!, context));
    case "recurrent": {
      const [height, width] = inputs.x!.slice(-2);
      const map = { channels: args.input_dim, height: height!, width: width! };
      return layer(makeRecurrent(RecurrentSchema.parse(section), map, context)!);
    }
    case "conv":
      return layer(buildConv(component, args, context));
    case "pool":
      return layer(makePool(poolOptions(PoolSchema.parse(normalizeSection(args)), args.in_channels)!, context));
    case "conv_block":
      return layer(buildBlock(args, context));
    case "mlp":
      return layer(buildMlp(args, context));
    case "readout": {
      const config = ReadoutSchema.parse(section);
      const map = { channels: args.in_channels, height: UNKNOWN_INPUT.height, width: UNKNOWN_INPUT.width };
      const readout = makeReadout(config, map, config.params.n_units ?? 0, context);
      const mask = (x: Tensor) => (readout as GaussianReadout).gaussianMask(x.size(-2), x.size(-1));
      const stages = (inputs: NamedTensors) =>
        new Map(readout instanceof GaussianReadout ? [["mask", mask(inputs.get("x")!).toArray()]] : []);
      return { ...layer(readout), stages };
    }
    case "modulator": {
      const { feature_dim = 0 } = args.params as { feature_dim?: number };
      const modulator = makeModulator(modulatorOptions(ModulatorSchema.parse(section), feature_dim)!, context);
      const run = (inputs: NamedTensors) =>
        new Map([["y", modulator.forward(inputs.get("features")!, inputs.get("behavior")!)]]);
      return { module: modulator, run, stages: () => new Map() };
    }
    default:
      throw new Error(`Golden case of an unknown component: ${component}`);
  }
}

function layer(module: Module & { forward(x: Tensor): Tensor }): Subject {
  const run = (inputs: NamedTensors) => new Map([["y", module.forward(inputs.get("x")!)]]);
  return { module, run, stages: () => new Map() };
}

function buildConv(component: string, args: ComponentArgs, context: BuildContext): Layer {
  const { in_channels: inChannels, out_channels: outChannels, ...params } = args;
  const config = ConvParamsSchema.parse(normalizeSection({ ...params, type: component.split(".")[1] }));
  const padding = paddingOf(config.padding).map((p) => [p, p] as const) as unknown as Padding;
  return makeConv({ ...convOptions(config, true), inChannels, outChannels, padding }, context);
}

function buildBlock(args: ComponentArgs, context: BuildContext): Block {
  const { in_channels: inChannels, out_channels, ...params } = args;
  return new Block({ ...blockOptions(BlockSchema.parse(normalizeSection(params)), out_channels), inChannels }, context);
}

function buildMlp(args: ComponentArgs, context: BuildContext): Mlp {
  const { input_dim, output_dim, ...params } = args;
  const { params: parsed } = HistoryEncoderSchema.parse(normalizeSection({ params }));
  return new Mlp(mlpOptions(parsed, input_dim, output_dim as number), context);
}

// --- twins -------------------------------------------------------------------------------------------------------------

/** The dataset configuration of a golden model, as far as models read it. */
export interface GoldenDataset {
  session: string;
  cids: readonly number[];
  adapter?: unknown;
  readout?: unknown;
}

export interface GoldenModel {
  model_config: Record<string, unknown>;
  dataset_configs?: readonly GoldenDataset[];
}

export function buildTwin(
  { model_config, dataset_configs }: GoldenModel,
  inputs: InputShapes,
  formulation: Formulation,
): Subject {
  const config = parseModelConfig(model_config);
  const sessions = dataset_configs?.map(sessionSpec) ?? [
    { name: "session", nUnits: config.readout.params.n_units ?? 0 },
  ];
  const [frames, height, width] = inputs.stimulus?.slice(2) ?? [];
  const input = inputs.stimulus && { frames: frames!, height: height!, width: width! };
  const twin = buildModel(config, sessions, { ...freshContext(formulation), input });
  const names = dataset_configs ? dataset_configs.map((_, i) => `out${i}`) : ["out"];
  return {
    module: twin,
    run(inputs) {
      const outputs = twin.forward(names.map((_, session) => sessionInput(inputs, session)));
      return new Map(names.map((name, i) => [name, outputs[i]!]));
    },
    stages: (inputs) => stagesOf(twin, inputs),
  };
}

function sessionSpec({ session, cids, adapter, readout }: GoldenDataset): SessionSpec {
  return {
    name: session,
    nUnits: cids.length,
    ...(adapter ? { adapter: AdapterSchema.parse(normalizeSection(adapter)) } : {}),
    ...(readout ? { readout: ReadoutSchema.parse(normalizeSection(readout)) } : {}),
  };
}

export function sessionInput(inputs: NamedTensors, session: number) {
  const input = (name: string) => inputs.get(name) ?? null;
  const history = input("history") ?? input(`history${session}`);
  return { session, stimulus: input("stimulus"), behavior: input("behavior"), history };
}

/** Results of every stage for session 0. */
export function stagesOf(twin: Twin, inputs: NamedTensors): Map<string, NdArray> {
  const stages = new Map<string, NdArray>();
  twin.forward([sessionInput(inputs, 0)], (stage, value) => stages.set(stage, value.toArray()));
  return stages;
}
