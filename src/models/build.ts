/**
 * @file Builds a twin from its configuration (model specification, sections 2 and 17.1).
 */

import type { AdapterConfig, FrontendConfig, ModelConfig, ReadoutConfig, RecurrentConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import { type Generator, scope } from "../torch/index.ts";
import { makeActivation } from "./modules/activation.ts";
import { Adapter } from "./modules/adapter.ts";
import { Block } from "./modules/block.ts";
import { Convnet } from "./modules/convnet.ts";
import { DynamicAdaptation } from "./modules/dynamic-adaptation.ts";
import { FactorizedReadout } from "./modules/factorized-readout.ts";
import { LearnableTemporal } from "./modules/frontend.ts";
import { SpikeHistory } from "./modules/history.ts";
import { type BuildContext, type Formulation, Identity, type Layer } from "./modules/layer.ts";
import { makeModulator } from "./modules/modulator.ts";
import { PointReadout } from "./modules/point-readout.ts";
import { GaussianReadout, LinearReadout, type Readout } from "./modules/readout.ts";
import { ConvGru, type Recurrent } from "./modules/recurrent.ts";
import { Rnn } from "./modules/rnn.ts";
import { Shifter } from "./modules/shifter.ts";
import { basisSize, TemporalBasis } from "./modules/temporal-basis.ts";
import {
  activationOptions,
  adapterOptions,
  convnetOptions,
  type FeatureMap,
  frontendOptions,
  historyOptions,
  modulatorOptions,
  readoutOptions,
  recurrentOptions,
  shifterOptions,
} from "./options.ts";
import { describeFeatures, describeModel, type InputShape, type SessionSpec, UNKNOWN_INPUT } from "./shapes.ts";
import { Twin } from "./twin.ts";

export interface BuildOptions {
  /** Initial values are drawn from this stream. */
  generator: Generator;
  /** How the twin computes; the values are the same. */
  formulation?: Formulation;
  /** Size of the stimuli, where it is known: what does not fit is then found before anything is allocated. */
  input?: InputShape;
}

/**
 * A freshly initialised twin on the CPU, in training mode, with the reference's parameter names.
 *
 * @example
 * const twin = buildModel(parseModelConfig(yaml), [{ name: "Allen_2022-04-13", nUnits: 120 }], { generator });
 * const [rates] = twin.forward([{ session: 0, stimulus, behavior: null }]);
 *
 * @throws UserError naming the configuration key when stages do not fit together or are not available
 */
export function buildModel(
  config: ModelConfig,
  sessions: readonly SessionSpec[],
  { generator, formulation = "fast", input = UNKNOWN_INPUT }: BuildOptions,
): Twin {
  checkSessions(config, sessions);
  describeModel(config, input, sessions);
  const context: BuildContext = { generator, formulation };
  return scope(() => {
    const adapters = sessions.map(({ adapter }) => makeAdapter(adapter ?? config.adapter, context));
    const frontend = makeFrontend(
      config.frontend,
      { channels: config.initial_input_channels, samplingRate: config.sampling_rate },
      context,
    );
    let channels = frontend.outChannels;
    const convnet = built(convnetOptions(config.convnet, channels), (options) => new Convnet(options, context));
    channels = convnet?.outChannels ?? channels;
    const modulator = built(modulatorOptions(config.modulator, channels), (options) => makeModulator(options, context));
    channels = modulator?.outChannels ?? channels;
    const [unscanned] = describeFeatures({ ...config, recurrent: { type: "none", params: {} } }, input, sessions);
    const recurrent = makeRecurrent(config.recurrent, { ...unscanned!, channels }, context);
    channels = recurrent?.outChannels ?? channels;
    const maps = describeFeatures(config, input, sessions);
    const readouts = sessions.map(({ nUnits, readout = config.readout }, i) =>
      makeReadout(readout, { ...maps[i]!, channels }, nUnits, context),
    );
    const spikeHistory = config.history_encoder
      ? sessions.map(({ nUnits }) => new SpikeHistory(historyOptions(config, nUnits)!, context))
      : null;
    const shifter = shifterOptions(config.shifter);
    const shifters = shifter && sessions.map(() => new Shifter(shifter, context));
    const outputActivation = makeActivation(activationOptions(config.output_activation), context);
    return new Twin({
      config,
      sessions,
      formulation,
      adapters,
      frontend: frontend.layer,
      convnet,
      modulator,
      recurrent,
      readouts,
      spikeHistory,
      shifters,
      outputActivation,
    });
  });
}

function built<Options, Part>(options: Options | null, make: (options: Options) => Part): Part | null {
  return options === null ? null : make(options);
}

function checkSessions({ model_type }: ModelConfig, sessions: readonly SessionSpec[]): void {
  if (sessions.length === 0) throw new UserError("Cannot build a model without sessions");
  if (model_type === "v1" && sessions.length > 1) {
    throw new UserError(`Cannot build the model: model_type v1 is for one session, ${sessions.length} were given`, {
      hint: "Set model_type to v1multi in the model config.",
    });
  }
  const names = new Set<string>();
  for (const { name, nUnits } of sessions) {
    if (!(Number.isInteger(nUnits) && nUnits > 0)) {
      throw new UserError(`Cannot build the model: session "${name}" has ${nUnits} units, a readout needs at least 1`);
    }
    if (names.has(name)) throw new UserError(`Cannot build the model: two sessions are called "${name}"`);
    names.add(name);
  }
}

/** A session's adapter, or an identity. */
export function makeAdapter(config: AdapterConfig, context: BuildContext): Adapter | Identity {
  return built(adapterOptions(config), (options) => new Adapter(options, context)) ?? new Identity();
}

/**
 * The frontend and the channels it puts out.
 *
 * @param input channels of the stimulus and its frames per second, as the model config has them
 */
export function makeFrontend(
  config: FrontendConfig,
  input: { channels: number; samplingRate: number },
  context: BuildContext,
): { layer: Layer; outChannels: number } {
  const inChannels = input.channels;
  const frontend = frontendOptions(config, input.samplingRate);
  switch (frontend.type) {
    case "none":
      return { layer: new Identity(), outChannels: inChannels };
    case "adapter":
      return { layer: new Adapter(frontend.options, context), outChannels: inChannels };
    case "conv": {
      const layer = new Block({ ...frontend.options, inChannels }, context);
      return { layer, outChannels: layer.outChannels };
    }
    case "learnable_temporal": {
      const layer = new LearnableTemporal(frontend.options, context);
      return { layer, outChannels: layer.outChannels };
    }
    case "da":
      return { layer: new DynamicAdaptation(frontend.options, context), outChannels: 1 };
    case "temporal_basis": {
      const outChannels = inChannels * basisSize(frontend.options.basis);
      return { layer: new TemporalBasis(frontend.options, context), outChannels };
    }
  }
}

/**
 * The recurrence over lags, null for none.
 *
 * @param map the features it reads
 * @throws UserError for a recurrence over whole frames where their size is not known
 */
export function makeRecurrent(config: RecurrentConfig, map: FeatureMap, context: BuildContext): Recurrent | null {
  return built(recurrentOptions(config, map), (options) =>
    options.type === "convgru" ? new ConvGru(options, context) : new Rnn(options, context),
  );
}

/** A session's readout of a feature map. */
export function makeReadout(config: ReadoutConfig, map: FeatureMap, nUnits: number, context: BuildContext): Readout {
  const options = readoutOptions(config, map, nUnits);
  switch (options.type) {
    case "gaussian":
      return new GaussianReadout(options, context);
    case "linear":
      return new LinearReadout(options, context);
    case "gaussian_point":
      return new PointReadout(options, context);
    case "factorized":
      return new FactorizedReadout(options, context);
  }
}
