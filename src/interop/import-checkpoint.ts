/**
 * @file Importing a checkpoint of the reference: from a Lightning checkpoint or a state_dict to a twin of ours (model
 * specification, section 18; training specification, section 5).
 */
import { basename } from "node:path";
import { ConfigError } from "../config/config-error.ts";
import { loadModelConfig } from "../config/load.ts";
import { type ModelConfig, parseModelConfig } from "../config/model.ts";
import { plainSource } from "../config/source.ts";
import { UserError } from "../errors.ts";
import { elementCount } from "../formats/array.ts";
import { buildModel } from "../models/build.ts";
import { describeModel, type InputShape, UNKNOWN_INPUT } from "../models/shapes.ts";
import type { Twin } from "../models/twin.ts";
import { Generator } from "../torch/index.ts";
import { sessionSpec } from "../training/model-file.ts";
import type { ModelInfo, ModelSession } from "../training/model-info.ts";
import { type ForeignCheckpoint, openForeignCheckpoint } from "./import-file.ts";
import { configuredSessions, namelessSessions, stimulusSize, unitCounts } from "./import-sessions.ts";
import type { Json } from "./import-values.ts";
import { copyWeights } from "./import-weights.ts";

/** Options of {@link importCheckpoint}. */
export interface ImportOptions {
  /** Path of a model configuration; the one in the checkpoint when absent. */
  modelConfig?: string | undefined;
  /** Path of the dataset configuration the model was trained with: names and units of the sessions. */
  datasetConfigs?: string | undefined;
  /** Lags and pixels of the stimuli, where the dataset configuration does not tell them. */
  input?: Partial<InputShape> | undefined;
}

/** What a model file keeps about the checkpoint it was made of. */
export interface ImportRecord {
  /** Name of the file. */
  file: string;
  format: ForeignCheckpoint["kind"];
  hyper_parameters: Readonly<Record<string, Json>>;
  /** Parts of the file that were not imported. */
  left_out: readonly string[];
  /** What a user of the twin should know, one sentence each. */
  notes: readonly string[];
}

/** A twin from elsewhere. */
export interface ImportedTwin {
  /** In evaluation mode. */
  twin: Twin;
  /** For `saveModelFile`. */
  info: ModelInfo & { imported: ImportRecord };
}

/**
 * The twin in a checkpoint of the reference. The caller disposes of it.
 *
 * @example
 * const { twin, info } = importCheckpoint("last.ckpt", { datasetConfigs: "datasets.yaml" });
 * saveModelFile("last.safetensors", twin, info);
 *
 * @param path of a Lightning checkpoint (`.ckpt`), a state_dict (`.pt`, `.pth`), or one as safetensors
 * @throws UserError when the file cannot be read or is damaged; when no model configuration is known; when the tensors do
 *   not fit it, with every difference; and when the dataset configuration lists other sessions or units
 */
export function importCheckpoint(path: string, options: ImportOptions = {}): ImportedTwin {
  using file = openForeignCheckpoint(path);
  const counts = unitCounts(file.tensors, path);
  const { config, notes } = configOf(file, options.modelConfig);
  const { sessions, warnings } = sessionsOf(file, counts, options.datasetConfigs);
  const input = inputOf(sessions[0]!, options.input);

  const twin = build(file, config, sessions, input);
  try {
    const weightNotes = copyWeights(twin, file.tensors, path);
    const imported: ImportRecord = {
      file: basename(path),
      format: file.kind,
      hyper_parameters: file.hyperParameters,
      left_out: file.leftOut,
      notes: [...notes, ...warnings, ...weightNotes],
    };
    const { modulator } = config;
    const behaviorDim = modulator.type === "none" ? null : modulator.params.behavior_dim;
    const info = {
      model_config: config,
      input,
      sessions: sessions.map((session) => ({ ...session, behaviorDim })),
      epoch: file.epoch,
      global_step: file.globalStep,
      metrics: {},
      settings: null,
      imported: { ...imported },
    };
    return { twin: twin.eval(), info };
  } catch (error) {
    twin.dispose();
    throw error;
  }
}

/** Size of the stimuli, if all of it is known: what is given goes before what configuration and recordings say. */
function inputOf({ config }: ModelSession, given: Partial<InputShape> = {}): InputShape | null {
  const found = config === null ? {} : stimulusSize(config);
  const { frames = found.frames, height = found.height, width = found.width } = given;
  return frames === undefined || height === undefined || width === undefined ? null : { frames, height, width };
}

function configOf(file: ForeignCheckpoint, path: string | undefined): { config: ModelConfig; notes: string[] } {
  if (path !== undefined) {
    const { config } = loadModelConfig(path);
    const differs = file.modelConfig !== undefined && !describesSame(file.modelConfig, config);
    return { config, notes: differs ? [`${basename(path)} differs from the model configuration in the file`] : [] };
  }
  if (file.modelConfig === undefined) {
    const named = file.hyperParameters.model_cfg ?? file.hyperParameters.model_config;
    const hint = typeof named === "string" ? ` It was trained with "${named}".` : "";
    throw new UserError(`Cannot import "${file.path}": it carries no model configuration`, {
      hint: `Pass the one it was trained with: --model-config M.yaml.${hint}`,
    });
  }
  try {
    const source = plainSource(`the model configuration in ${file.path}`, file.modelConfig);
    return { config: parseModelConfig(file.modelConfig, source), notes: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const hint = "Write it to a YAML file, correct it there, and pass that: --model-config M.yaml.";
    throw new ConfigError(error.issues, { hint, cause: error });
  }
}

function describesSame(stored: unknown, config: ModelConfig): boolean {
  try {
    return JSON.stringify(parseModelConfig(stored)) === JSON.stringify(config);
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

const UNITS_UNKNOWN = "names of sessions and identities of units are unknown; without a dataset file both are numbered";

function sessionsOf(
  file: ForeignCheckpoint,
  counts: readonly number[],
  datasetConfigs: string | undefined,
): { sessions: ModelSession[]; warnings: string[] } {
  if (datasetConfigs === undefined) return { sessions: namelessSessions(counts), warnings: [UNITS_UNKNOWN] };
  const { max_ds } = file.hyperParameters;
  return configuredSessions(datasetConfigs, counts, file.path, typeof max_ds === "number" ? max_ds : undefined);
}

/** Parameters a model may have beyond those of the file: enough for any mistake, too few to fill memory. */
const MOST_BEYOND = 2 ** 27;

function build(
  file: ForeignCheckpoint,
  config: ModelConfig,
  sessions: readonly ModelSession[],
  input: InputShape | null,
): Twin {
  const size = input ?? UNKNOWN_INPUT;
  const specs = sessions.map(sessionSpec);
  // Repeated elements take no room in a file, so what it says about itself may be far more than it holds.
  const stored = [...file.tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const described = describeModel(config, size, specs).reduce((sum, { parameters }) => sum + parameters, 0);
  if (Number.isFinite(described) && described > Math.min(stored, file.bytes) + MOST_BEYOND) {
    throw new UserError(
      `Cannot import "${file.path}": the model configuration describes ${described} parameters, the file has ${stored}`,
      { hint: "Pass the configuration it was trained with: --model-config M.yaml." },
    );
  }
  return buildModel(config, specs, { generator: new Generator(0), input: size });
}
