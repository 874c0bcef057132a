/**
 * @file An evaluation in the nested form that the reference's driver returns, for analysis code written for it (evaluation
 * specification, section 5.3).
 */
import type { NdArray } from "../formats/array.ts";
import type { BpsDetails } from "./analyses/bps.ts";
import type { CcnormDetails } from "./analyses/ccnorm.ts";
import type { SaccadeDetails } from "./analyses/saccade.ts";
import type { Evaluation, SessionEvaluation } from "./evaluate.ts";
import type { QualityControl } from "./qc.ts";

/** Plain objects, lists and arrays. */
export type ReferenceTree = { readonly [key: string]: ReferenceTree | NdArray | Float64Array | readonly unknown[] };

/** A session for which an analysis was successful. */
interface Found<Details> {
  readonly session: SessionEvaluation;
  readonly details: Details;
}

/**
 * The results by model type and analysis. A session without a result has no entry in a list, as in the reference (E-10): use
 * `datasets` and `dataset_indices`, one entry a unit, to know whose numbers they are, or the evaluation itself, which names
 * every session.
 *
 * @param modelType key of the result
 * @param evaluation made with `keepArrays`, or the lists of samples, trials and windows are missing
 */
export function referenceLayout(modelType: string, evaluation: Evaluation): ReferenceTree {
  const { sessions } = evaluation;
  const parts: Record<string, ReferenceTree> = {};
  const bps = found<BpsDetails>(sessions, "bps");
  if (bps.length > 0) parts.bps = byStimulus(bps, ({ stimuli }) => Object.keys(stimuli), bpsOf);
  const ccnorm = found<CcnormDetails>(sessions, "ccnorm");
  if (ccnorm.length > 0) parts.ccnorm = byStimulus(ccnorm, ({ stimulus }) => [stimulus], ccnormOf);
  const saccade = found<SaccadeDetails>(sessions, "saccade");
  if (saccade.length > 0) parts.saccade = byStimulus(saccade, usedStimuli, saccadesOf);
  parts.qc = qualityOf(sessions);
  return { [modelType]: { dataset_names: sessions.map(({ name }) => name), ...parts } };
}

function found<Details>(
  sessions: readonly SessionEvaluation[],
  analysis: "bps" | "ccnorm" | "saccade" | "qc",
): Found<Details>[] {
  return sessions.flatMap((session) => {
    const outcome = session.analyses[analysis];
    return outcome?.status === "ok" ? [{ session, details: outcome.details as Details }] : [];
  });
}

/** One branch for each stimulus, with a list of sessions and whose units they are. */
function byStimulus<Details>(
  all: readonly Found<Details>[],
  stimuliOf: (details: Details) => readonly string[],
  describe: (found: readonly Found<Details>[], stimulus: string) => ReferenceTree,
): ReferenceTree {
  const stimuli = [...new Set(all.flatMap(({ details }) => stimuliOf(details)))];
  return Object.fromEntries(
    stimuli.map((stimulus) => {
      const having = all.filter(({ details }) => stimuliOf(details).includes(stimulus));
      return [stimulus, { ...describe(having, stimulus), ...owners(having.map(({ session }) => session)) }];
    }),
  );
}

/** Whose units they are, one entry a unit. */
function owners(sessions: readonly SessionEvaluation[], prefix = ""): ReferenceTree {
  return {
    [`${prefix}cids`]: sessions.flatMap(({ cids }) => cids),
    [`${prefix}datasets`]: sessions.flatMap(({ name, cids }) => cids.map(() => name)),
    [`${prefix}dataset_indices`]: sessions.flatMap(({ index, cids }) => cids.map(() => index)),
  };
}

function bpsOf(having: readonly Found<BpsDetails>[], stimulus: string): ReferenceTree {
  const scores = having.map(({ details }) => details.stimuli[stimulus]!);
  return {
    robs: scores.map(({ arrays }) => arrays?.robs ?? null),
    rhat: scores.map(({ arrays }) => arrays?.rhat ?? null),
    dfs: scores.map(({ arrays }) => arrays?.dfs ?? null),
    bps: scores.map(({ bps }) => bps),
  };
}

function ccnormOf(having: readonly Found<CcnormDetails>[]): ReferenceTree {
  const each = <Item>(pick: (details: CcnormDetails) => Item) => having.map(({ details }) => pick(details));
  const table = (data: Float64Array, { bins, clipped }: CcnormDetails) => matrix(data, [bins, clipped.length]);
  const trial = (key: "robs" | "rates" | "dfs") =>
    each(({ aligned, trials, bins, clipped }) => {
      const data = aligned?.[key];
      return data === undefined ? null : matrix(data, [trials, bins, clipped.length]);
    });
  return {
    ccnorm: each(({ clipped }) => clipped),
    rbar: each((details) => table(details.rbar, details)),
    rbarhat: each((details) => table(details.rbarhat, details)),
    robs_trial: trial("robs"),
    rhat_trial: trial("rates"),
    dfs_trial: trial("dfs"),
  };
}

function usedStimuli({ stimuli }: SaccadeDetails): string[] {
  return stimuli.filter(({ averages }) => averages !== null).map(({ stimulus }) => stimulus);
}

function saccadesOf(having: readonly Found<SaccadeDetails>[], stimulus: string): ReferenceTree {
  const each = having.map(({ details }) => details.stimuli.find((one) => one.stimulus === stimulus)!);
  const windows = having.map(({ details }) => details.windows?.[stimulus]);
  return {
    robs: windows.map((cut) => cut?.robs ?? null),
    rhat: windows.map((cut) => cut?.rhat ?? null),
    dfs: windows.map((cut) => cut?.dfs ?? null),
    rbar: each.map(({ averages }) => matrix(averages!.rbar, [averages!.bins, averages!.units])),
    rbarhat: each.map(({ averages }) => matrix(averages!.rbarhat, [averages!.bins, averages!.units])),
    eyevel: each.map(({ averages }) => matrix(averages!.eyevel, [averages!.saccades, averages!.bins, 2])),
    saccade_info: each.map(({ saccades, averages }) =>
      saccades.map((saccade, i) => ({
        ...saccade,
        time_previous: averages!.timePrevious[i]!,
        time_next: averages!.timeNext[i]!,
      })),
    ),
    win: each.map(({ averages }) => [...averages!.window]),
  };
}

/** Of all sessions, whether quality was asked for or not. */
function qualityOf(sessions: readonly SessionEvaluation[]): ReferenceTree {
  const known = found<QualityControl>(sessions, "qc").map(({ details }) => details);
  return {
    contamination: known.flatMap(({ contamination }) => [...contamination]),
    truncation: known.flatMap(({ truncation }) => [...truncation]),
    waveforms: known.map(({ waveforms }) => waveforms),
    // The reference keeps the first session's of these; a list loses nothing (E-09).
    wave_times: known.map(({ waveforms }) => waveforms?.times ?? null),
    probe_geometry: known.map(({ probeGeometry }) => probeGeometry),
    l4_depths: known.map(({ l4Depths }) => l4Depths),
    ...owners(sessions, "all_"),
  };
}

function matrix(data: Float64Array, shape: readonly number[]): NdArray {
  return { dtype: "float64", shape, data };
}
