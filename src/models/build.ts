/**
 * @file Builds a twin from its configuration (model specification, sections 2 and 17.1).
 */

import type { AdapterConfig, FrontendConfig, ModelConfig, ReadoutConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import { type Generator, scope } from "../torch/index.ts";
import { makeActivation } from "./modules/activation.ts";
import { Adapter } from "./modules/adapter.ts";
import { Block } from "./modules/block.ts";
import { Convnet } from "./modules/convnet.ts";
import { LearnableTemporal } from "./modules/frontend.ts";
import { SpikeHistory } from "./modules/history.ts";
import { type BuildContext, type Formulation, Identity, type Layer } from "./modules/layer.ts";
import { makeModulator } from "./modules/modulator.ts";
import { GaussianReadout, LinearReadout, type Readout } from "./modules/readout.ts";
import { ConvGru } from "./modules/recurrent.ts";
import {
  activationOptions,
  adapterOptions,
  convnetOptions,
  frontendOptions,
  historyOptions,
  modulatorOptions,
  readoutOptions,
  recurrentOptions,
} from "./options.ts";
import { describeModel, type InputShape, type SessionSpec, UNKNOWN_INPUT } from "./shapes.ts";
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
    const frontend = makeFrontend(config.frontend, config.initial_input_channels, context);
    let channels = frontend.outChannels;
    const convnet = built(convnetOptions(config.convnet, channels), (options) => new Convnet(options, context));
    channels = convnet?.outChannels ?? channels;
    const modulator = built(modulatorOptions(config.modulator, channels), (options) => makeModulator(options, context));
    channels = modulator?.outChannels ?? channels;
    const recurrent = built(recurrentOptions(config.recurrent, channels), (options) => new ConvGru(options, context));
    channels = recurrent?.outChannels ?? channels;
    const readouts = sessions.map(({ nUnits, readout = config.readout }) =>
      makeReadout(readout, channels, nUnits, context),
    );
    const spikeHistory = config.history_encoder
      ? sessions.map(({ nUnits }) => new SpikeHistory(historyOptions(config, nUnits)!, context))
      : null;
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

/** The frontend and the channels it puts out. */
export function makeFrontend(
  config: FrontendConfig,
  inChannels: number,
  context: BuildContext,
): { layer: Layer; outChannels: number } {
  const frontend = frontendOptions(config);
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
  }
}

/** A session's readout of features with that many channels. */
export function makeReadout(config: ReadoutConfig, channels: number, nUnits: number, context: BuildContext): Readout {
  const options = readoutOptions(config, channels, nUnits);
  return options.type === "linear" ? new LinearReadout(options, context) : new GaussianReadout(options, context);
}
