/**
 * @file A model's stages with shapes, parameters and cost, for `visioncore inspect model`.
 */
import { loadDatasetConfigs } from "../config/dataset.ts";
import { loadModelConfig } from "../config/load.ts";
import type { SessionConfig } from "../config/session.ts";
import { openSession } from "../data/session.ts";
import { UserError } from "../errors.ts";
import { describeModel, type InputShape, type ModelRow, modelWarnings, type SessionSpec } from "../models/shapes.ts";
import { formatTable } from "./terminal.ts";

/** What the model is shown. */
export interface InspectModelOptions {
  /** A dataset file: its sessions, units, lags and stimulus size are used. */
  readonly datasetConfigs?: string | undefined;
  /** Without one: lags, pixels and units of a session to imagine. */
  readonly input: InputShape;
  readonly units: number;
}

/** A model in numbers. */
export interface ModelSummary {
  readonly input: InputShape;
  readonly sessions: readonly { name: string; units: number }[];
  readonly stages: readonly ModelRow[];
  readonly parameters: number;
  /** Multiply-adds of a forward pass, per sample. */
  readonly multiplyAdds: number;
  readonly warnings: readonly string[];
}

/**
 * Stages of a model, without building it.
 *
 * @throws UserError for anything wrong in the files, and when the model does not fit the stimulus
 */
export function inspectModel(path: string, options: InspectModelOptions): ModelSummary {
  const { config } = loadModelConfig(path);
  const { datasetConfigs } = options;
  const configs = datasetConfigs === undefined ? undefined : loadDatasetConfigs(datasetConfigs).sessions;
  const sessions: SessionSpec[] = configs?.map(toSpec) ?? [{ name: "session", nUnits: options.units }];
  const input = configs === undefined ? options.input : inputOf(configs[0]!);
  const stages = describeModel(config, input, sessions);
  return {
    input,
    sessions: sessions.map(({ name, nUnits }) => ({ name, units: nUnits })),
    stages,
    parameters: stages.reduce((sum, stage) => sum + stage.parameters, 0),
    multiplyAdds: stages.reduce((sum, stage) => sum + stage.multiplyAdds, 0),
    warnings: modelWarnings(config),
  };
}

function toSpec({ session, cids, adapter, readout }: SessionConfig): SessionSpec {
  return { name: session, nUnits: cids.length, ...(adapter && { adapter }), ...(readout && { readout }) };
}

/** Lags and pixels of a session's stimulus, from its configuration and its first recording. */
function inputOf(config: SessionConfig): InputShape {
  const { session, data_dir, types, keys_lags } = config;
  if (data_dir === undefined) {
    throw new UserError(`Cannot look at the stimulus of session "${session}": no data_dir is set`, {
      hint: "Set data_dir in the dataset file, or give the size instead: --lags, --height, --width.",
    });
  }
  const folder = openSession(data_dir, config);
  for (const type of types) {
    const shape = folder.open(type)?.column("stim").shape;
    if (shape === undefined) continue;
    const [height, width] = shape.slice(-2) as [number, number];
    return { frames: [keys_lags.stim ?? 0].flat().length, height, width };
  }
  throw new UserError(`Session "${session}" has none of the recordings ${types.join(", ")} in "${data_dir}"`);
}

/** A summary as text for a terminal. */
export function formatModel({ input, sessions, stages, parameters, multiplyAdds, warnings }: ModelSummary): string {
  const units = sessions.reduce((sum, session) => sum + session.units, 0);
  const count = (value: number) => value.toLocaleString("en-US");
  const rows = stages.map(({ path, output, parameters: n, multiplyAdds: cost }) => [
    path,
    `[${output.join(", ")}]`,
    count(n),
    count(cost),
  ]);
  return [
    `stimulus ${input.frames} lags of ${input.height} x ${input.width} pixels; ${sessions.length} sessions, ${units} units`,
    formatTable(
      ["stage", "output", "parameters", "multiply-adds"],
      [...rows, ["total", "", count(parameters), count(multiplyAdds)]],
      2,
    ),
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join("\n");
}
