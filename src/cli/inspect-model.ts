/**
 * @file A model's stages with shapes, parameters and cost, for `visioncore inspect model`.
 */
import { loadDatasetConfigs } from "../config/dataset.ts";
import { loadModelConfig } from "../config/load.ts";
import type { SessionConfig } from "../config/session.ts";
import { openSession } from "../data/session.ts";
import { UserError } from "../errors.ts";
import { type LagReport, lagReport } from "../models/lag-report.ts";
import { modelWarnings } from "../models/model-warnings.ts";
import { type PixelField, pixelField } from "../models/receptive-field.ts";
import { totalCost } from "../models/shape-rules.ts";
import { describeModel, type InputShape, type ModelRow, type SessionSpec } from "../models/shapes.ts";
import { formatBytes } from "./quantities.ts";
import { formatTable } from "./terminal.ts";

/** What the model is shown. */
export interface InspectModelOptions {
  /** A dataset file: its sessions, units, lags, stimulus size and rate are used. */
  readonly datasetConfigs?: string | undefined;
  /** Without one: lags and pixels of the stimulus, units of each session, and the rate in Hz where it is known. */
  readonly input: InputShape;
  readonly units: readonly number[];
  readonly rateHz?: number | undefined;
}

/** A model in numbers. */
export interface ModelSummary {
  readonly input: InputShape;
  readonly sessions: readonly { name: string; units: number }[];
  readonly stages: readonly ModelRow[];
  readonly totals: ModelTotals;
  /** Which lags the prediction depends on; null for models that ignore the stimulus, like the next. */
  readonly lags: LagReport | null;
  /** The pixels that one feature pixel sees. */
  readonly pixels: PixelField | null;
  readonly warnings: readonly string[];
}

/** The stages of a model together. */
export interface ModelTotals {
  /** Elements of all parameters, as the reference counts them: weight norm's unused copies included. */
  readonly parameters: number;
  /** Of these, elements that take gradients in the reference. */
  readonly trainable: number;
  /** Of these, elements that are used: weight norm's copies are not. */
  readonly live: number;
  /** Multiply-adds of a forward pass, per sample. */
  readonly multiplyAdds: number;
  /** Bytes per sample that wait for the backward pass, see `ModelRow.activations`. */
  readonly activationBytes: ActivationBytes;
}

interface ActivationBytes {
  readonly float32: number;
  readonly bf16: number;
}

/**
 * Stages of a model, without building it.
 *
 * @throws UserError for anything wrong in the files, and when the model does not fit the stimulus
 */
export function inspectModel(path: string, options: InspectModelOptions): ModelSummary {
  const { config } = loadModelConfig(path);
  const { sessions, input, lags, rateHz } = situationOf(options);
  const stages = describeModel(config, input, sessions);
  const report = lagReport(config, { lags, rateHz });
  return {
    input,
    sessions: sessions.map(({ name, nUnits }) => ({ name, units: nUnits })),
    stages,
    totals: totalsOf(stages),
    lags: report,
    pixels: pixelField(config, input),
    warnings: [...modelWarnings(config), ...(report?.warnings ?? [])],
  };
}

function totalsOf(stages: readonly ModelRow[]): ModelTotals {
  const cost = totalCost(stages);
  const { parameters, fixed, unused, multiplyAdds } = cost;
  const trainable = parameters - fixed;
  return { parameters, trainable, live: trainable - unused, multiplyAdds, activationBytes: bytesOf(cost) };
}

function bytesOf({ activations, float32 }: Pick<ModelRow, "activations" | "float32">): ActivationBytes {
  return { float32: 4 * activations, bf16: 2 * (activations - float32) + 4 * float32 };
}

/** Sessions and stimulus of a dataset, or those to imagine. */
function situationOf({ datasetConfigs, input, units, rateHz }: InspectModelOptions): {
  sessions: SessionSpec[];
  input: InputShape;
  lags: readonly number[];
  rateHz: number | undefined;
} {
  if (datasetConfigs === undefined) {
    const lags = Array.from({ length: input.frames }, (_, lag) => lag);
    return { sessions: units.map((nUnits, i) => ({ name: `session ${i + 1}`, nUnits })), input, lags, rateHz };
  }
  const configs = loadDatasetConfigs(datasetConfigs).sessions;
  const [first] = configs;
  return {
    sessions: configs.map(toSpec),
    input: inputOf(first!),
    lags: [first!.keys_lags.stim ?? 0].flat(),
    rateHz: rateHz ?? first!.sampling?.target_rate,
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

/**
 * A summary as text for a terminal.
 *
 * @param detail also the layers of every block
 */
export function formatModel(summary: ModelSummary, { detail = false } = {}): string {
  const { input, sessions, stages, totals, lags, pixels, warnings } = summary;
  const units = sessions.reduce((sum, session) => sum + session.units, 0);
  const header = ["stage", "output", "parameters", "multiply-adds", "kept float32", "kept bf16"];
  const rows = stages.flatMap((stage) => [
    rowOf(stage.path, stage),
    ...(detail ? stage.layers.map((layer) => rowOf(`  ${layer.path.slice(stage.path.length + 1)}`, layer)) : []),
  ]);
  const { parameters, trainable, live, multiplyAdds, activationBytes } = totals;
  const total = ["total", "", ...numbers(parameters, multiplyAdds, activationBytes)];
  const names = `${sessions.length} ${sessions.length === 1 ? "session" : "sessions"}`;
  return [
    `stimulus ${input.frames} lags of ${input.height} x ${input.width} pixels; ${names}, ${units} units`,
    formatTable(header, [...rows, total], 2),
    "kept: for the backward pass, per sample, by a rule of thumb; multiply-adds: forward, per sample",
    `parameters: ${count(parameters)} as the reference counts them, ${count(trainable)} trainable` +
      (live === trainable ? "" : `, ${count(live)} without weight norm's unused copies`),
    ...(lags?.notes ?? []),
    ...(pixels === null ? [] : [describePixels(pixels, input)]),
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join("\n");
}

function rowOf(name: string, row: ModelRow): string[] {
  return [name, `[${row.output.join(", ")}]`, ...numbers(row.parameters, row.multiplyAdds, bytesOf(row))];
}

function numbers(parameters: number, multiplyAdds: number, kept: ActivationBytes): string[] {
  return [count(parameters), count(multiplyAdds), formatBytes(kept.float32), formatBytes(kept.bf16)];
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function describePixels({ size, step, frame, spacing, view }: PixelField, { height, width }: InputShape): string {
  const field = `one feature pixel sees ${size.join(" x ")} pixels, the next one is ${[...new Set(step)].join(" x ")} further`;
  if (frame[0] === height && frame[1] === width && spacing.every((pixels) => pixels === 1)) return field;
  const onScreen = size.map((pixels, axis) => Math.round((pixels - 1) * spacing[axis]! + 1));
  const share = view < 1 ? `, which looks at the central ${Math.round(100 * view)} % of the stimulus at first` : "";
  return `${field}, of the adapter's ${frame.join(" x ")} grid${share} (there: ${onScreen.join(" x ")} stimulus pixels)`;
}
