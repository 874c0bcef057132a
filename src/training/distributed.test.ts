import { describe, expect, test } from "vitest";
import type { SessionBatch } from "../data/loader.ts";
import { ones, type ProcessGroup, scope, setNumThreads, tensor, zeros } from "../torch/index.ts";
import { globalObjective, type Replica } from "./distributed.ts";
import { defaultSettings } from "./options.ts";
import { changeHint, keepGlobalBatch, realChanges } from "./process-count.ts";

setNumThreads(1);

const NAMES = ["A", "B", "C"];

interface Group {
  session: number;
  /** Samples and how many of their entries are valid, of two units each. */
  samples: number;
  valid: number;
  loss: number;
}

/** What every process gets when each has one of these batches; the sums over processes are made here. */
function objectives(batches: readonly Group[][], weighSamples = false) {
  return scope(() => {
    const own: Float64Array[] = [];
    const results = () =>
      batches.map((groups, rank) => {
        const reduceNumbers = (values: ArrayLike<number>) => {
          own[rank] ??= Float64Array.from(values);
          return Float64Array.from(values, (_, i) => own.reduce((sum, vector) => sum + vector[i]!, 0));
        };
        const group = { rank, world: batches.length, reduceNumbers } as unknown as ProcessGroup;
        const losses = groups.map(({ loss }) => loss);
        return globalObjective({ group } as Replica, NAMES, groups.map(batch), losses, weighSamples);
      });
    // The first time every process tells what it has, the second time the sums are whole.
    results();
    return results();
  });
}

function batch({ session, samples, valid }: Group): SessionBatch {
  const dfs = zeros([samples, 2]);
  if (valid > 0) dfs.view([-1]).slice(0, 0, valid).fill_(1);
  return {
    session,
    name: NAMES[session]!,
    stimulus: null,
    robs: ones([samples, 2]),
    dfs,
    behavior: null,
    history: null,
    indices: new Int32Array(samples),
  };
}

describe("globalObjective()", () => {
  const batches: Group[][] = [
    [
      { session: 0, samples: 3, valid: 6, loss: 1 },
      { session: 1, samples: 1, valid: 2, loss: 5 },
    ],
    [{ session: 0, samples: 1, valid: 2, loss: 3 }],
  ];

  test("weighs sessions alike however they are spread", () => {
    const [first, second] = objectives(batches);
    // Session A: (6 * 1 + 2 * 3) / 8 = 1.5 over both processes; B: 5. Averaging over two processes halves the weights.
    for (const { losses, baseLoss } of [first!, second!]) {
      expect(losses).toEqual([
        { session: "A", loss: 1.5, samples: 4 },
        { session: "B", loss: 5, samples: 1 },
      ]);
      expect(baseLoss).toBeCloseTo(3.25, 12);
    }
    expect(first!.weights.map((w) => w / 2)).toEqual([(1 / 2) * (6 / 8), 1 / 2]);
    expect(second!.weights.map((w) => w / 2)).toEqual([(1 / 2) * (2 / 8)]);
  });

  test("weighs samples alike when asked to", () => {
    const [first, second] = objectives(batches, true);
    expect(first!.weights.map((w) => w / 2)).toEqual([(4 / 5) * (6 / 8), 1 / 5]);
    expect(second!.weights.map((w) => w / 2)).toEqual([(4 / 5) * (2 / 8)]);
    expect(first!.baseLoss).toBeCloseTo((4 * 1.5 + 5) / 5, 12);
  });

  test("leaves a session that fails anywhere out everywhere", () => {
    const [first, second] = objectives([
      batches[0]!,
      [
        { session: 0, samples: 1, valid: 2, loss: Number.NaN },
        { session: 2, samples: 2, valid: 4, loss: 2 },
      ],
    ]);
    expect(first!.weights.map((w) => w / 2)).toEqual([0, 1 / 2]);
    expect(second!.weights.map((w) => w / 2)).toEqual([0, 1 / 2]);
    expect(first!.losses.map(({ session, loss }) => [session, loss])).toEqual([
      ["A", Number.NaN],
      ["B", 5],
      ["C", 2],
    ]);
    expect(second!.baseLoss).toBe(3.5);
  });

  test("does not count samples without valid entries as a failure", () => {
    const [first, second] = objectives([
      [{ session: 0, samples: 2, valid: 0, loss: Number.NaN }],
      [{ session: 0, samples: 2, valid: 4, loss: 3 }],
    ]);
    expect(first!.weights).toEqual([0]);
    expect(second!.weights).toEqual([2]);
    expect(first!.baseLoss).toBe(3);
  });

  test("has a process without samples of its own take part", () => {
    const [, second] = objectives([batches[0]!, []]);
    expect(second!.weights).toEqual([]);
    expect(second!.baseLoss).toBe(3);
  });

  test("counts a mask of one column for all units", () => {
    scope(() => {
      const group = { rank: 0, world: 1, reduceNumbers: (v: ArrayLike<number>) => Float64Array.from(v) };
      const column = { ...batch(batches[0]![0]!), dfs: tensor([1, 1, 0], [3, 1]) };
      const replica = { group: group as unknown as ProcessGroup } as Replica;
      const { losses, weights } = globalObjective(replica, NAMES, [column], [1.25], false);
      expect(losses).toEqual([{ session: "A", loss: 1.25, samples: 3 }]);
      expect(weights).toEqual([1]);
    });
  });
});

describe("a run with another number of processes", () => {
  const stored = { ...defaultSettings("cpu"), batchSize: 12, numProcesses: 2, globalObjective: true };
  const change = (name: string, before: unknown, given: unknown) => ({ name, stored: before, given });

  test("keeps its global batch where nothing else is asked for", () => {
    expect(keepGlobalBatch({ numProcesses: 3 }, stored).batchSize).toBe(8);
    expect(keepGlobalBatch({ numProcesses: 1 }, stored).batchSize).toBe(24);
    expect(keepGlobalBatch({ numProcesses: 5 }, stored).batchSize).toBeUndefined();
    expect(keepGlobalBatch({ numProcesses: 3, batchSize: 4 }, stored).batchSize).toBe(4);
    expect(keepGlobalBatch({ numProcesses: 3 }, { ...stored, globalObjective: false }).batchSize).toBeUndefined();
    expect(keepGlobalBatch({ numProcesses: 1 }, undefined)).toEqual({ numProcesses: 1 });
  });

  test("is the same run when only the division of its batches differs", () => {
    const changes = [change("numProcesses", 2, 3), change("batchSize", 12, 8), change("seed", 0, 1)];
    const now = { ...stored, numProcesses: 3, batchSize: 8 };
    expect(realChanges(changes, now, stored)).toEqual([change("seed", 0, 1)]);
    for (const other of [{ batchSize: 9 }, { homogeneousBatches: true }, { enableCurriculum: true }]) {
      expect(realChanges(changes, { ...now, ...other }, stored)).toBe(changes);
    }
    expect(realChanges(changes, now, { ...stored, globalObjective: false })).toBe(changes);
  });

  test("says what to do otherwise", () => {
    expect(changeHint([change("numProcesses", 2, 3)])).toMatch(/^Continue with 2 processes: .*--global-objective/);
    expect(changeHint([change("seed", 2, 3)])).toMatch(/^Leave them out/);
  });
});
