/**
 * @file The sessions of a run: prepared, and checked against what the model reads and, when resuming, against those the run
 * was started with.
 */

import { loadDatasetConfigs } from "../config/dataset.ts";
import type { ModelConfig } from "../config/model.ts";
import type { SessionConfig } from "../config/session.ts";
import { type PreparedSession, prepareSession } from "../data/prepare.ts";
import { prepareWithCache } from "../data/prepared-cache.ts";
import type { StimulusStore } from "../data/stimulus-store.ts";
import { UserError } from "../errors.ts";
import { fitsShifter, shifterNeeds } from "../models/modules/shifter.ts";
import { shifterOptions } from "../models/options.ts";
import type { ModelFile } from "./model-file.ts";
import { checkInputsServed, checkInputWidths } from "./model-inputs.ts";
import { DEFAULT_MAX_DATASETS, type TrainOptions } from "./options.ts";
import { checkSessionFits, dataConfig } from "./session-fit.ts";

/**
 * Prepares the sessions of a run.
 *
 * @throws UserError when data cannot be prepared or do not fit the model or the checkpoint
 */
export function prepareSessions(
  configs: readonly SessionConfig[],
  options: TrainOptions,
  model: ModelConfig,
  checkpoint: ModelFile | undefined,
  store: StimulusStore,
): readonly PreparedSession[] {
  const { dataDir, modelConfig, strictData, dataCache } = options;
  checkInputsServed(model, typeof modelConfig === "string" ? modelConfig : "model config", configs);
  const how = { dataDir, store, strict: strictData };
  const prepared =
    options.sessions ??
    configs.map((config) => (dataCache ? prepareWithCache(config, how, dataCache) : prepareSession(config, how)));
  checkInputWidths(model, prepared);
  const gaze = shifterOptions(model.shifter);
  for (const { session, behaviorDim } of prepared) {
    if (!gaze || fitsShifter(gaze, behaviorDim)) continue;
    throw new UserError(
      `Cannot train on session "${session}": it serves ${behaviorDim} behaviour values, the shifter takes ${shifterNeeds(gaze)}`,
      { hint: "Set shifter.params (features, behavior_dim) to what the dataset configuration serves as behavior." },
    );
  }
  if (checkpoint) refuseOtherSessions(prepared, checkpoint);
  return prepared;
}

/**
 * The configurations of a run's sessions, those of the checkpoint where none are named.
 *
 * @throws UserError when none are named at all, or a file cannot be read
 */
export function sessionConfigsOf(
  { sessions, datasetConfigsPath, maxDatasets = DEFAULT_MAX_DATASETS }: TrainOptions,
  checkpoint: ModelFile | undefined,
): readonly SessionConfig[] {
  if (sessions !== undefined) return sessions.map(({ config }) => config);
  if (datasetConfigsPath !== undefined) return loadDatasetConfigs(datasetConfigsPath, { maxDatasets }).sessions;
  if (checkpoint !== undefined) return checkpoint.info.sessions.map((session) => dataConfig(session, checkpoint.path));
  throw new UserError("Cannot train: no dataset configuration was given", {
    hint: "Pass the path of one: --dataset-configs experiments/dataset_configs/….yaml",
  });
}

/** Same numbers of units may hide other units, for which the readouts would be wrong; likewise with lags and pixels. */
function refuseOtherSessions(prepared: readonly PreparedSession[], { path, info }: ModelFile): void {
  const describe = (name: string, cids: readonly number[] | null) =>
    cids === null ? name : `${name} with units ${cids.join(", ")}`;
  const found = prepared.map(({ session, cids }) => describe(session, cids));
  const expected = info.sessions.map(({ name, cids }) => describe(name, cids));
  const other = expected.findIndex((text, i) => text !== found[i]);
  if (other < 0 && found.length === expected.length) {
    for (const [i, session] of prepared.entries()) checkSessionFits({ path, ...info }, info.sessions[i]!, session);
    return;
  }
  const at = other < 0 ? expected.length : other;
  throw new UserError(
    `Cannot resume from "${path}": session ${at + 1} was ${expected[at] ?? "absent"}, now it is ${found[at] ?? "absent"}`,
    { hint: "Continue with the sessions the run was started with." },
  );
}
