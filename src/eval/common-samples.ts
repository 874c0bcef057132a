/**
 * @file What several twins can be compared on: units that all of them know, and samples of one session that all of them
 * serve and none was trained on.
 */

import type { SampleSet } from "../data/samples.ts";
import { UserError } from "../errors.ts";
import type { EvaluatedSession } from "./evaluated-session.ts";
import { observe, type Predictions } from "./predict.ts";

/** A session as all twins see it. */
export interface CommonSession {
  readonly name: string;
  /** Units, in the order of the first twin. */
  readonly cids: readonly number[];
  /** The session for every twin. */
  readonly opened: readonly EvaluatedSession[];
  /** The same validation samples in the same order, one set for every twin. */
  readonly validation: readonly SampleSet[];
  /** The same samples of the repeated stimulus; null when there are none. */
  readonly repeated: readonly SampleSet[] | null;
  /** Training samples of the first twin, none of which is scored. */
  readonly training: SampleSet;
  /** Columns of the common units, of numbers for all units of one twin's session, [samples, units]. */
  pickUnits(twin: number, values: Float32Array): Float32Array;
  /** Rates of the common units with what was observed, valid where it is for every twin. */
  responses(part: "validation" | "repeated", rates: Float32Array): Predictions;
}

/**
 * Finds what is common.
 *
 * @param opened the same session, once for every twin
 * @param repeats stimulus types whose trials repeat one sequence
 * @throws UserError when rates or spikes differ between twins, or nothing is common
 */
export function openCommonSession(opened: readonly EvaluatedSession[], repeats: readonly string[]): CommonSession {
  const first = opened[0]!;
  const { name } = first;
  for (const { frameRate } of opened) {
    if (frameRate === first.frameRate) continue;
    throw new UserError(
      `Cannot compare on session "${name}": one twin sees ${first.frameRate} frames per second, another ${frameRate}`,
    );
  }
  const cids = first.units.cids.filter((cid) => opened.every(({ units }) => units.cids.includes(cid)));
  if (cids.length === 0) throw new UserError(`Cannot compare on session "${name}": no unit is known to all twins`);
  const columns = opened.map(({ units }) => cids.map((cid) => units.cids.indexOf(cid)));

  const inAll = first.stimuli.filter((type) => opened.every(({ stimuli }) => stimuli.includes(type)));
  const validation = commonSets(
    opened,
    inAll.filter((type) => !repeats.includes(type)),
  );
  const repeatedType = inAll.find((type) => repeats.includes(type));
  const repeated = repeatedType === undefined ? null : commonSets(opened, [repeatedType]);
  if (validation[0]!.length === 0 && repeated === null) {
    throw new UserError(`Cannot compare on session "${name}": the twins share no validation sample`, {
      hint: "They were trained with other splits (seed, train_val_split) or on other stimulus types.",
    });
  }
  const pickUnits = (twin: number, values: Float32Array) =>
    pickColumns(values, opened[twin]!.units.cids.length, columns[twin]!);
  const observed = (sets: readonly SampleSet[]) => sharedObservations(name, sets, pickUnits, cids.length);
  const seen = { validation: observed(validation), repeated: repeated === null ? null : observed(repeated) };
  return {
    name,
    cids,
    opened,
    validation,
    repeated,
    training: trainingSet(first, validation[0]!),
    pickUnits,
    responses: (part, rates) => ({ ...seen[part]!, rates }),
  };
}

/** For every twin the samples of some types that all twins evaluate, in one order. */
function commonSets(opened: readonly EvaluatedSession[], types: readonly string[]): SampleSet[] {
  const sets = opened.map((session) =>
    types.map((type) => session.samples(type)).reduce((all, part) => all.concat(part), session.samples("")),
  );
  const positions = sets.map((set) => new Map(Array.from(set.frameOf.keys(), (i) => [sampleName(set, i), i])));
  const shared = [...positions[0]!.keys()].filter((name) => positions.every((known) => known.has(name)));
  return sets.map((set, twin) => set.subset(shared.map((name) => positions[twin]!.get(name)!)));
}

function sampleName(set: SampleSet, sample: number): string {
  return `${set.recordings[set.recordingOf[sample]!]!.type} ${set.frameOf[sample]}`;
}

/** What all twins observe in the same samples; valid where it is for all of them. */
function sharedObservations(
  name: string,
  sets: readonly SampleSet[],
  pickUnits: CommonSession["pickUnits"],
  units: number,
): Omit<Predictions, "rates"> {
  const each = sets.map((set, twin) => {
    const { robs, dfs, trueRates, ...rest } = observe(set);
    const truth = trueRates && pickUnits(twin, trueRates);
    return { ...rest, units, robs: pickUnits(twin, robs), dfs: pickUnits(twin, dfs), trueRates: truth };
  });
  const first = each[0]!;
  const dfs = first.dfs.map((weight, i) => each.reduce((least, other) => Math.min(least, other.dfs[i]!), weight));
  for (const other of each) {
    const at = other.robs.findIndex((count, i) => dfs[i]! > 0 && count !== first.robs[i]);
    if (at < 0) continue;
    throw new UserError(
      `Cannot compare on session "${name}": in the same frame one twin's data count ${first.robs[at]} spikes, another's ${other.robs[at]}`,
      { hint: "Their dataset configurations transform or down-sample spikes differently." },
    );
  }
  return { ...first, dfs };
}

/** Training samples of the types that are scored, without any that is scored. */
function trainingSet(first: EvaluatedSession, validation: SampleSet): SampleSet {
  const scored = new Set(Array.from(validation.frameOf.keys(), (i) => sampleName(validation, i)));
  const all = first.trainedTypes
    .map((type) => first.otherSamples(type))
    .reduce((joined, part) => joined.concat(part), first.otherSamples(""));
  return all.subset([...all.frameOf.keys()].filter((i) => !scored.has(sampleName(all, i))));
}

function pickColumns(values: Float32Array, units: number, columns: readonly number[]): Float32Array {
  const samples = values.length / units;
  const picked = new Float32Array(samples * columns.length);
  for (let i = 0; i < samples; i++) {
    for (const [to, from] of columns.entries()) picked[i * columns.length + to] = values[i * units + from]!;
  }
  return picked;
}
