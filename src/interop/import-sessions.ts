/**
 * @file The sessions of a checkpoint. The reference stores neither their names nor their units (training specification,
 * section 5, T-20): numbers of units come from the readouts, everything else from a dataset configuration, if there is one.
 */
import { loadDatasetConfigs } from "../config/dataset.ts";
import type { SessionConfig } from "../config/session.ts";
import { openSession } from "../data/session.ts";
import { UserError } from "../errors.ts";
import type { LazyArray } from "../formats/lazy.ts";
import type { InputShape } from "../models/shapes.ts";
import { type ModelSession, subjectAndDate } from "../training/model-info.ts";

/** Tensors of a readout with one row per unit, whatever its type. */
const ROWS = ["mean", "fc.weight", "features.weight", "bias"];

const MOST_UNITS = 1_000_000;

/**
 * Units of every session, from the rows of the readouts, in the order of the sessions.
 *
 * @throws UserError when there are no readouts, a session between others has none, or a readout has no tensor with a row
 *   per unit
 */
export function unitCounts(tensors: ReadonlyMap<string, LazyArray>, path: string): number[] {
  const readouts = readoutNames(tensors, path);
  const counts = readouts.map((readout, i) => {
    const rows = ROWS.map((name) => tensors.get(`${readout}.${name}`)?.shape[0]).find((count) => count !== undefined);
    if (rows !== undefined && rows > 0) return rows;
    const what = rows === 0 ? "has no units" : `has none of the tensors ${ROWS.join(", ")}`;
    throw new UserError(`Cannot import "${path}": the readout of session ${i}, "${readout}", ${what}`);
  });
  const units = counts.reduce((a, b) => a + b, 0);
  // Repeated rows take no room in a file, so a small one can claim any number of units.
  if (units <= MOST_UNITS) return counts;
  throw new UserError(`Cannot import "${path}": its readouts claim ${units} units, at most ${MOST_UNITS} are taken`);
}

function readoutNames(tensors: ReadonlyMap<string, LazyArray>, path: string): string[] {
  const names = [...tensors.keys()];
  const numbers = new Set(names.flatMap((name) => /^readouts\.(\d+)\./.exec(name)?.[1] ?? []));
  if (numbers.size === 0) {
    if (names.some((name) => name.startsWith("readout."))) return ["readout"];
    throw noReadouts(names, path);
  }
  const indices = [...numbers.keys()].map(Number).sort((a, b) => a - b);
  const gap = indices.findIndex((number, i) => number !== i);
  if (gap >= 0) {
    throw new UserError(
      `Cannot import "${path}": session ${gap} has no readout, though session ${indices[gap]} has one`,
      { hint: "Parts of the model are missing in the file. Save its whole state_dict." },
    );
  }
  return indices.map((number) => `readouts.${number}`);
}

const PARTS = /^(adapters?|frontend|convnet|modulator|recurrent|spike_history|baselines?)\./;

function noReadouts(names: readonly string[], path: string): UserError {
  if (names.some((name) => PARTS.test(name))) {
    return new UserError(`Cannot import "${path}": it has parts of a VisionCore model, but no readouts`, {
      hint: "Save the state_dict of the whole model.",
    });
  }
  const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? `, … (${names.length} tensors)` : "");
  return new UserError(
    `Cannot import "${path}": it is another project's model; its tensors are called ${shown}, ` +
      "those of a VisionCore model adapters.0.log_sigma, convnet.layers.0.…, readouts.0.features.weight, …",
    { hint: "Give a checkpoint that VisionCore training wrote." },
  );
}

/** Sessions of which nothing is known but their numbers of units: sessions and units are numbered from 0. */
export function namelessSessions(counts: readonly number[]): ModelSession[] {
  return counts.map((nUnits, i) => {
    const cids = Array.from({ length: nUnits }, (_, unit) => unit);
    return { ...NOTHING_KNOWN, name: `session_${i}`, nUnits, cids };
  });
}

const NOTHING_KNOWN = {
  subject: null,
  date: null,
  config: null,
  stimulus: null,
  frameRate: null,
  behaviorDim: null,
  data: null,
};

/**
 * Sessions of a dataset configuration, in its order, which must have as many units as the readouts.
 *
 * @param maxDatasets how many of its sessions the model was trained with, where the checkpoint says so
 * @throws UserError for anything wrong in the files, and when sessions or their units do not fit the checkpoint; the
 *   message names every session that differs
 */
export function configuredSessions(
  configPath: string,
  counts: readonly number[],
  path: string,
  maxDatasets: number | undefined,
): { sessions: ModelSession[]; warnings: string[] } {
  const { sessions: configs, warnings } = loadDatasetConfigs(configPath, { maxDatasets });
  if (configs.length !== counts.length) {
    throw new UserError(
      `Cannot import "${path}": it has ${counts.length} sessions, "${configPath}" names ${configs.length}`,
      { hint: "List the sessions that the model was trained with, in the same order." },
    );
  }
  const different = configs.flatMap(({ session, cids }, i) =>
    cids.length === counts[i]
      ? []
      : [`session ${i} ${session}: ${counts[i]} units in the checkpoint, ${cids.length} cids in the dataset file`],
  );
  if (different.length > 0) {
    throw new UserError(
      `Cannot import "${path}": "${configPath}" lists other units than it was trained with\n  ${different.join("\n  ")}`,
      {
        hint: "Use the dataset file of that training run; unit lists and the order of sessions may have changed since.",
      },
    );
  }
  const sessions = configs.map((config): ModelSession => {
    const { session: name, cids, sampling } = config;
    const frameRate = sampling?.target_rate ?? null;
    return { ...NOTHING_KNOWN, ...subjectAndDate(name), name, nUnits: cids.length, cids: [...cids], config, frameRate };
  });
  return { sessions, warnings };
}

/**
 * Lags of a session's stimulus from its configuration, and its height and width in pixels from its recordings, if they
 * are here. Unknown sizes are absent.
 */
export function stimulusSize({ session, lab, eye, data_dir, types, keys_lags }: SessionConfig): Partial<InputShape> {
  const frames = keys_lags.stim === undefined ? undefined : [keys_lags.stim].flat().length;
  const lags = frames === undefined ? {} : { frames };
  if (frames === undefined || data_dir === undefined) return lags;
  try {
    const folder = openSession(data_dir, { session, lab, eye });
    for (const type of types) {
      const shape = folder.open(type)?.column("stim").shape;
      if (shape !== undefined) return { ...lags, height: shape.at(-2)!, width: shape.at(-1)! };
    }
  } catch (error) {
    // A model may be imported where its recordings are not.
    if (!(error instanceof UserError)) throw error;
  }
  return lags;
}
