import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import type { DType, NdArray } from "../formats/array.ts";
import { elementCount, toFloat64, zerosArray } from "../formats/array.ts";
import { scope, setNumThreads, type Tensor, tensorStats } from "../torch/index.ts";
import { castArray } from "./cast.ts";
import type { KeysLags } from "./lags.ts";
import { BatchLoader, type BatchLoaderOptions } from "./loader.ts";
import { MersenneTwister, permutation } from "./random.ts";
import { Recording } from "./recording.ts";
import { deviceBudget, ResidentStimuli } from "./resident-stimuli.ts";
import { SampleSet } from "./samples.ts";

setNumThreads(1);

interface SetOptions {
  session: string;
  keysLags: KeysLags;
  stim?: DType;
  channels?: number | undefined;
  pixelnorm?: boolean;
  dfsColumns?: number;
  units?: number;
  size?: number;
}

function draw(generator: MersenneTwister, dtype: DType, shape: readonly number[]): NdArray {
  const array = zerosArray(dtype, shape);
  for (let i = 0; i < elementCount(shape); i++) array.data[i] = generator.next() % 251;
  return array;
}

/** Two recordings of 60 and 45 frames; samples in a shuffled order across both. */
function sampleSet(options: SetOptions): SampleSet {
  const {
    session,
    keysLags,
    stim = "uint8",
    channels,
    pixelnorm = true,
    units = 3,
    dfsColumns = units,
    size = 4,
  } = options;
  const generator = new MersenneTwister(session.length + units);
  const recordings = [60, 45].map((frames, i) => {
    const image = channels === undefined ? [size, size + 1] : [channels, size, size + 1];
    const columns: [string, NdArray][] = [
      ["stim", draw(generator, stim, [frames, ...image])],
      ["robs", draw(generator, "float32", [frames, units])],
      ["dfs", draw(generator, "float32", [frames, dfsColumns])],
      ["behavior", draw(generator, "float32", [frames, 5])],
      ["history", draw(generator, "float32", [frames, units])],
    ];
    return new Recording(["gaborium", "backimage"][i]!, columns, {}, session);
  });
  const pairs = [60, 45].flatMap((frames, i) => Array.from({ length: frames - 20 }, (_, f) => [i, f + 12] as const));
  const order = permutation(pairs.length, 3);
  return new SampleSet({
    session,
    recordings,
    recordingOf: Int32Array.from(order, (i) => pairs[i]![0]),
    frameOf: Int32Array.from(order, (i) => pairs[i]![1]),
    keysLags,
    pixelnorm,
  });
}

function values(t: Tensor | null): number[] {
  return Array.from(t!.toTypedArray() as Float32Array);
}

/** Loads samples spread over the sets in a mixed order and compares each group with what its set serves. */
function expectServed(sets: readonly SampleSet[], options: BatchLoaderOptions = {}): void {
  for (const decodeOn of ["host", "device"] as const) expectServedBy(sets, { ...options, decodeOn });
}

function expectServedBy(sets: readonly SampleSet[], options: BatchLoaderOptions): void {
  const loader = new BatchLoader(sets, options);
  for (const seed of [1, 2]) {
    const plan = permutation(loader.offsets.at(-1)!, seed).slice(0, 24);
    scope(() => {
      const { groups, size } = loader.load(plan);
      expect(size).toBe(24);
      expect(groups.reduce((sum, { indices }) => sum + indices.length, 0)).toBe(24);
      for (const group of groups) {
        const set = sets[group.session]!;
        const served = set.serve(group.indices);
        const stim = served.stim!;
        const [b, c, l, h, w] = stim.shape.length === 5 ? stim.shape : [stim.shape[0], 1, ...stim.shape.slice(1)];
        expect(group.name).toBe(set.session);
        expect(group.stimulus!.dtype).toBe("float32");
        expect(group.stimulus!.shape).toEqual([b, c, l, h, w]);
        expect(values(group.stimulus)).toEqual(Array.from(stim.data as Float32Array));
        for (const key of ["robs", "dfs", "behavior", "history"] as const) {
          if (!served[key]) expect(group[key]).toBeNull();
          else {
            expect(group[key]!.shape).toEqual(served[key].shape);
            expect(values(group[key])).toEqual(Array.from(served[key].data as Float32Array));
          }
        }
      }
    });
  }
  loader.dispose();
}

const lags = (n: number) => Array.from({ length: n }, (_, i) => i);

describe("BatchLoader.load()", () => {
  test("equals SampleSet.serve() for several sessions of different sizes", () => {
    expectServed([
      sampleSet({ session: "A_1", keysLags: { robs: 0, stim: lags(6), dfs: 0, behavior: 0 }, channels: 1 }),
      sampleSet({
        session: "B_22",
        keysLags: { stim: lags(9), dfs: 0, robs: 0 },
        channels: 1,
        units: 7,
        dfsColumns: 1,
        size: 6,
      }),
      sampleSet({ session: "C_333", keysLags: { robs: 0, stim: lags(6), dfs: 0 }, channels: 1, pixelnorm: false }),
    ]);
  });

  test.each([
    ["lags with gaps and out of order", { stim: [4, 0, 9, 2], robs: 1, dfs: 1 }, {}],
    ["descending and negative lags", { stim: [3, 2, 1, 0, -1, -2], robs: 0, dfs: 0 }, {}],
    ["a run that starts in the future", { stim: [-2, -1, 0, 1], robs: 0, dfs: 0 }, {}],
    ["two channels", { stim: lags(4), robs: 0, dfs: 0 }, { channels: 2 }],
    [
      "a stored float stimulus without channels",
      { stim: lags(5), robs: 0, dfs: 0 },
      { stim: "float32", channels: undefined },
    ],
    ["a stored float stimulus with two channels", { stim: [0, 3], robs: 0, dfs: 0 }, { stim: "float32", channels: 2 }],
    [
      "lists of lags for behaviour and history",
      { stim: lags(3), robs: 0, dfs: 0, behavior: [0, 5, 1], history: [1, 2, 3] },
      {},
    ],
  ] satisfies [string, KeysLags, Partial<SetOptions>][])("equals SampleSet.serve() with %s", (_, keysLags, options) => {
    expectServed([sampleSet({ session: "A_1", keysLags, channels: 1, ...options })]);
  });

  test("gives a single lag a lag axis of length 1", () => {
    const set = sampleSet({ session: "A_1", keysLags: { stim: 2, robs: 0, dfs: 0 }, channels: 1 });
    scope(() => {
      const [group] = new BatchLoader([set]).load([3, 1]).groups;
      expect(group!.stimulus!.shape).toEqual([2, 1, 1, 4, 5]);
      expect(values(group!.stimulus)).toEqual(Array.from(set.serve([3, 1]).stim!.data as Float32Array));
    });
  });

  test("groups in order of first appearance and keeps batch order inside", () => {
    const keysLags = { stim: lags(2), robs: 0, dfs: 0 };
    const sets = ["A_1", "B_2"].map((session) => sampleSet({ session, keysLags }));
    const n = sets[0]!.length;
    scope(() => {
      const { groups } = new BatchLoader(sets).load([n + 4, 7, n + 1, 2]);
      expect(groups.map(({ session, indices }) => [session, ...indices])).toEqual([
        [1, 4, 1],
        [0, 7, 2],
      ]);
    });
  });

  test("gathers stimuli that lie on the device from there, and sends those that did not fit", () => {
    const sets = [
      sampleSet({ session: "A_1", keysLags: { robs: 0, stim: lags(6), dfs: 0 }, channels: 2 }),
      sampleSet({ session: "B_22", keysLags: { stim: [7, 2, 5], dfs: 0, robs: 0 }, size: 6, pixelnorm: false }),
      sampleSet({ session: "C_333", keysLags: { stim: [3, 4], dfs: 0, robs: 0 }, stim: "float32" }),
    ];
    const first = 105 * 2 * 4 * 5;
    const second = 105 * 6 * 7;
    for (const [budget, bytes] of [
      [first + second, first + second],
      [first + second - 1, first],
      [0, 0],
    ] as const) {
      const { live } = tensorStats();
      const resident = new ResidentStimuli("cpu", budget);
      expectServed(sets, { resident });
      expect(resident.bytes).toBe(bytes);
      resident.dispose();
      expect(tensorStats().live).toBe(live);
    }
  });

  test("rounds all that is served to bfloat16 when told to, exactly as the reference stores it", () => {
    const keysLags = { robs: 0, dfs: 0, stim: lags(6), behavior: 0, history: [1, 2] };
    const set = sampleSet({ session: "A_1", keysLags, channels: 2 });
    const resident = new ResidentStimuli("cpu", 1e6);
    for (const options of [{}, { decodeOn: "device" }, { resident }] as const) {
      const loader = new BatchLoader([set], { ...options, storage: "bfloat16" });
      scope(() => {
        const [group] = loader.load([3, 1, 30]).groups;
        const served = set.serve([3, 1, 30]);
        for (const key of ["robs", "dfs", "behavior", "history"] as const) {
          expect(values(group![key])).toEqual([...toFloat64(castArray(served[key]!, "bfloat16"))]);
        }
        expect(values(group!.stimulus)).toEqual([...toFloat64(castArray(served.stim!, "bfloat16"))]);
      });
      loader.dispose();
    }
    resident.dispose();
  });

  test("keeps one copy of a stimulus that two loaders share", () => {
    const set = sampleSet({ session: "A_1", keysLags: { robs: 0, stim: lags(6), dfs: 0 } });
    const resident = new ResidentStimuli("cpu", 1e6);
    new BatchLoader([set], { resident });
    new BatchLoader([set.subset([3, 1, 4])], { resident });
    expect(resident.bytes).toBe(105 * 4 * 5);
    resident.dispose();
  });

  test("leaves the stimulus out when asked to, and then does not need it served", () => {
    const set = sampleSet({ session: "A_1", keysLags: { robs: 0, dfs: 0, behavior: 0 } });
    scope(() => {
      const [group] = new BatchLoader([set], { withStimulus: false }).load([0]).groups;
      expect(group!.stimulus).toBeNull();
      expect(group!.behavior!.shape).toEqual([1, 5]);
    });
  });

  test("keeps the number of live tensors flat", () => {
    const loader = new BatchLoader([sampleSet({ session: "A_1", keysLags: { stim: lags(4), robs: 0, dfs: 0 } })]);
    scope(() => loader.load([1, 2, 3]).size);
    const { live } = tensorStats();
    for (let i = 0; i < 20; i++) scope(() => loader.load([i, i + 1, i + 2]).size);
    expect(tensorStats().live).toBe(live);
    loader.dispose();
    expect(tensorStats().live).toBe(live - 1);
  });

  test("refuses samples that do not exist", () => {
    const set = sampleSet({ session: "A_1", keysLags: { stim: 0, robs: 0, dfs: 0 } });
    expect(() => new BatchLoader([set]).load([set.length])).toThrow(RangeError);
  });
});

describe("new BatchLoader()", () => {
  test.each([
    [{ robs: 0, stim: 0 }, 'keys_lags has no "dfs"'],
    [{ robs: 0, dfs: 0 }, 'keys_lags has no "stim"'],
    [{ robs: [0, 1], dfs: 0, stim: 0 }, "keys_lags.robs is a list"],
  ] satisfies [KeysLags, string][])("refuses %j", (keysLags, message) => {
    const set = sampleSet({ session: "A_1", keysLags });
    expect(() => new BatchLoader([set])).toThrow(UserError);
    expect(() => new BatchLoader([set])).toThrow(`Cannot load session "A_1": ${message}`);
  });
});

describe("deviceBudget()", () => {
  test.each([
    ["cuda:0", "auto", 100, 50],
    ["cuda:0", "auto", null, 4 * 2 ** 30],
    ["cpu", "auto", null, 0],
    ["cuda:0", "never", 100, 0],
    ["cpu", "always", null, Number.POSITIVE_INFINITY],
    ["cpu", 7, null, 7],
  ] as const)("on %s with %s and %s bytes free is %s", (device, choice, free, bytes) => {
    expect(deviceBudget(device, choice, free)).toBe(bytes);
  });
});
