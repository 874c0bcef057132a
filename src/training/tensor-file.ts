/**
 * @file Safetensors files that VisionCore writes for itself: tensors, and a JSON description under a metadata key of its
 * own.
 */

import { UserError } from "../errors.ts";
import {
  createSafetensorsWriter,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsWriter,
} from "../formats/safetensors.ts";
import type { Tensor } from "../torch/index.ts";

/** Metadata key of a model file's description. */
export const MODEL_KEY = "visioncore";
/** Metadata key of a training state's description. */
export const STATE_KEY = "visioncore_state";

/** Version of both descriptions that is written; all up to it are read. */
export const SCHEMA = 2;

/**
 * A file with all tensors written but not yet in its place. On failure nothing is left of it.
 *
 * @throws UserError when the disk is full, permission is missing and the like
 */
export function startTensorFile(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  key: string,
  description: unknown,
): SafetensorsWriter {
  const writer = createSafetensorsWriter(path, tensors, { [key]: JSON.stringify(description) });
  try {
    // One tensor at a time on the host.
    for (const name of writer.order)
      if (tensors.get(name)!.numel > 0) writer.append(name, tensors.get(name)!.toArray());
    return writer;
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/** An open file and its description, whose schema is known. */
export interface TensorFile {
  file: SafetensorsFile;
  description: Record<string, unknown>;
  schema: number;
}

/**
 * Opens a file and reads its description.
 *
 * @throws UserError when it cannot be read, is damaged or cut short, was written by another program, or by a newer version
 *   of this one
 */
export function openTensorFile(path: string, key: string): TensorFile {
  if (/\.(ckpt|pt|pth)$/.test(path)) {
    throw new UserError(`Cannot load "${path}": it is a PyTorch file`, {
      hint: `Make a model file of it first: visioncore import ${path}`,
    });
  }
  const file = openSafetensors(path);
  try {
    const description = parseJson(path, descriptionOf(path, file, key));
    return { file, description, schema: schemaOf(path, description) };
  } catch (error) {
    file.close();
    throw error;
  }
}

function descriptionOf(path: string, { metadata, tensors }: SafetensorsFile, key: string): string {
  const text = metadata[key];
  if (text !== undefined) return text;
  const isState = key === MODEL_KEY && metadata[STATE_KEY] !== undefined;
  const what = isState
    ? "it holds the training state of a checkpoint, not its parameters"
    : `its ${tensors.size} tensors carry no description of a VisionCore model`;
  throw new UserError(`Cannot load "${path}": ${what}`, {
    hint: isState
      ? `Load "${path.replace(/\.state\.safetensors$/, ".safetensors")}".`
      : "Another program wrote this file.",
  });
}

function parseJson(path: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damagedDescription(path, (cause as Error).message, cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damagedDescription(path, "no mapping");
  return value as Record<string, unknown>;
}

function schemaOf(path: string, { schema }: Record<string, unknown>): number {
  if (!Number.isInteger(schema)) throw damagedDescription(path, "it has no schema number");
  if ((schema as number) <= SCHEMA) return schema as number;
  throw new UserError(`Cannot load "${path}": it has format ${schema}, this version reads up to ${SCHEMA}`, {
    hint: "Update VisionCore.",
  });
}

/** The error for a description that is not what was written. */
export function damagedDescription(path: string, what: string, cause?: unknown): UserError {
  return new UserError(`Cannot load "${path}": its description is damaged (${what})`, {
    hint: "Use another checkpoint of the run, or copy this one again.",
    cause,
  });
}
