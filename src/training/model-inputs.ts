/**
 * @file Whether the data serve what a model reads beside the stimulus: behaviour and spike history (model specification,
 * sections 12 and 15, M-15). A model is never trained without them by accident.
 */

import type { ModelConfig } from "../config/model.ts";
import type { SessionConfig } from "../config/session.ts";
import type { PreparedSession } from "../data/prepare.ts";
import { UserError } from "../errors.ts";

/**
 * Checks the configurations alone, before any data are prepared.
 *
 * @param modelName what messages call the model configuration: the path of its file, as a rule
 * @throws UserError naming the key of the model and that of the session which do not go together
 */
export function checkInputsServed(
  model: ModelConfig,
  modelName: string,
  sessions: readonly Pick<SessionConfig, "session" | "keys_lags" | "_config_path" | "_parent_config_path">[],
): void {
  const { modulator, shifter, history_encoder: history } = model;
  const readers = [
    ...(modulator.type === "none" ? [] : [`modulator.type ${modulator.type}`]),
    ...(shifter.type === "none" ? [] : [`shifter.type ${shifter.type}`]),
  ];
  for (const { session, keys_lags, _config_path, _parent_config_path } of sessions) {
    const file = _parent_config_path || _config_path;
    const refuse = (reader: string, reads: string, found: string, hint: string): never => {
      const key = file === "" ? "keys_lags" : `keys_lags (${file})`;
      throw new UserError(
        `Cannot train on session "${session}": ${reader} (${modelName}) reads ${reads}, but ${key} ${found}`,
        { hint },
      );
    };
    const { behavior } = keys_lags;
    const [reader] = readers;
    if (reader !== undefined && behavior === undefined) {
      const hint = "Add behavior to keys_lags, and a transform that makes it if need be, or set that type to none.";
      refuse(reader, "behaviour", 'has no "behavior"', hint);
    }
    if (reader !== undefined && Array.isArray(behavior)) {
      const found = `has a list of ${behavior.length} lags for "behavior"`;
      refuse(reader, "the behaviour of one frame", found, "Give a single lag, 0 as a rule.");
    }
    if (!history) continue;
    const wanted = history.params.num_lags;
    const lags = [keys_lags.history ?? []].flat();
    if (lags.length === wanted) continue;
    const found = lags.length === 0 ? 'has no "history"' : `serves it at ${lags.length} lags`;
    const hint = `Serve history at ${wanted} lags (keys_lags: {history: [1, 2, …]}), or change history_encoder.params.num_lags.`;
    refuse("history_encoder", `spike history at ${wanted} lags`, found, hint);
  }
}

/**
 * Checks that behaviour and spike history of prepared sessions are as wide as the model takes them.
 *
 * @throws UserError naming the session, what it serves and what the model takes
 */
export function checkInputWidths(
  { modulator, history_encoder }: ModelConfig,
  sessions: readonly Pick<PreparedSession, "session" | "behaviorDim" | "nUnits" | "train">[],
): void {
  for (const { session, behaviorDim, nUnits, train } of sessions) {
    if (modulator.type !== "none" && behaviorDim !== modulator.params.behavior_dim) {
      throw new UserError(
        `Cannot train on session "${session}": it serves ${behaviorDim} behaviour values, the modulator takes ${modulator.params.behavior_dim}`,
        { hint: "Set modulator.params.behavior_dim to the number that the dataset configuration serves." },
      );
    }
    const width = train.recordings[0]?.has("history") ? train.recordings[0].column("history").shape[1] : nUnits;
    if (history_encoder && width !== nUnits) {
      throw new UserError(
        `Cannot train on session "${session}": its history has ${width} units, the session keeps ${nUnits} (cids)`,
        {
          hint: "Let the transform that makes history select the same units: ops: [{ select_units: { indices: cids } }].",
        },
      );
    }
  }
}

/** Spike history that gives the answer away, one sentence per session. */
export function inputWarnings(
  { history_encoder }: ModelConfig,
  sessions: readonly Pick<SessionConfig, "session" | "keys_lags">[],
): string[] {
  if (!history_encoder) return [];
  return sessions.flatMap(({ session, keys_lags }) => {
    const early = [keys_lags.history ?? []].flat().filter((lag) => lag <= 0);
    if (early.length === 0) return [];
    return [
      `Session ${session}: keys_lags.history has lag ${early.join(", ")}, so that the model sees the spikes it predicts; start at 1`,
    ];
  });
}
