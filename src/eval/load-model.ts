/**
 * @file Loading a twin for evaluation: from a file, the folder of a run, or the best run of a type in a folder of runs
 * (evaluation specification, section 3).
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { didYouMean, UserError } from "../errors.ts";
import { importCheckpoint } from "../interop/import-checkpoint.ts";
import { bestCheckpoint } from "../training/checkpoint-files.ts";
import { type LoadedTwin, loadTwin } from "../training/model-file.ts";
import { scanCheckpoints } from "./checkpoints.ts";

/** Where a twin is. Give `checkpoint`, or `dir` with or without `modelType`. */
export interface LoadModelOptions {
  /** A model file, the folder of a run (its best checkpoint), or a checkpoint of the reference (`.ckpt`, `.pt`). */
  readonly checkpoint?: string | undefined;
  /** Folder whose folders are runs. */
  readonly dir?: string | undefined;
  /** Which kind of model in `dir`; may be left out when there is one kind only. */
  readonly modelType?: string | undefined;
  /** Rank among the checkpoints of that kind, from 0 for the best. */
  readonly modelIndex?: number | undefined;
  readonly device?: string | undefined;
  /** Dataset configuration, for a checkpoint of the reference: names and units of its sessions. */
  readonly datasetConfigs?: string | undefined;
}

/** A twin, and what evaluation says about it. */
export interface LoadedModel extends LoadedTwin {
  /** Name of the run: the folder of the checkpoint. */
  readonly experiment: string;
  /** That folder. */
  readonly folder: string;
  /** SHA-256 of what the predictions depend on, in hexadecimal. */
  readonly digest: string;
}

/**
 * Loads a twin, in evaluation mode. The caller disposes of `twin`.
 *
 * @example
 * const model = await loadModel({ checkpoint: "checkpoints/my_run" });
 * const best = await loadModel({ dir: "checkpoints", modelType: "resnet_none_convgru" });
 *
 * @throws UserError when there is no such file, run, type or rank, or the file cannot be read or is damaged
 */
export async function loadModel(options: LoadModelOptions): Promise<LoadedModel> {
  const path = checkpointPath(options);
  const folder = dirname(resolve(path));
  const experiment = basename(folder);
  if (extname(path) === ".safetensors") {
    const loaded = loadTwin(path, options);
    const { hashes } = loaded.info;
    const digest = hashes === null ? await fileDigest(path) : sha256(hashes.parameters + hashes.model_config);
    return { ...loaded, experiment, folder, digest };
  }
  const { twin, info } = importCheckpoint(path, { datasetConfigs: options.datasetConfigs });
  twin.to({ device: options.device ?? "cpu" });
  const stored = { ...info, hashes: null, versions: {}, saved_at: "", save_id: "" };
  const { model_config: config, sessions } = info;
  return { twin, config, sessions, info: stored, path, experiment, folder, digest: await fileDigest(path) };
}

function checkpointPath({ checkpoint, dir, modelType, modelIndex = 0 }: LoadModelOptions): string {
  if (checkpoint !== undefined) return bestCheckpoint(checkpoint);
  if (dir === undefined) {
    throw new UserError("Cannot load a model: neither a checkpoint nor a folder of runs is named", {
      hint: "Give checkpoint, or dir with modelType.",
    });
  }
  if (!existsSync(dir)) throw new UserError(`Cannot load a model from "${dir}": there is no such folder`);
  const found = scanCheckpoints(dir);
  const types = [...found.keys()];
  const type = modelType ?? (types.length === 1 ? types[0]! : undefined);
  const records = type === undefined ? undefined : found.get(type);
  if (records === undefined) throw unknownType(dir, modelType, types);
  const record = records[modelIndex];
  if (record !== undefined) return record.path;
  throw new UserError(
    `Cannot load checkpoint ${modelIndex} of type "${type}" in "${dir}": there are ${records.length}`,
    {
      hint: `Ranks go from 0, the best, to ${records.length - 1}.`,
    },
  );
}

function unknownType(dir: string, given: string | undefined, types: readonly string[]): UserError {
  if (types.length === 0) {
    return new UserError(
      `Cannot load a model from "${dir}": no folder in it holds a checkpoint with a score in its name`,
      {
        hint: "Name the folder that holds the runs' folders, or one checkpoint.",
      },
    );
  }
  const similar = given === undefined ? undefined : didYouMean(given, types);
  const what = given === undefined ? "which type is not said" : `there is no type "${given}"`;
  return new UserError(`Cannot load a model from "${dir}": ${what}; it has ${types.join(", ")}`, {
    hint: similar === undefined ? "Name one of these types." : `Did you mean "${similar}"?`,
  });
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
