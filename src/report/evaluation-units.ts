/**
 * @file All units of an evaluation side by side: every score of every unit, whatever session it is from.
 */

import type { ANALYSES, AnalysisName } from "../eval/analyses/index.ts";
import type { Analysis, UnitScore } from "../eval/analysis.ts";
import type { Evaluation, SessionEvaluation } from "../eval/evaluate.ts";
import { quantileOfSorted, sortedFinite } from "../eval/statistics/quantiles.ts";
import type { Column } from "./figure.ts";

/** Result of an analysis. */
type DetailsOf<Name extends AnalysisName> = (typeof ANALYSES)[Name] extends Analysis<infer Details> ? Details : never;

/** What an analysis found in a session, or undefined when it was not asked for, not possible, or failed. */
export function detailsOf<Name extends AnalysisName>(
  { analyses }: SessionEvaluation,
  name: Name,
): DetailsOf<Name> | undefined {
  const outcome = analyses[name];
  return outcome?.status === "ok" ? (outcome.details as DetailsOf<Name>) : undefined;
}

/** Scores of a session, in the order of its analyses. */
export function sessionScores({ analyses }: SessionEvaluation): UnitScore[] {
  return Object.values(analyses).flatMap((outcome) => (outcome.status === "ok" ? outcome.scores : []));
}

/** One score of all units, [units] each; NaN in sessions that do not have it. */
export interface PooledScore {
  readonly key: string;
  readonly title: string;
  readonly headline: boolean;
  readonly values: Float64Array;
  readonly low?: Float64Array | undefined;
  readonly high?: Float64Array | undefined;
}

/** The units of all sessions, session after session. */
export interface PooledUnits {
  readonly count: number;
  /** Name of each unit's session, [units]. */
  readonly sessions: readonly string[];
  /** Numbers in the recordings, [units]. */
  readonly cids: readonly number[];
  /** Position of the first unit of every session. */
  readonly starts: readonly number[];
  /** By key, in order of first appearance. */
  readonly scores: ReadonlyMap<string, PooledScore>;
}

/** Puts the units of all sessions side by side. */
export function poolUnits({ sessions }: Evaluation): PooledUnits {
  const starts: number[] = [];
  let count = 0;
  for (const { cids } of sessions) {
    starts.push(count);
    count += cids.length;
  }
  const scores = new Map<string, PooledScore>();
  for (const [i, session] of sessions.entries()) {
    for (const score of sessionScores(session)) {
      const pooled = scores.get(score.key) ?? emptyScore(score, count);
      pooled.values.set(score.values, starts[i]);
      const bounds = {
        ...pooled,
        low: placed(pooled.low, score.low, starts[i]!, count),
        high: placed(pooled.high, score.high, starts[i]!, count),
      };
      scores.set(score.key, bounds);
    }
  }
  return {
    count,
    sessions: sessions.flatMap(({ name, cids }) => cids.map(() => name)),
    cids: sessions.flatMap(({ cids }) => cids),
    starts,
    scores,
  };
}

function emptyScore({ key, title, headline = false }: UnitScore, count: number): PooledScore {
  return { key, title, headline, values: new Float64Array(count).fill(Number.NaN) };
}

function placed(
  pooled: Float64Array | undefined,
  own: Float64Array | undefined,
  start: number,
  count: number,
): Float64Array | undefined {
  if (own === undefined) return pooled;
  const all = pooled ?? new Float64Array(count).fill(Number.NaN);
  all.set(own, start);
  return all;
}

/** `unit 12 of Allen_2022-04-13`. */
export function unitName({ sessions, cids }: PooledUnits, unit: number): string {
  return `unit ${cids[unit]} of ${sessions[unit]}`;
}

/** Columns that say which unit a row is about. */
export function unitColumns({ sessions, cids }: PooledUnits): Column[] {
  return [
    { name: "session", values: sessions },
    { name: "unit", values: cids },
  ];
}

/** Columns of a score: its values, and its confidence interval if it has one. */
export function scoreColumns({ key, values, low, high }: PooledScore): Column[] {
  return [
    { name: key, values },
    ...(low === undefined ? [] : [{ name: `${key}_low`, values: low }]),
    ...(high === undefined ? [] : [{ name: `${key}_high`, values: high }]),
  ];
}

/** A list of values in numbers; NaN where there are none. */
export interface Summary {
  readonly n: number;
  readonly mean: number;
  readonly median: number;
  readonly q1: number;
  readonly q3: number;
}

/** Summary of the finite ones among values. */
export function summarize(values: ArrayLike<number>): Summary {
  const sorted = sortedFinite(values);
  return {
    n: sorted.length,
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    median: quantileOfSorted(sorted, 0.5),
    q1: quantileOfSorted(sorted, 0.25),
    q3: quantileOfSorted(sorted, 0.75),
  };
}

/** Which units stand for all: the words, and the position among units that are ranked from the best. */
const EXAMPLES = [
  ["Best", 0],
  ["Upper quartile", 0.25],
  ["Median", 0.5],
  ["Lower quartile", 0.75],
] as const;

/** A unit that stands for others. */
export interface Example {
  /** `Best`, `Upper quartile`, … */
  readonly rank: string;
  readonly unit: number;
  readonly value: number;
}

/** The best unit by a score and those at the quartiles, among units that have the score and qualify; fewer of few units. */
export function exampleUnits(values: ArrayLike<number>, qualifies: (unit: number) => boolean = () => true): Example[] {
  const ranked = Array.from({ length: values.length }, (_, i) => i)
    .filter((unit) => Number.isFinite(values[unit]) && qualifies(unit))
    .sort((a, b) => values[b]! - values[a]! || a - b);
  const seen = new Set<number>();
  return EXAMPLES.flatMap(([rank, part]) => {
    const unit = ranked[Math.round(part * (ranked.length - 1))];
    if (unit === undefined || seen.has(unit)) return [];
    seen.add(unit);
    return [{ rank, unit, value: values[unit]! }];
  });
}

/** Session of a unit, and the unit's place in it. */
export function locate({ starts }: PooledUnits, unit: number): { session: number; place: number } {
  const session = starts.findLastIndex((start) => start <= unit);
  return { session, place: unit - starts[session]! };
}
