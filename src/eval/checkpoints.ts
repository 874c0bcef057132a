/**
 * @file The checkpoints of many experiments, ranked within each kind of model (evaluation specification, section 2). Only
 * names are read, so a folder with thousands of checkpoints is listed at once.
 */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { systemErrorMeaning } from "../formats/system-error.ts";

/** What the name of a checkpoint says; null where it says nothing. */
export interface CheckpointName {
  epoch: number | null;
  valLoss: number | null;
  /** Bits per spike, the mean over sessions. */
  valBps: number | null;
}

/** A checkpoint that can be ranked. */
export interface CheckpointRecord {
  path: string;
  /** Name of its folder. */
  experiment: string;
  /** 0 where the name does not say. */
  epoch: number;
  valLoss: number | null;
  valBps: number | null;
  /** What it is ranked by: bits per spike where the name has them. */
  metricType: "bps" | "loss";
}

export interface CheckpointNameOptions {
  /** `reference`: numbers without sign and exponent, so that `-0.01` is no number and `1e-05` is 1. */
  compat?: "reference" | undefined;
}

/** What a folder's name contains, and the kind of model that is; the first that fits counts. */
const MODEL_TYPES: readonly (readonly [contains: string, modelType: string])[] = [
  ["resnet_modulator", "resnet_modulator"],
  ["learned_dense_film_none_gaussian", "learned_dense_film_none_gaussian"],
  ["x3d_modulator", "x3d_modulator"],
  ["dense_concat_convgru_gaussian_history", "dense_concat_convgru_history"],
  ["dense_concat_convgru_gaussian", "dense_concat_convgru"],
  ["dense_none_convgru_gaussian", "dense_none_convgru"],
  ["densenet", "densenet"],
  ["core_res_modulator", "core_res_modulator"],
  ["core_res", "core_res"],
  ["learned_resnet_concat_convgru_gaussian", "resnet_concat_convgru"],
  ["learned_resnet_none_convgru_gaussian", "resnet_none_convgru"],
  ["learned_resnet_film_none_gaussian", "resnet_film_none_gaussian"],
  ["resnet", "resnet"],
  ["vivit_small", "vivit_small"],
  ["modulator_only_convgru", "modulator_only_convgru"],
];

/** The kind of model that an experiment's name stands for; experiments of one kind compete. Case does not matter. */
export function extractModelType(experiment: string): string {
  const name = experiment.toLowerCase();
  return MODEL_TYPES.find(([contains]) => name.includes(contains))?.[1] ?? name;
}

const NUMBER = String.raw`[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?`;
const REFERENCE_NUMBER = String.raw`\d+\.?\d*`;
const LOSSES = ["val_loss_total=", "val_loss=", "loss="];
const SCORES = ["val_bps_overall=", "val_bps=", "bps="];

/**
 * Reads a checkpoint's name.
 *
 * @example
 * parseCheckpointName("epoch=05-val_bps_overall=0.6395.safetensors"); // { epoch: 5, valLoss: null, valBps: 0.6395 }
 */
export function parseCheckpointName(name: string, { compat }: CheckpointNameOptions = {}): CheckpointName {
  const number = compat === "reference" ? REFERENCE_NUMBER : NUMBER;
  const read = (keys: readonly string[], pattern: string): number | null => {
    for (const key of keys) {
      const found = new RegExp(`${key}(${pattern})`, "i").exec(name);
      if (found) return Number(found[1]);
    }
    return null;
  };
  return { epoch: read(["epoch="], String.raw`\d+`), valLoss: read(LOSSES, number), valBps: read(SCORES, number) };
}

/**
 * Finds the checkpoints in the experiments' folders inside a folder: `<directory>/<experiment>/<checkpoint>`, model files
 * of this program and `.ckpt` files. Left out: `last` checkpoints, which repeat another one, those whose name says nan, and
 * those whose name has no score.
 *
 * @returns kinds of model and their checkpoints, the best first: by bits per spike, then those that only have a loss; equals
 *   by path. Empty when there is no such folder.
 * @throws UserError when a folder cannot be read
 */
export function scanCheckpoints(
  directory: string,
  options: CheckpointNameOptions = {},
): Map<string, CheckpointRecord[]> {
  const byType = new Map<string, CheckpointRecord[]>();
  for (const experiment of foldersIn(directory)) {
    const modelType = extractModelType(experiment);
    for (const record of recordsIn(directory, experiment, options)) {
      const group = byType.get(modelType);
      if (group) group.push(record);
      else byType.set(modelType, [record]);
    }
  }
  for (const records of byType.values()) records.sort(byRank);
  return byType;
}

function byRank(a: CheckpointRecord, b: CheckpointRecord): number {
  if (a.metricType !== b.metricType) return a.metricType === "bps" ? -1 : 1;
  const order = a.metricType === "bps" ? b.valBps! - a.valBps! : a.valLoss! - b.valLoss!;
  return order || (a.path < b.path ? -1 : 1);
}

function foldersIn(directory: string): string[] {
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) return [];
  return namesIn(directory).filter((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.isDirectory());
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (cause) {
    throw new UserError(`Cannot look for checkpoints in "${directory}": ${systemErrorMeaning(cause)}`, { cause });
  }
}

function recordsIn(directory: string, experiment: string, options: CheckpointNameOptions): CheckpointRecord[] {
  const folder = join(directory, experiment);
  return namesIn(folder).flatMap((name): CheckpointRecord[] => {
    // Training states and bare weights lie beside model files.
    if (!/\.ckpt$|(?<!\.(?:state|weights))\.safetensors$/.test(name) || /last|nan/i.test(name)) return [];
    const { epoch, valLoss, valBps } = parseCheckpointName(name, options);
    if (valBps === null && valLoss === null) return [];
    const metricType = valBps === null ? "loss" : "bps";
    return [{ path: join(folder, name), experiment, epoch: epoch ?? 0, valLoss, valBps, metricType }];
  });
}
