/**
 * @file The model file: a twin in one safetensors file that stands alone (architecture, section 7). Tensors under the
 * reference's names; metadata key `visioncore`: configurations, units, preprocessing, hashes. It loads after every
 * configuration was changed or deleted.
 */

import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ModelConfig } from "../config/model.ts";
import { didYouMean, UserError } from "../errors.ts";
import { arrayBytes, type NdArray } from "../formats/array.ts";
import type { LazyArray } from "../formats/lazy.ts";
import type { SafetensorsWriter } from "../formats/safetensors.ts";
import { type BuildOptions, buildModel } from "../models/build.ts";
import type { SessionSpec } from "../models/shapes.ts";
import type { Twin } from "../models/twin.ts";
import { fromArray, Generator, libtorchVersion, type Module, type StateMismatch, scope } from "../torch/index.ts";
import { bestCheckpoint } from "./checkpoint-files.ts";
import { jsonHash, type ModelInfo, type ModelSession, parseModelInfo, type StoredInfo } from "./model-info.ts";
import { MODEL_KEY, openTensorFile, SCHEMA, startTensorFile } from "./tensor-file.ts";

/**
 * Writes a model file, replacing one of the same name.
 *
 * @param path ending in `.safetensors`
 * @throws UserError when the disk is full, permission is missing and the like; the previous file is intact then
 */
export function saveModelFile(path: string, twin: Module, info: ModelInfo): void {
  using file = startModelFile(path, twin, info);
  file.finish();
}

/**
 * A model file that is written but not yet in its place; `finish()` puts it there.
 *
 * @param saveId the same in files that belong together
 * @throws UserError like {@link saveModelFile}
 */
export function startModelFile(path: string, twin: Module, info: ModelInfo, saveId = randomUUID()): SafetensorsWriter {
  const tensors = twin.stateDict();
  const { model_config, sessions } = info;
  const description = {
    schema: SCHEMA,
    ...info,
    hashes: {
      parameters: parametersHash([...tensors].map(([name, tensor]) => ({ name, read: () => tensor.toArray() }))),
      model_config: jsonHash(model_config),
      sessions: jsonHash(sessions),
    },
    versions: { visioncore: ownVersion(), libtorch: libtorchVersion(), node: process.versions.node },
    saved_at: new Date().toISOString(),
    save_id: saveId,
  };
  return startTensorFile(path, tensors, MODEL_KEY, description);
}

/** SHA-256, in hexadecimal, of names, element types, shapes and elements; one tensor at a time in memory. */
function parametersHash(tensors: Iterable<{ name: string; read: () => NdArray }>): string {
  const hash = createHash("sha256");
  for (const { name, read } of tensors) {
    const array = read();
    hash.update(JSON.stringify([name, array.dtype, array.shape])).update(arrayBytes(array));
  }
  return hash.digest("hex");
}

/** Version of this package. */
function ownVersion(): string {
  const path = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

/** An open model file. */
export interface ModelFile extends Disposable {
  path: string;
  info: StoredInfo;
  /** Parameters and buffers by name, still in the file. */
  tensors: ReadonlyMap<string, LazyArray>;
}

/**
 * Opens a model file and reads what it says about itself, not its tensors.
 *
 * @throws UserError when the file cannot be read, is damaged or cut short, was written by another program or by a newer
 *   version of this one, or its configurations name something this version does not have
 */
export function openModelFile(path: string): ModelFile {
  const { file, description } = openTensorFile(path, MODEL_KEY);
  try {
    const info = parseModelInfo(path, description);
    return { path, info, tensors: file.tensors, [Symbol.dispose]: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Compares a file's tensors with the hash that was saved with them; files of the first format have none.
 *
 * @throws UserError when they differ
 */
export function verifyParameters({ path, info, tensors }: ModelFile): void {
  if (info.hashes === null) return;
  const found = parametersHash([...tensors].map(([name, tensor]) => ({ name, read: () => tensor.read() })));
  if (found === info.hashes.parameters) return;
  throw new UserError(
    `Cannot load "${path}": its parameters are damaged: their SHA-256 is ${found.slice(0, 12)}…, ` +
      `${info.hashes.parameters.slice(0, 12)}… was saved`,
    { hint: "Copy the file again, or use another checkpoint of the run." },
  );
}

/**
 * Copies a file's parameters and buffers into a model.
 *
 * @throws UserError when they are damaged, and one that lists what is missing, unexpected and of another shape; the model
 *   is unchanged then
 */
export function loadParameters(twin: Module, file: ModelFile): void {
  verifyParameters(file);
  const { path, tensors } = file;
  scope(() => {
    const state = new Map([...tensors].map(([name, array]) => [name, fromArray(array.read())]));
    const problems = describeMismatch(twin.loadStateDict(state));
    if (problems.length === 0) return;
    throw new UserError(`Cannot load "${path}" into this model: ${problems.join("; ")}`, {
      hint: "It was trained with another model configuration or other sessions. To resume, leave them out: it knows its own.",
    });
  });
}

const LISTED = 5;

function describeMismatch({ missing, unexpected, misshapen }: StateMismatch): string[] {
  const list = (label: string, names: readonly string[]): string[] => {
    if (names.length === 0) return [];
    const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : "";
    return [`${names.length} ${label} (${names.slice(0, LISTED).join(", ")}${more})`];
  };
  const shapes = misshapen.map(
    ({ name, expected, found }) => `${name}: [${found.join(", ")}] in the file, [${expected.join(", ")}] in the model`,
  );
  return [...list("missing", missing), ...list("unexpected", unexpected), ...list("of another shape", shapes)];
}

/** A trained twin and where it comes from. */
export interface LoadedTwin {
  /** In evaluation mode. */
  twin: Twin;
  config: ModelConfig;
  sessions: ModelSession[];
  info: StoredInfo;
  path: string;
}

/** Options of {@link loadTwin}. */
export interface LoadTwinOptions {
  device?: string | undefined;
  /** How the twin computes; the values are the same. */
  formulation?: BuildOptions["formulation"];
}

/**
 * Loads a twin from a model file alone; neither configurations nor data are needed.
 *
 * @param path of a model file, or the folder of a run: then its best checkpoint, or the last if no epoch was completed
 * @throws UserError when there is no such file, or it cannot be read, is damaged, or is not a model file of VisionCore
 */
export function loadTwin(path: string, { device = "cpu", formulation }: LoadTwinOptions = {}): LoadedTwin {
  using file = openModelFile(bestCheckpoint(path));
  const { info } = file;
  const generator = new Generator(0);
  const twin = buildFor(file, () =>
    buildModel(info.model_config, info.sessions.map(sessionSpec), {
      generator,
      formulation,
      input: info.input ?? undefined,
    }),
  );
  try {
    loadParameters(twin, file);
  } catch (error) {
    twin.dispose();
    throw error;
  }
  twin.to({ device }).eval();
  return { twin, config: info.model_config, sessions: info.sessions, info, path: file.path };
}

function buildFor({ path }: ModelFile, build: () => Twin): Twin {
  try {
    return build();
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(`Cannot load "${path}": ${cause.message}`, {
      hint: "A version of VisionCore that has this component can load it.",
      cause,
    });
  }
}

/** A session as a model is built for it. */
export function sessionSpec({ name, nUnits, config }: ModelSession): SessionSpec {
  const { adapter, readout } = config ?? {};
  return { name, nUnits, ...(adapter && { adapter }), ...(readout && { readout }) };
}

/**
 * Number of a session in a twin.
 *
 * @throws UserError that lists the sessions when there is none of that name
 */
export function sessionNumber({ path, sessions }: Pick<LoadedTwin, "path" | "sessions">, name: string): number {
  const names = sessions.map((session) => session.name);
  const at = names.indexOf(name);
  if (at >= 0) return at;
  const similar = didYouMean(name, names);
  throw new UserError(`Cannot use session "${name}" of "${path}": it has ${names.join(", ")}`, {
    hint: similar === undefined ? "A twin knows the sessions it was trained on." : `Did you mean "${similar}"?`,
  });
}
