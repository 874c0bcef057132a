/**
 * @file Prepared data and the sessions of a model file: what to note down about them, and whether others fit.
 */

import type { SessionConfig } from "../config/session.ts";
import { modelRate } from "../data/frame-rate.ts";
import type { PreparedSession } from "../data/prepare.ts";
import type { SampleSet } from "../data/samples.ts";
import { UserError } from "../errors.ts";
import type { InputShape } from "../models/shapes.ts";
import { dataDigest } from "./data-digest.ts";
import { type ModelSession, type StoredStimulus, subjectAndDate } from "./model-info.ts";

/** What a model file says about a session it was trained on. */
export function describeSession({ session, nUnits, cids, config, behaviorDim, train }: PreparedSession): ModelSession {
  return {
    name: session,
    ...subjectAndDate(session),
    nUnits,
    cids: [...cids],
    config,
    stimulus: storedStimulus(train),
    frameRate: modelRate(config, train.recordings[0]?.metadata ?? {}),
    behaviorDim,
    data: dataDigest(train),
  };
}

/** Lags and pixels of a session's stimuli; null when it serves none. */
export function inputShape({ train }: PreparedSession): InputShape | null {
  const stimulus = train.lags.get("stim");
  if (stimulus === undefined) return null;
  const { height, width } = train.arrays(0);
  return { frames: stimulus.lags.length, height, width };
}

function storedStimulus(set: SampleSet): StoredStimulus | null {
  const { stim, channels, height, width } = set.arrays(0);
  if (stim === undefined || !set.lags.has("stim")) return null;
  const dtype = stim instanceof Uint8Array ? "uint8" : "float32";
  return { dtype, channels, height, width, pixelnorm: dtype === "uint8" && set.pixelnorm };
}

/**
 * How a session of a model file becomes samples.
 *
 * @param path of the file, for the message
 * @throws UserError when the file does not know it
 */
export function dataConfig({ name, config }: ModelSession, path: string): SessionConfig {
  if (config !== null) return config;
  throw new UserError(
    `Cannot prepare session "${name}" of "${path}": the file does not say how its data are prepared`,
    {
      hint: "Name the dataset configuration it was trained with: --dataset-configs D.yaml, here or when importing it.",
    },
  );
}

/** A model file's path, and the size of its input. */
export interface FittedFile {
  path: string;
  input: InputShape | null;
}

/**
 * Checks that prepared data are what a session of a model file takes; what the file does not know is not compared.
 *
 * @throws UserError that names every difference: what was found and what the file expects
 */
export function checkSessionFits(file: FittedFile, expected: ModelSession, prepared: PreparedSession): void {
  const differences = [
    ...unitDifferences(expected, prepared),
    ...lagDifferences(expected, prepared),
    ...sizeDifferences(file, expected, prepared),
    ...(expected.behaviorDim === null || expected.behaviorDim === prepared.behaviorDim
      ? []
      : [`${prepared.behaviorDim} behaviour values per frame, the file expects ${expected.behaviorDim}`]),
  ];
  if (differences.length === 0) return;
  throw new UserError(
    `Cannot use session "${prepared.session}" with "${file.path}": it has ${differences.join("; it has ")}`,
    { hint: "Use the recordings and the dataset configuration that the twin was trained on." },
  );
}

function unitDifferences({ cids }: ModelSession, prepared: PreparedSession): string[] {
  if (cids === null || cids.join() === prepared.cids.join()) return [];
  return [`units ${listed(prepared.cids)}, the file expects ${listed(cids)}`];
}

function lagDifferences({ config }: ModelSession, { train }: PreparedSession): string[] {
  return Object.entries(config?.keys_lags ?? {}).flatMap(([key, wanted]) => {
    const expected = [wanted].flat();
    const found = [...(train.lags.get(key)?.lags ?? [])];
    if (found.join() === expected.join()) return [];
    const serves = found.length === 0 ? `no ${key}` : `${key} at lags ${listed(found)}`;
    return [`${serves}, the file expects lags ${listed(expected)}`];
  });
}

function sizeDifferences({ input }: FittedFile, { stimulus }: ModelSession, prepared: PreparedSession): string[] {
  const found = inputShape(prepared);
  const expected = stimulus ?? input;
  if (expected === null || found === null) return [];
  if (found.height === expected.height && found.width === expected.width) return [];
  return [
    `stimuli of ${found.height} x ${found.width} pixels, the file expects ${expected.height} x ${expected.width}`,
  ];
}

const LISTED = 12;

function listed(values: readonly number[]): string {
  const more = values.length > LISTED ? `, … (${values.length} in all)` : "";
  return values.slice(0, LISTED).join(", ") + more;
}
