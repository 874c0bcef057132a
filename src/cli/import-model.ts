/**
 * @file A checkpoint of another program as a model file, for `visioncore import`.
 */
import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { UserError } from "../errors.ts";
import { type ImportedTwin, type ImportOptions, importCheckpoint } from "../interop/import-checkpoint.ts";
import { saveModelFile } from "../training/model-file.ts";
import { PROGRAM } from "./command.ts";
import { formatTable } from "./terminal.ts";

/** Options of {@link importModel}. */
export interface ImportModelOptions extends ImportOptions {
  /** Path of the model file; that of the checkpoint with another ending when absent. */
  readonly output?: string | undefined;
  /** Replace a file of that name. */
  readonly force?: boolean | undefined;
}

/** What was imported. */
export interface ImportSummary {
  readonly checkpoint: string;
  readonly output: string;
  readonly info: ImportedTwin["info"];
  readonly tensors: number;
  /** Elements of all tensors. */
  readonly parameters: number;
}

/**
 * Imports a checkpoint and writes the model file.
 *
 * @throws UserError when it cannot be imported, or the model file exists or cannot be written
 */
export function importModel(checkpoint: string, options: ImportModelOptions = {}): ImportSummary {
  const output = options.output ?? defaultOutput(checkpoint);
  refuseToOverwrite(checkpoint, output, options.force === true);
  const { twin, info } = importCheckpoint(checkpoint, options);
  try {
    saveModelFile(output, twin, info);
    const tensors = [...twin.stateDict().values()];
    const parameters = tensors.reduce((sum, { numel }) => sum + numel, 0);
    return { checkpoint, output, info, tensors: tensors.length, parameters };
  } finally {
    twin.dispose();
  }
}

function defaultOutput(checkpoint: string): string {
  const stem = join(dirname(checkpoint), basename(checkpoint, extname(checkpoint)));
  return extname(checkpoint) === ".safetensors" ? `${stem}-imported.safetensors` : `${stem}.safetensors`;
}

function refuseToOverwrite(checkpoint: string, output: string, force: boolean): void {
  if (!existsSync(output)) return;
  if (existsSync(checkpoint) && realpathSync(checkpoint) === realpathSync(output)) {
    throw new UserError(`Cannot import "${checkpoint}" onto itself`, { hint: "Choose another name: --output FILE." });
  }
  if (force) return;
  throw new UserError(`Cannot import to "${output}": the file exists`, {
    hint: "Choose another name with --output FILE, or replace it with --force.",
  });
}

/** A summary as text for a terminal. */
export function formatImport({ checkpoint, output, info, tensors, parameters }: ImportSummary): string {
  const { sessions, model_config, imported, epoch, global_step } = info;
  const { convnet, modulator, recurrent, readout } = model_config;
  const units = sessions.reduce((sum, { nUnits }) => sum + nUnits, 0);
  const known = sessions.every(({ config }) => config !== null);
  const rows = sessions.map(({ name, nUnits }) => [name, String(nUnits)]);
  const trained = [
    ...(epoch === null ? [] : [`epoch ${epoch + 1}`]),
    ...(global_step === null ? [] : [`${global_step} steps`]),
  ];
  return [
    `${checkpoint}: ${[imported.format, ...trained].join(", ")}`,
    `${model_config.model_type}: convnet ${convnet.type}, modulator ${modulator.type}, recurrent ${recurrent.type}, readout ${readout.type}`,
    `${sessions.length} sessions, ${units} units, ${parameters.toLocaleString("en-US")} numbers in ${tensors} tensors`,
    formatTable(["session", "units"], rows),
    ...(imported.left_out.length > 0 ? [`not imported: ${imported.left_out.join(", ")}`] : []),
    output,
    `next: ${PROGRAM} ${known ? "eval --checkpoint" : "inspect checkpoint"} ${output}`,
  ].join("\n");
}
