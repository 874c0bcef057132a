import { describe, expect, test } from "vitest";
import { Curriculum } from "./curriculum.ts";
import {
  distributedOrder,
  groupBySession,
  sessionOffsets,
  TrainSampler,
  type TrainSamplerOptions,
  validationBatches,
  validationPlan,
} from "./samplers.ts";

const sizes = [110, 70, 61];
const samples = 241;

function batches(options: Partial<TrainSamplerOptions>, count: number): number[][] {
  const sampler = new TrainSampler({ sizes, batchSize: 8, seed: 3, ...options });
  return Array.from({ length: count }, () => [...sampler.next()]);
}

function sessionOf(index: number): number {
  return groupBySession([index], sessionOffsets(sizes))[0]!.session;
}

describe("distributedOrder()", () => {
  test.each([true, false])("covers the order without overlap over all ranks, dropLast %s", (dropLast) => {
    const world = 4;
    const shards = Array.from({ length: world }, (_, rank) => [
      ...distributedOrder(samples, { seed: 0, epoch: 2, rank, world, dropLast }),
    ]);
    const lengths = new Set(shards.map((shard) => shard.length));
    expect([...lengths]).toEqual([dropLast ? 60 : 61]);
    const distinct = new Set(shards.flat());
    expect(distinct.size).toBe(dropLast ? 240 : 241);
  });
});

describe("TrainSampler", () => {
  test("draws the distributed order of each epoch, batch by batch", () => {
    for (const rank of [0, 1, 2]) {
      const order = (epoch: number) => [
        ...distributedOrder(samples, { seed: 3, epoch, rank, world: 3, dropLast: true }),
      ];
      // 80 samples per rank are 10 batches of 8.
      const drawn = batches({ rank, world: 3 }, 20);
      expect(drawn.slice(0, 10).flat()).toEqual(order(0));
      expect(drawn.slice(10).flat()).toEqual(order(1));
    }
  });

  test("shows every sample at most once in an epoch and other orders in other epochs", () => {
    const drawn = batches({}, 60);
    expect(new Set(drawn.slice(0, 30).flat()).size).toBe(240);
    expect(drawn.slice(0, 30)).not.toEqual(drawn.slice(30));
  });

  test("cuts epochs short", () => {
    const sampler = new TrainSampler({ sizes, batchSize: 8, seed: 3, batchesPerEpoch: 4 });
    for (let i = 0; i < 5; i++) sampler.next();
    expect(sampler.state).toEqual({ epoch: 1, batch: 1 });
    expect(new TrainSampler({ sizes, batchSize: 8, seed: 3, batchesPerEpoch: 500 }).batchesPerEpoch).toBe(30);
  });

  test.each([false, true])("continues exactly from a stored state, homogeneous %s", (homogeneous) => {
    const whole = batches({ homogeneous, rank: 1, world: 2 }, 40);
    for (const at of [0, 1, 15, 23]) {
      const first = new TrainSampler({ sizes, batchSize: 8, seed: 3, homogeneous, rank: 1, world: 2 });
      for (let i = 0; i < at; i++) first.next();
      const resumed = new TrainSampler({ sizes, batchSize: 8, seed: 3, homogeneous, rank: 1, world: 2 });
      resumed.restore(JSON.parse(JSON.stringify(first.state)));
      const rest = Array.from({ length: 40 - at }, () => [...resumed.next()]);
      expect(rest).toEqual(whole.slice(at));
    }
  });

  test("draws sessions alike, or subjects alike, on request", () => {
    const shares = (options: Partial<TrainSamplerOptions>) => {
      const drawn = batches({ sizes: [800, 150, 50], batchSize: 10, ...options }, 100).flat();
      const ends = [800, 950, 1000];
      return ends.map((end, i) => drawn.filter((at) => at < end && at >= (ends[i - 1] ?? 0)).length / drawn.length);
    };
    const expectShares = (actual: number[], expected: number[]) => {
      for (const [i, share] of expected.entries()) expect(Math.abs(actual[i]! - share)).toBeLessThan(0.05);
    };
    expectShares(shares({ balance: "none" }), [0.8, 0.15, 0.05]);
    expectShares(shares({ balance: "sessions" }), [1 / 3, 1 / 3, 1 / 3]);
    expectShares(shares({ balance: "subjects", subjects: ["a", "b", "b"] }), [0.5, 0.375, 0.125]);
  });

  test.each([{ balance: "sessions" }, { homogeneous: true }, {}] as const)(
    "favours contrast while a curriculum warms up, and draws as without it afterwards: %o",
    (options) => {
      const contrasts = Float32Array.from({ length: samples }, (_, i) => (i % 2 === 0 ? 0 : 4));
      const curriculum = new Curriculum(contrasts, { warmupSteps: 40, floor: 0.05 });
      const drawn = batches({ ...options, curriculum }, 60);
      const odd =
        drawn
          .slice(0, 40)
          .flat()
          .filter((sample) => sample % 2 === 1).length / 320;
      expect(odd).toBeGreaterThan(0.88);
      expect(drawn.slice(40)).toEqual(batches(options, 60).slice(40));
    },
  );

  const modes = [
    {},
    { homogeneous: true },
    { balance: "sessions" },
    { homogeneous: true, balance: "subjects" },
  ] as const;

  test.each(modes)("continues exactly within a curriculum: %o", (mode) => {
    const curriculum = new Curriculum(
      Float32Array.from({ length: samples }, (_, i) => (i % 7) / 4),
      {
        warmupSteps: 50,
        floor: 0.05,
      },
    );
    const options = { ...mode, curriculum, world: 2, rank: 1 };
    const whole = batches(options, 70);
    for (const at of [0, 18, 49, 50, 61]) {
      const resumed = new TrainSampler({ sizes, batchSize: 8, seed: 3, ...options });
      resumed.restore({ epoch: Math.floor(at / 15), batch: at % 15 });
      expect(Array.from({ length: 70 - at }, () => [...resumed.next()])).toEqual(whole.slice(at));
    }
  });

  test("gives every process and every batch of a curriculum draws of its own", () => {
    const curriculum = new Curriculum(new Float32Array(samples).fill(0.7), { warmupSteps: 1000, floor: 0.05 });
    const drawn = [0, 1, 2].flatMap((rank) => batches({ curriculum, world: 3, rank }, 20));
    expect(new Set(drawn.map((batch) => batch.join())).size).toBe(60);
  });

  test.each([
    [1, {}],
    [3, { homogeneous: true }],
  ] as const)("draws within %i sessions in proportion to the curriculum's weights", (sessions, options) => {
    const few = [5, 4, 3].slice(0, sessions);
    const contrasts = Float32Array.of(0, 0.2, 0.8, 1.4, 3, 0.5, 1, 0.01, 2.2, 1.9, 0.6, 0.3);
    // The warm-up has hardly begun when the draws end: alpha is 0.5 throughout.
    const curriculum = new Curriculum(contrasts, { warmupSteps: 1e9, floor: 0.05 });
    const counts = new Int32Array(12);
    for (const batch of batches({ sizes: few, batchSize: 2, curriculum, ...options }, 20_000)) {
      for (const sample of batch) counts[sample]!++;
    }
    // Exceeded with probability 0.001 for 4, 3 and 2 degrees of freedom.
    const limits = [18.47, 16.27, 13.82];
    const offsets = sessionOffsets(few);
    for (const session of few.keys()) {
      const members = Array.from({ length: few[session]! }, (_, i) => offsets[session]! + i);
      const weights = members.map((sample) => Math.max(0.05, Math.min(contrasts[sample]! / 2, 1)));
      const total = weights.reduce((sum, weight) => sum + weight);
      const drawn = members.reduce((sum, sample) => sum + counts[sample]!, 0);
      const chiSquare = members.reduce((sum, sample, i) => {
        const expected = (drawn * weights[i]!) / total;
        return sum + (counts[sample]! - expected) ** 2 / expected;
      }, 0);
      expect(drawn).toBeGreaterThan(5000);
      expect(chiSquare).toBeLessThan(limits[session]!);
    }
  });

  test("refuses states it cannot have had", () => {
    const sampler = new TrainSampler({ sizes, batchSize: 8, seed: 3 });
    expect(() => sampler.restore({ epoch: 0, batch: 31 })).toThrow(RangeError);
    expect(() => sampler.restore({ epoch: -1, batch: 0 })).toThrow(RangeError);
  });

  test("refuses batches that the samples cannot fill", () => {
    expect(() => new TrainSampler({ sizes: [5], batchSize: 4, seed: 3, world: 2 })).toThrow(
      "5 training samples do not fill a batch of 4 on each of 2 processes",
    );
    expect(() => new TrainSampler({ sizes: [0, 0], batchSize: 4, seed: 3 })).toThrow(
      "0 training samples do not fill a batch of 4",
    );
  });

  test("takes homogeneous batches from one session, each sample once before any repeats", () => {
    const seen = sizes.map((): number[] => []);
    for (const batch of batches({ homogeneous: true }, 30)) {
      const sessions = new Set(batch.map(sessionOf));
      expect(sessions.size).toBe(1);
      seen[[...sessions][0]!]!.push(...batch);
    }
    seen.forEach((indices, session) => {
      for (let start = 0; start < indices.length; start += sizes[session]!) {
        const round = indices.slice(start, start + sizes[session]!);
        expect(new Set(round).size).toBe(round.length);
      }
    });
  });

  test("draws sessions in proportion to their sizes", () => {
    const count = 3000;
    const drawn = sizes.map(() => 0);
    for (const batch of batches({ homogeneous: true }, count)) drawn[sessionOf(batch[0]!)]!++;
    const chiSquare = sizes.reduce((sum, size, session) => {
      const expected = (count * size) / samples;
      return sum + (drawn[session]! - expected) ** 2 / expected;
    }, 0);
    // Two degrees of freedom: exceeded with probability 0.001.
    expect(chiSquare).toBeLessThan(13.8);
  });

  test("gives other homogeneous batches in every epoch and on every process", () => {
    const drawn = batches({ homogeneous: true }, 60);
    expect(drawn.slice(0, 30)).not.toEqual(drawn.slice(30));
    const ranks = [0, 1].map((rank) => batches({ homogeneous: true, rank, world: 2 }, 15));
    expect(ranks[0]!.flatMap((batch, i) => [batch, ranks[1]![i]!])).toEqual(drawn.slice(0, 30));
  });

  test("fills batches from sessions smaller than a batch", () => {
    const sampler = new TrainSampler({ sizes: [3, 20], batchSize: 8, seed: 1, homogeneous: true });
    for (let i = 0; i < 30; i++) {
      const batch = [...sampler.next()];
      if (batch[0]! >= 3) continue;
      expect(new Set(batch.slice(0, 3))).toEqual(new Set([0, 1, 2]));
      return;
    }
    throw new Error("the small session was never drawn");
  });
});

describe("groupBySession()", () => {
  test("orders groups by first appearance and keeps batch order inside", () => {
    expect(groupBySession([120, 4, 0, 130, 200, 119], sessionOffsets(sizes))).toEqual([
      { session: 1, local: Int32Array.of(10, 20, 9), positions: Int32Array.of(0, 3, 5) },
      { session: 0, local: Int32Array.of(4, 0), positions: Int32Array.of(1, 2) },
      { session: 2, local: Int32Array.of(20), positions: Int32Array.of(4) },
    ]);
  });

  test("skips sessions without samples and refuses indices outside", () => {
    expect(groupBySession([0], sessionOffsets([0, 0, 5]))[0]!.session).toBe(2);
    expect(() => groupBySession([5], sessionOffsets([5]))).toThrow(RangeError);
  });
});

describe("validationPlan()", () => {
  test("takes every sample once, in order", () => {
    expect([...validationPlan(sizes)]).toEqual([...Array(samples).keys()]);
  });

  test("spaces a fraction evenly within each session", () => {
    expect([...validationPlan([10, 4], { fraction: 0.5 })]).toEqual([1, 3, 5, 7, 9, 11, 13]);
    expect([...validationPlan([100, 1, 0], { fraction: 0.01 })]).toEqual([50, 100]);
  });

  test("takes about as many samples as asked for", () => {
    expect(validationPlan(sizes, { count: 24 })).toHaveLength(24);
    expect(validationPlan(sizes, { count: 10_000 })).toHaveLength(samples);
  });

  test.each([{ fraction: 0 }, { fraction: 1.5 }, { count: 0 }, { count: 2.5 }])("refuses %j", (options) => {
    expect(() => validationPlan(sizes, options)).toThrow(expect.objectContaining({ name: "UserError" }));
  });
});

test("validationBatches() takes every sample once, in order, the last batch shorter", () => {
  expect(validationBatches(validationPlan([10]), 4).map((batch) => [...batch])).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9],
  ]);
});
