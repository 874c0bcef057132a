/**
 * @file The dataset configuration that belongs to a synthetic population: one parent file and one file per session, in
 * the form that every other dataset uses.
 */
import { stringify } from "yaml";
import { RATE_HZ } from "./trials.ts";

/** Rate at which the twin sees the recordings. */
const TARGET_RATE_HZ = 120;

/**
 * Text of the parent dataset file. Paths in it are relative to the file itself.
 *
 * @param lags stimulus lags that are served, 0 … lags−1 at 120 Hz
 */
export function parentConfigText(sessions: readonly string[], lags: number): string {
  const text = stringify({
    // fixrsvp is recorded but left out of training: its repeats measure the twin on images it has never seen.
    types: ["backimage", "gaborium", "gratings"],
    data_dir: ".",
    session_dir: "./sessions",
    sessions: [...sessions],
    sampling: { source_rate: RATE_HZ, target_rate: TARGET_RATE_HZ },
    keys_lags: { robs: 0, stim: Array.from({ length: lags }, (_, lag) => lag), behavior: 0, dfs: 0 },
    transforms: {
      stim: { source: "stim", ops: [{ pixelnorm: {} }, { unsqueeze: 1 }], expose_as: "stim" },
      eye_vel: {
        source: "eyepos",
        ops: [
          { diff: { axis: 0 } },
          { maxnorm: {} },
          { symlog: {} },
          {
            temporal_basis: {
              num_delta_funcs: 0,
              num_cosine_funcs: 10,
              history_bins: 50,
              causal: false,
              log_spacing: false,
              peak_range_ms: [30, 200],
              normalize: true,
            },
          },
          { splitrelu: { split_dim: 1, trainable_gain: false } },
        ],
        expose_as: "behavior",
        concatenate: true,
      },
      eye_pos: { source: "eyepos", ops: [], expose_as: "behavior", concatenate: true },
    },
    datafilters: {
      dfs: { ops: [{ valid_nlags: { n_lags: lags - 1 } }, { missing_pct: { threshold: 45 } }], expose_as: "dfs" },
    },
    train_val_split: 0.8,
    seed: 1002,
  });
  return `# A synthetic population (visioncore synth). Recordings hold the planted units and their true_rates.\n${text}`;
}

/** Text of a session's file: all units, in order. */
export function sessionConfigText(session: string, units: number): string {
  return stringify({ session, cids: Array.from({ length: units }, (_, unit) => unit) });
}
