/**
 * @file The twin: per-session adapters, a core all sessions share, per-session readouts (model specification, sections 2
 * and 15).
 *
 *     stimulus - adapter - | frontend - convnet - modulator - recurrent | - readout - activation + baseline - rates
 *       (one per session)  |                 core (shared)              |   (one per session)
 *
 * The core treats the samples of a batch alike, so a batch of many sessions passes through it in one piece.
 */

import type { ModelConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import { cat, full, Module, ModuleList, ones, scope, type Tensor, zeros } from "../torch/index.ts";
import { Adapter, resample } from "./modules/adapter.ts";
import type { Convnet } from "./modules/convnet.ts";
import type { SpikeHistory } from "./modules/history.ts";
import type { Formulation, Identity, Layer, Observer } from "./modules/layer.ts";
import type { Modulator } from "./modules/modulator.ts";
import { BatchNorm } from "./modules/norm.ts";
import type { Readout } from "./modules/readout.ts";
import type { Recurrent } from "./modules/recurrent.ts";
import { fitsShifter, type Shifter, shifterNeeds } from "./modules/shifter.ts";
import { describeCore, type FeatureShape, ignoresStimulus, type SessionSpec } from "./shapes.ts";

/** One session's samples of a batch. */
export interface SessionInput {
  /** Index of the session, as in {@link Twin.sessionNames}. */
  session: number;
  /**
   * `[batch, channels, frames, height, width]`, floating point; the newest frame first. null for models that see
   * behaviour only.
   */
  stimulus: Tensor | null;
  /** `[batch, behaviour features]`; null for models without modulator and shifter. */
  behavior: Tensor | null;
  /** Spike counts of earlier frames, `[batch, lags, units]`; read by models with spike history. */
  history?: Tensor | null;
}

/** The parts of a twin, ready made. */
export interface TwinParts {
  config: ModelConfig;
  sessions: readonly SessionSpec[];
  formulation: Formulation;
  adapters: readonly (Adapter | Identity)[];
  frontend: Layer;
  convnet: Convnet | null;
  modulator: Modulator | null;
  recurrent: Recurrent | null;
  readouts: readonly Readout[];
  /** One per session, in models with spike history. */
  spikeHistory: readonly SpikeHistory[] | null;
  /** One per session, in models with a shifter. */
  shifters: readonly Shifter[] | null;
  outputActivation: Layer;
}

/** Learnt offsets per unit, one parameter per session, named "0", "1", ... */
class Baselines extends Module {
  readonly items: readonly Tensor[];

  constructor(values: readonly Tensor[]) {
    super();
    this.items = values.map((value, i) => this.parameter(String(i), value));
  }
}

export class Twin extends Module {
  readonly config: ModelConfig;
  readonly sessions: readonly SessionSpec[];
  readonly formulation: Formulation;
  readonly readouts: readonly Readout[];
  /** For ablations: behaviour or spike history that a model needs and is not given counts as zeros, not as an error. */
  allowMissing = false;
  readonly #adapters: readonly (Adapter | Identity)[];
  readonly #frontend: Layer;
  readonly #convnet: Convnet | null;
  readonly #modulator: Modulator | null;
  readonly #recurrent: Recurrent | null;
  readonly #outputActivation: Layer;
  readonly #baselines: readonly Tensor[] | null = null;
  /** One network per session, in models with spike history. */
  readonly spikeHistory: readonly SpikeHistory[] | null;
  /** One per session, in models with a shifter. */
  readonly shifters: readonly Shifter[] | null;
  readonly #fittingShapes = new Set<string>();

  /** Use `buildModel`. */
  constructor(parts: TwinParts) {
    super();
    const { config, sessions } = parts;
    this.config = config;
    this.sessions = sessions;
    this.formulation = parts.formulation;
    this.#adapters = parts.adapters;
    this.readouts = parts.readouts;
    this.#outputActivation = parts.outputActivation;
    const single = config.model_type === "v1";
    if (single) this.child("adapter", parts.adapters[0]!);
    else this.child("adapters", new ModuleList(parts.adapters));
    this.#frontend = this.child("frontend", parts.frontend);
    this.#convnet = parts.convnet && this.child("convnet", parts.convnet);
    this.#modulator = parts.modulator && this.child("modulator", parts.modulator);
    this.#recurrent = parts.recurrent && this.child("recurrent", parts.recurrent);
    if (single) this.child("readout", parts.readouts[0]!);
    else this.child("readouts", new ModuleList(parts.readouts));
    if (config.baseline.enabled) {
      const values = sessions.map(({ nUnits }) => full([nUnits], config.baseline.init_value));
      this.#baselines = single
        ? [this.parameter("baseline", values[0]!)]
        : this.child("baselines", new Baselines(values)).items;
    }
    this.spikeHistory = parts.spikeHistory;
    if (parts.spikeHistory) this.child("spike_history", new ModuleList(parts.spikeHistory));
    this.shifters = parts.shifters;
    if (parts.shifters) this.child("shifters", new ModuleList(parts.shifters));
  }

  get sessionNames(): readonly string[] {
    return this.sessions.map(({ name }) => name);
  }

  /** Whether outputs are log rates, because no activation makes them positive. */
  get logRates(): boolean {
    return this.config.output_activation === "none";
  }

  /** Whether the core, in its present mode, computes statistics over the samples of a batch. */
  get mixesSamples(): boolean {
    const core = [this.#frontend, this.#convnet, this.#modulator];
    return this.training && core.some((part) => part !== null && contains(part, BatchNorm));
  }

  /**
   * Rates (or log rates, see {@link logRates}) `[batch, units]` of every input, in expected spikes per frame.
   *
   * @param observe Sees every stage's result. Results of the core are those of all samples that passed through together.
   * @throws UserError when a stimulus or behaviour is missing, superfluous or of the wrong size
   */
  forward(inputs: readonly SessionInput[], observe?: Observer): Tensor[] {
    return scope(() => {
      const adapted = this.#adapt(inputs);
      for (const [i, x] of adapted.entries()) observe?.(`adapters.${inputs[i]!.session}`, x);
      return this.#core(adapted, inputs, observe).map((features, i) => this.#read(inputs[i]!, features));
    });
  }

  /**
   * The shared part alone, frontend to recurrent, for stimuli that are resampled already.
   *
   * @param x `[batch, channels, frames, height, width]`
   * @param behavior `[batch, behaviour features]`, or null without a modulator
   * @returns features `[batch, channels, frames, height, width]`; after a recurrent stage only the frame that readouts
   *   use, unless the formulation is `reference`
   * @throws UserError when the stimulus does not fit, or behaviour is missing
   */
  coreForward(x: Tensor, behavior: Tensor | null, observe?: Observer): Tensor {
    this.#checkFits(x);
    return scope(() => {
      let features = scope(() => this.#frontend.forward(x));
      observe?.("frontend", features);
      if (this.#convnet) features = this.#convnet.forward(features, observe);
      observe?.("convnet", features);
      if (this.#modulator) {
        features = this.#modulator.forward(features, this.#checkBehavior(this.#modulator, behavior, x));
        observe?.("modulator", features);
      }
      // The readouts use the last frame of whatever comes last.
      if (this.#recurrent) features = this.#recurrent.forward(features, { lastOnly: this.formulation === "fast" });
      observe?.("recurrent", features);
      return features;
    });
  }

  #adapt(inputs: readonly SessionInput[]): Tensor[] {
    const stimuli = inputs.map((input) => this.#stimulusOf(input));
    const adapted = [...stimuli];
    const sessions = inputs.flatMap(({ session }, i) => {
      const adapter = this.#adapters[session]!;
      return adapter instanceof Adapter ? [{ i, adapter, stimulus: stimuli[i]! }] : [];
    });
    for (const [k, x] of resample(sessions).entries()) adapted[sessions[k]!.i] = x;
    return adapted;
  }

  #core(adapted: readonly Tensor[], inputs: readonly SessionInput[], observe?: Observer): Tensor[] {
    const sameSize = new Set(adapted.map(({ shape }) => shape.slice(1).join())).size === 1;
    if (this.formulation === "reference" || this.mixesSamples || !sameSize) {
      return adapted.map((x, i) => this.coreForward(x, inputs[i]!.behavior, observe));
    }
    const behaviors = inputs.flatMap(({ behavior }) => behavior ?? []);
    const behavior = this.#modulator && behaviors.length === inputs.length ? cat(behaviors) : null;
    const features = this.coreForward(cat(adapted), behavior, observe);
    return features.split(adapted.map((x) => x.size(0)));
  }

  #read({ session, history, behavior }: SessionInput, features: Tensor): Tensor {
    const shifter = this.shifters?.[session];
    const shift = shifter ? shifter.forward(this.#checkGaze(shifter, session, behavior, features)) : null;
    const read = this.readouts[session]!.forward(features, shift);
    const past = this.spikeHistory?.[session];
    const drive = past ? read.add(past.forward(this.#checkHistory(past, session, history, features))) : read;
    const output = this.#outputActivation.forward(drive);
    const rates = output.dtype === "float64" ? output : output.float();
    const baseline = this.#baselines?.[session];
    if (!baseline) return rates;
    return rates.add(this.config.baseline.activation === "relu" ? baseline.relu() : baseline.softplus());
  }

  // --- checks --------------------------------------------------------------------------------------------------------

  #stimulusOf({ session, stimulus, behavior }: SessionInput): Tensor {
    if (!this.sessions[session]) {
      throw new RangeError(`Cannot run session ${session}: the twin has ${this.sessions.length}`);
    }
    if (!stimulus) {
      if (!ignoresStimulus(this.config, this.sessions)) {
        throw new UserError(`Cannot run the twin: session "${this.sessions[session].name}" was given no stimulus`);
      }
      if (!behavior) throw new UserError("Cannot run the twin: it was given neither stimulus nor behaviour");
      return ones([behavior.size(0), 1, 1, 1, 1], { dtype: behavior.dtype, device: behavior.device });
    }
    const channels = this.config.initial_input_channels;
    if (stimulus.ndim !== 5 || stimulus.size(1) !== channels) {
      throw new UserError(
        `Cannot run the twin: expected a stimulus [batch, ${channels}, frames, height, width], ` +
          `found [${stimulus.shape.join(", ")}]`,
      );
    }
    return this.config.lag_order === "oldest_first" ? stimulus.flip(2) : stimulus;
  }

  #checkBehavior({ behaviorDim }: Modulator, behavior: Tensor | null, { shape, device }: Tensor): Tensor {
    if (!behavior) {
      if (this.allowMissing) return zeros([shape[0]!, behaviorDim], { device });
      throw new UserError("Cannot run the twin: its modulator needs behaviour and was given none", {
        hint: "Add behaviour to the dataset config, or pass zeros for an ablation.",
      });
    }
    if (behavior.ndim !== 2 || behavior.size(1) !== behaviorDim) {
      throw new UserError(
        `Cannot run the twin: expected behaviour [batch, ${behaviorDim}], found [${behavior.shape.join(", ")}]`,
        { hint: "Set modulator.params.behavior_dim to the number of behaviour features of the dataset config." },
      );
    }
    return behavior;
  }

  #checkGaze({ input }: Shifter, session: number, behavior: Tensor | null, { shape, device }: Tensor): Tensor {
    const needed = `[batch, ${shifterNeeds(input)} features]`;
    const name = this.sessionNames[session];
    if (!behavior) {
      if (this.allowMissing) return zeros([shape[0]!, input.behaviorDim], { device });
      throw new UserError(
        `Cannot run the twin: session "${name}" was given no behaviour, its shifter reads ${needed}`,
        { hint: "Add gaze to the dataset config as behavior, or pass zeros for an ablation." },
      );
    }
    if (behavior.ndim === 2 && fitsShifter(input, behavior.size(1))) return behavior;
    throw new UserError(
      `Cannot run the twin: expected behaviour ${needed} for the shifter of session "${name}", ` +
        `found [${behavior.shape.join(", ")}]`,
      { hint: "Set shifter.params (features, behavior_dim) to what the dataset config serves as behavior." },
    );
  }

  #checkHistory(
    past: SpikeHistory,
    session: number,
    history: Tensor | null | undefined,
    { shape, device }: Tensor,
  ): Tensor {
    const { numLags, nUnits } = past;
    const needed = `[batch, ${numLags} lags, ${nUnits} units]`;
    if (!history) {
      if (this.allowMissing) return zeros([shape[0]!, numLags, nUnits], { device });
      throw new UserError(
        `Cannot run the twin: session "${this.sessionNames[session]}" was given no spike history, the model reads ${needed}`,
        {
          hint: "Serve history with those lags in the dataset config (keys_lags), or allow it to be missing for an ablation.",
        },
      );
    }
    if (past.fits(history.shape)) return history;
    throw new UserError(
      `Cannot run the twin: expected spike history ${needed} for session "${this.sessionNames[session]}", ` +
        `found [${history.shape.join(", ")}]`,
      { hint: "Set history_encoder.params.num_lags to the number of lags the dataset config serves as history." },
    );
  }

  /** Checks a stimulus against the configuration, once per size. */
  #checkFits({ shape }: Tensor): void {
    const size = shape.slice(1);
    const key = size.join();
    if (this.#fittingShapes.has(key)) return;
    describeCore(this.config, size as unknown as FeatureShape);
    this.#fittingShapes.add(key);
  }
}

function contains(module: Module, type: typeof BatchNorm): boolean {
  return module instanceof type || [...module.children().values()].some((child) => contains(child, type));
}
