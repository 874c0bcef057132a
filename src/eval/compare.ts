/**
 * @file Twins and baselines side by side, fair by construction: every contestant is scored on the same units, the same
 * samples that no twin was trained on, the same valid bins and the same ceiling.
 */
import { SampleSet } from "../data/samples.ts";
import { UserError } from "../errors.ts";
import { sessionNumber } from "../training/model-file.ts";
import type { Baseline, BaselineKind } from "./baselines/baseline.ts";
import { fitBaseline } from "./baselines/fit-baseline.ts";
import { bitsPerSpike } from "./bps.ts";
import { type CommonSession, openCommonSession } from "./common-samples.ts";
import { correlation } from "./correlation.ts";
import { openEvaluatedSession } from "./evaluated-session.ts";
import type { LoadedModel } from "./load-model.ts";
import { observe, type Predictions, predictSamples } from "./predict.ts";
import { ccnorm, SMALLEST_CCMAX } from "./repeats/ccnorm.ts";
import { bootstrapPairedDifference, type MeanInterval } from "./statistics/bootstrap.ts";
import { wilcoxonSignedRank } from "./statistics/wilcoxon.ts";
import { alignedTrials } from "./trials.ts";

/** A twin under the name that the table gives it. */
export interface NamedModel {
  readonly name: string;
  readonly model: LoadedModel;
}

/** Options of {@link compareModels}. */
export interface CompareOptions {
  /** At least one; the others, and baselines, are compared with the first. */
  readonly models: readonly NamedModel[];
  readonly baselines?: readonly BaselineKind[] | undefined;
  /** Names of sessions; all that every twin knows when absent. */
  readonly sessions?: readonly string[] | undefined;
  readonly dataDir?: string | undefined;
  /** Stimulus types whose trials repeat one sequence. */
  readonly repeats?: readonly string[] | undefined;
  /** Pairs of halves that ceilings are averaged over. */
  readonly splits?: number | undefined;
  readonly seed?: number | undefined;
  readonly device?: string | undefined;
  readonly batchSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?:
    | ((progress: { session: string; done: number; total: number; activity: string }) => void)
    | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What contestants are scored by. */
export const COMPARED_SCORES = {
  bps: "bits per spike, validation",
  correlation: "correlation, validation",
  bps_repeats: "bits per spike, repeats",
  ccabs: "correlation to average, repeats",
  ccnorm: "CCnorm, repeats",
} as const;

/** One of {@link COMPARED_SCORES}. */
export type ComparedScore = keyof typeof COMPARED_SCORES;

/** One contestant over all sessions. */
export interface Contestant {
  readonly name: string;
  readonly kind: "twin" | BaselineKind;
  /** Scores of every unit, session after session, [units]; NaN where one is not defined. */
  readonly scores: Readonly<Record<ComparedScore, Float64Array>>;
  /** What a reader should know about it, one sentence each. */
  readonly notes: readonly string[];
}

/** A table of contestants. */
export interface Comparison {
  readonly sessions: readonly {
    readonly name: string;
    readonly cids: readonly number[];
    /** Samples that all contestants were scored on. */
    readonly validation: number;
    readonly repeats: number;
  }[];
  readonly contestants: readonly Contestant[];
  /** Ceiling of correlations to averages, from the responses alone, [units]. */
  readonly ccmax: Float64Array;
  /** Every contestant against the first, over units that have both. */
  readonly differences: readonly {
    readonly name: string;
    readonly score: ComparedScore;
    /** Its score minus that of the first, with a 95 % bootstrap interval over units. */
    readonly difference: MeanInterval;
    /** Of Wilcoxon's signed-rank test, two-sided. */
    readonly p: number;
    readonly units: number;
  }[];
}

/**
 * Compares twins with each other and with baselines that are fitted here, on the training samples of the first twin.
 *
 * @throws UserError when no session or no unit is common to all twins, or they see the data at different rates or with
 *   different spikes
 */
export async function compareModels(options: CompareOptions): Promise<Comparison> {
  const { models, baselines = [], repeats = ["fixrsvp"], onProgress } = options;
  const names = sharedSessions(models, options.sessions);
  const rows = [
    ...models.map(({ name }) => ({ name, kind: "twin" as const })),
    ...baselines.map((kind) => ({ name: kind, kind })),
  ];
  const collected = rows.map((row) => ({
    ...row,
    parts: [] as Record<ComparedScore, Float64Array>[],
    notes: [] as string[],
  }));
  const ceilings: Float64Array[] = [];
  const sessions: Comparison["sessions"][number][] = [];
  for (const [done, name] of names.entries()) {
    const tell = (activity: string) => onProgress?.({ session: name, done, total: names.length, activity });
    tell("reading");
    const opened = models.map(({ model }) =>
      openEvaluatedSession(model, sessionNumber(model, name), { ...options, repeats }),
    );
    const common = openCommonSession(opened, repeats);
    const ceiling = sessionCeiling(common, options);
    ceilings.push(ceiling);
    const { cids, validation, repeated } = common;
    sessions.push({
      name,
      cids,
      validation: validation[0]!.length,
      repeats: repeated === null ? 0 : repeated[0]!.length,
    });
    for (const contestant of collected) {
      options.signal?.throwIfAborted();
      tell(contestant.name);
      const at = collected.indexOf(contestant);
      const predict =
        contestant.kind === "twin"
          ? twinPredictor(models[at]!.model, common, at, options)
          : await baselinePredictor(contestant.kind, common, options, contestant.notes);
      contestant.parts.push(await scoreContestant(predict, common, ceiling, options));
    }
  }
  const contestants = collected.map(({ name, kind, parts, notes }) => ({
    name,
    kind,
    notes,
    scores: joinScores(parts),
  }));
  return {
    sessions,
    contestants,
    ccmax: joined(ceilings),
    differences: differencesFromFirst(contestants, options.seed),
  };
}

function sharedSessions(models: readonly NamedModel[], wanted: readonly string[] | undefined): string[] {
  for (const name of wanted ?? []) for (const { model } of models) sessionNumber(model, name);
  const known = models.map(({ model }) => model.sessions.map(({ name }) => name));
  const shared = (wanted ?? known[0]!).filter((name) => known.every((list) => list.includes(name)));
  if (shared.length > 0) return [...shared];
  const lists = models.map(({ name }, i) => `${name}: ${known[i]!.join(", ")}`);
  throw new UserError(`Cannot compare: no session is known to all twins (${lists.join("; ")})`);
}

/** Rates for the validation samples, and for the repeats, of the common units; null where a contestant has none. */
type Predictor = (part: "validation" | "repeated") => Promise<Float32Array | null>;

function twinPredictor(
  { twin }: LoadedModel,
  common: CommonSession,
  number: number,
  { device, batchSize, signal }: CompareOptions,
): Predictor {
  return async (part) => {
    const set = common[part]?.[number];
    if (set === undefined) return null;
    const { index, units } = common.opened[number]!;
    const { rates } = await predictSamples(twin, index, set, { device, batchSize, columns: units.columns, signal });
    return common.pickUnits(number, rates);
  };
}

async function baselinePredictor(
  kind: BaselineKind,
  common: CommonSession,
  { signal }: CompareOptions,
  notes: string[],
): Promise<Predictor> {
  const predictor =
    (baseline: Baseline): Predictor =>
    async (part) => {
      const set = common[part]?.[0];
      if (set === undefined) return null;
      return common.pickUnits(0, await baseline.predict(set, { signal }));
    };
  try {
    if (kind === "psth") {
      // Repeats are not trained on: each trial is predicted from the others.
      if (common.repeated === null) return async () => null;
      const repeated = ofOneRecording(common.repeated[0]!);
      const baseline = await fitBaseline(kind, repeated, { signal });
      return async (part) =>
        part === "repeated" ? common.pickUnits(0, await baseline.predict(repeated, { signal })) : null;
    }
    // The link that predicts better: a twin should be compared with the stronger opponent.
    const baseline = await fitBaseline(kind, common.training, { signal, link: "softplus" });
    notes.push(...baseline.notes.map((note) => `${common.name}: ${note}`));
    return predictor(baseline);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    notes.push(`${common.name}: ${error.message}`);
    return async () => null;
  }
}

/** The same samples without recordings that none of them is of; those need not have what this one has. */
function ofOneRecording(set: SampleSet): SampleSet {
  const recordings = [set.recordings[set.recordingOf[0]!]!];
  return new SampleSet({ ...set, recordings, recordingOf: new Int32Array(set.length) });
}

async function scoreContestant(
  predict: Predictor,
  common: CommonSession,
  ceiling: Float64Array,
  options: CompareOptions,
): Promise<Record<ComparedScore, Float64Array>> {
  const none = () => new Float64Array(common.cids.length).fill(Number.NaN);
  const scores: Record<ComparedScore, Float64Array> = {
    bps: none(),
    correlation: none(),
    bps_repeats: none(),
    ccabs: none(),
    ccnorm: none(),
  };
  const validation = await predict("validation");
  if (validation !== null) {
    const predictions = common.responses("validation", validation);
    scores.bps = bitsPerSpike(predictions);
    scores.correlation = correlation(predictions);
  }
  const repeated = await predict("repeated");
  if (repeated === null) return scores;
  const predictions = common.responses("repeated", repeated);
  scores.bps_repeats = bitsPerSpike(predictions);
  const found = correlateRepeats(common, predictions, options);
  if (found === null) return scores;
  scores.ccabs = found.ccabs;
  // By the one ceiling of all contestants, which is also that of these halves.
  scores.ccnorm = found.ccabs.map((value, unit) =>
    ceiling[unit]! > SMALLEST_CCMAX ? value / ceiling[unit]! : Number.NaN,
  );
  return scores;
}

function sessionCeiling(common: CommonSession, options: CompareOptions): Float64Array {
  const none = new Float64Array(common.cids.length).fill(Number.NaN);
  if (common.repeated === null) return none;
  const observed = observe(common.repeated[0]!);
  const responses = common.responses("repeated", new Float32Array(observed.samples * common.cids.length));
  return correlateRepeats(common, responses, options)?.ccmax ?? none;
}

function correlateRepeats(
  { repeated }: CommonSession,
  predictions: Predictions,
  { splits = 500, seed = 0 }: CompareOptions,
): ReturnType<typeof ccnorm> | null {
  const set = repeated![0]!;
  const stimulus = set.recordings[set.recordingOf[0]!]!.type;
  const { trials } = alignedTrials(set, predictions, { stimulus });
  return trials === null ? null : ccnorm(trials, { splits, seed });
}

function joinScores(parts: readonly Record<ComparedScore, Float64Array>[]): Record<ComparedScore, Float64Array> {
  const of = (score: ComparedScore) => joined(parts.map((part) => part[score]));
  return {
    bps: of("bps"),
    correlation: of("correlation"),
    bps_repeats: of("bps_repeats"),
    ccabs: of("ccabs"),
    ccnorm: of("ccnorm"),
  };
}

function joined(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => [...part]));
}

function differencesFromFirst(contestants: readonly Contestant[], seed = 0): Comparison["differences"] {
  const [first, ...others] = contestants;
  return others.flatMap(({ name, scores }) =>
    (Object.keys(COMPARED_SCORES) as ComparedScore[]).flatMap((score) => {
      const [a, b] = [scores[score], first!.scores[score]];
      const units = a.reduce((count, value, unit) => count + Number(Number.isFinite(value - b[unit]!)), 0);
      if (units === 0) return [];
      const difference = bootstrapPairedDifference(a, b, { seed });
      return [{ name, score, difference, p: wilcoxonSignedRank(a, b).p, units }];
    }),
  );
}
