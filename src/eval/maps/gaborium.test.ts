/** @file Receptive fields of planted units: found where they are, and said to be missing where they are not. */
import { beforeAll, describe, expect, test } from "vitest";
import { MersenneTwister } from "../../data/random.ts";
import { Recording } from "../../data/recording.ts";
import { SampleSet } from "../../data/samples.ts";
import type { NdArray } from "../../formats/array.ts";
import { tensorStats } from "../../torch/index.ts";
import { stillFrames } from "./fixations.ts";
import { gaboriumMaps, type MappedResponses } from "./gaborium.ts";
import { movieOf } from "./movie.ts";
import { spikeTriggeredMaps } from "./spike-triggered.ts";
import { fitWhitening } from "./whitening.ts";
import { zMaps } from "./zmaps.ts";

const FRAMES = 8000;
const [HEIGHT, WIDTH] = [9, 11];
const UNITS = 4;
const FRAME_RATE = 120;

const random = new MersenneTwister(7);
const stim = new Uint8Array(FRAMES * HEIGHT * WIDTH).map(() => random.next());

/** Drive of a Gaussian field at (x, y) by the frame shown `lag` frames earlier, about standard normal. */
function drive(t: number, lag: number, x: number, y: number): number {
  if (t < lag) return 0;
  let [sum, squares] = [0, 0];
  for (let row = 0; row < HEIGHT; row++) {
    for (let column = 0; column < WIDTH; column++) {
      const weight = Math.exp(-((column - x) ** 2 + (row - y) ** 2) / 2);
      sum += (weight * (stim[((t - lag) * HEIGHT + row) * WIDTH + column]! - 127.5)) / 73.9;
      squares += weight * weight;
    }
  }
  return sum / Math.sqrt(squares);
}

/** A linear unit, an energy unit, one that is silent, and one with three spikes. */
const rates = Float32Array.from({ length: FRAMES * UNITS }, (_, i) => {
  const t = Math.floor(i / UNITS);
  if (i % UNITS === 0) return 0.3 * Math.max(0, drive(t, 3, 7, 4));
  if (i % UNITS === 1) return 0.1 * drive(t, 5, 3, 6) ** 2;
  return 0;
});
const robs = rates.map((rate, i) =>
  i % UNITS === 3 ? Number(i < 3 * UNITS + 1000 && i >= 1000 && i % 4 === 3) : Number(random.uniform() < rate),
);

function columns(): Map<string, NdArray> {
  return new Map(
    Object.entries({
      stim: { dtype: "uint8", shape: [FRAMES, HEIGHT, WIDTH], data: stim },
      robs: { dtype: "float32", shape: [FRAMES, UNITS], data: robs },
      dfs: { dtype: "float32", shape: [FRAMES, 1], data: new Float32Array(FRAMES).fill(1) },
      dpi_valid: { dtype: "float64", shape: [FRAMES], data: new Float64Array(FRAMES).fill(1) },
      eyepos: { dtype: "float32", shape: [FRAMES, 2], data: new Float32Array(2 * FRAMES).fill(1) },
    } satisfies Record<string, NdArray>),
  );
}

function sampleSet(recording: Recording): SampleSet {
  const frameOf = Int32Array.from({ length: FRAMES - 20 }, (_, i) => i + 20);
  return new SampleSet({
    session: "Fake_2020-01-01",
    recordings: [recording],
    recordingOf: new Int32Array(frameOf.length),
    frameOf,
    keysLags: { robs: 0, stim: 0, dfs: 0 },
    pixelnorm: true,
  });
}

const set = sampleSet(new Recording("gaborium", columns(), { ppd: 10 }));
const responses: MappedResponses = {
  units: UNITS,
  robs: robs.slice(20 * UNITS),
  rates: rates.slice(20 * UNITS),
  dfs: new Float32Array((FRAMES - 20) * UNITS).fill(1),
};
const options = { frameRate: FRAME_RATE, lags: [0, 1, 2, 3, 4, 5, 6, 7] };

describe("gaboriumMaps()", () => {
  let maps: Awaited<ReturnType<typeof gaboriumMaps>>;
  let live: number;
  beforeAll(async () => {
    live = tensorStats().live;
    maps = await gaboriumMaps(set, responses, options);
  });

  test("finds lag and place of a linear unit from its average, for data and model", () => {
    const unit = maps.units[0]!;
    expect(unit).toMatchObject({ reason: null, peakLag: 3 });
    for (const { field, fieldSource, modulationIndex, snrSta } of [unit.data, unit.model!]) {
      expect(fieldSource).toBe("sta");
      expect(modulationIndex).toBeLessThan(0);
      expect(snrSta).toBeGreaterThan(5);
      expect(field.x).toBeCloseTo(7, 0);
      expect(field.y).toBeCloseTo(4, 0);
      expect(field.xDegrees).toBeCloseTo((7 - 5) / 10, 1);
      expect(field.yDegrees).toBeCloseTo(0, 1);
    }
  });

  test("finds lag and place of an energy unit from its energy", () => {
    const unit = maps.units[1]!;
    expect(unit.peakLag).toBe(5);
    expect(unit.data.fieldSource).toBe("ste");
    expect(unit.data.modulationIndex).toBeGreaterThan(0.2);
    expect(unit.data.field.x).toBeCloseTo(3, 0);
    expect(unit.data.field.y).toBeCloseTo(6, 0);
    expect(unit.data.latency.peak).toBeCloseTo((1000 * 5) / FRAME_RATE, 0);
    expect(unit.data.latency.onset).toBeCloseTo((1000 * 4.5) / FRAME_RATE, 0);
  });

  test("gives NaN and a reason where there are too few spikes", () => {
    expect(maps.units[2]).toMatchObject({ spikes: 0, reason: "no spikes", peakLag: Number.NaN });
    expect(maps.units[2]!.data.snrSta).toBeNaN();
    expect(maps.units[2]!.data.field.reason).toBe("there is no map");
    expect(maps.units[3]).toMatchObject({ spikes: 3, reason: "3 spikes, at least 50 are needed", peakLag: Number.NaN });
    expect(maps.units[3]!.data.sta.every(Number.isNaN)).toBe(true);
  });

  test("keeps no tensors", () => expect(tensorStats().live).toBe(live));

  test("gives z of the expected variance where the stimulus has no effect", () => {
    // Squares of uniform grey levels have 0.4 times the variance of squares of normal ones.
    expect(maps.units[0]!.data.profile[0]).toBeGreaterThan(0.25);
    expect(maps.units[0]!.data.profile[0]).toBeLessThan(0.55);
  });

  test("works without whitening and without predictions (E-34)", async () => {
    const { rates: _, ...observed } = responses;
    const plain = await gaboriumMaps(set, observed, { ...options, whiten: false });
    expect(plain.units[0]!.model).toBeNull();
    expect(plain.units[0]!.peakLag).toBe(3);
    expect(plain.units[0]!.data.field.x).toBeCloseTo(7, 0);
  });

  test("takes lags that do not begin with 0 (E-33)", async () => {
    const shifted = await gaboriumMaps(set, responses, { ...options, lags: [-2, -1, 0, 1, 2, 3, 4] });
    expect(shifted.units[0]!.peakLag).toBe(3);
  });

  test("says what is missing", async () => {
    const blind = new Map([...columns()].filter(([key]) => key !== "stim"));
    await expect(gaboriumMaps(set, responses, { ...options, type: "gabor" })).rejects.toThrow(
      'Cannot analyse "gabor" of session "Fake_2020-01-01": there are no samples of it',
    );
    const bare = new SampleSet({
      ...set,
      keysLags: { robs: 0, dfs: 0 },
      recordings: [new Recording("gaborium", blind)],
    });
    await expect(gaboriumMaps(bare, responses, options)).rejects.toThrow("it keeps no stimulus");
    const noGaze = new Recording(
      "gaborium",
      [...columns()].filter(([key]) => key !== "eyepos"),
    );
    await expect(gaboriumMaps(sampleSet(noGaze), responses, options)).rejects.toThrow('has no "eyepos"');
    const none = { ...responses, dfs: new Float32Array(responses.dfs.length) };
    const empty = await gaboriumMaps(set, none, options);
    expect(empty.units.every(({ reason }) => reason === "no spikes")).toBe(true);
  });
});

test("spikeTriggeredMaps() finds the lags of planted units, too small in compatibility mode only", async () => {
  const maps = await spikeTriggeredMaps(set, 0, { lags: 8 });
  expect([...maps.peakLags.subarray(0, 3)]).toEqual([3, 5, -1]);
  expect([...maps.snr.lag.subarray(1, 3)]).toEqual([5, -1]);
  expect(maps.spikes[0]).toBe(robs.filter((_, i) => i % UNITS === 0).reduce((a, b) => a + b, 0));
  const small = await spikeTriggeredMaps(set, 0, { lags: 8, compat: "reference" });
  const at = 3 * HEIGHT * WIDTH + 4 * WIDTH + 7;
  expect(maps.sta.values[at]! / small.sta.values[at]!).toBeCloseTo(8, 2);
});

describe("zMaps()", () => {
  const whitening = { mean: Float32Array.of(0), filter: Float32Array.of(1), energy: Float64Array.of(1) };
  const movie = movieOf({ dtype: "float32", shape: [4, 1], data: Float32Array.of(1, -1, 2, 0) });

  test("follows the formula", () => {
    const { data, model, samples } = zMaps({
      movie,
      whitening,
      frameOf: Int32Array.of(0, 1, 2, 3),
      robs: [9, 1, 0, 2],
      dfs: [1, 1, 1, 1],
      units: 1,
      lags: [0, 1],
    });
    // The first frame has no frame before it: three samples, effective spikes 9 / 5.
    expect(samples).toBe(3);
    expect(model).toBeNull();
    const n = 9 / 5;
    expect(data.sta[0]).toBeCloseTo((-1 / 3) * Math.sqrt(n), 6);
    expect(data.sta[1]).toBeCloseTo((5 / 3) * Math.sqrt(n), 6);
    expect(data.ste[1]).toBeCloseTo((9 / 3 - 1) * Math.sqrt(n / 2), 6);
  });

  test("refuses what does not fit", () => {
    const input = { movie, whitening, frameOf: Int32Array.of(0, 1), robs: [1, 1], dfs: [1, 1], units: 1 };
    expect(() => zMaps({ ...input, lags: [9] })).toThrow("none of 2 samples has them all in a movie of 4 frames");
    expect(() => zMaps({ ...input, lags: [] })).toThrow("the list of lags is empty");
    expect(() => zMaps({ ...input, lags: [0], rates: [1] })).toThrow("rates has 1 values, expected 2");
  });
});

test("fitWhitening() makes pixels uncorrelated with the energy it states, and refuses a movie without valid frames", () => {
  const data = Float32Array.from({ length: 3000 * 2 }, (_, i) => Math.sin(i * i) + (i % 2) * Math.sin((i - 1) ** 2));
  const movie = movieOf({ dtype: "float32", shape: [3000, 2], data });
  const { mean, filter, energy } = fitWhitening(movie, new Float64Array(3000).fill(0.5), { ridge: 1e-4 });
  const [a, b, c] = [filter[0]!, filter[1]!, filter[3]!];
  let [xx, xy, yy] = [0, 0, 0];
  for (let t = 0; t < 3000; t++) {
    const [x, y] = [data[2 * t]! - mean[0]!, data[2 * t + 1]! - mean[1]!];
    const [u, v] = [a * x + b * y, b * x + c * y];
    [xx, xy, yy] = [xx + (u * u) / 3000, xy + (u * v) / 3000, yy + (v * v) / 3000];
  }
  expect(xx).toBeCloseTo(energy[0]!, 4);
  expect(yy).toBeCloseTo(energy[1]!, 4);
  expect(xy).toBeCloseTo(0, 3);
  expect(() => fitWhitening(movie, new Float64Array(3000))).toThrow("no frame is valid for any unit");
});

describe("stillFrames()", () => {
  /** Still for five frames, then 1 degree per frame. */
  const eyepos = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((t) => [Math.max(0, t - 4), 0]);

  test("takes neighbours in the recording, or in the list for compatibility", () => {
    const frames = Int32Array.of(0, 2, 3, 4, 5, 7);
    expect([...stillFrames(eyepos, frames, 120)]).toEqual([1, 1, 1, 0, 0, 0]);
    expect([...stillFrames(eyepos, Int32Array.of(0, 1, 6, 2, 3), 120, "reference")]).toEqual([1, 0, 1, 0, 1]);
  });

  test("does not count positions that are not numbers", () => {
    expect([...stillFrames([0, 0, Number.NaN, 0, 0, 0, 0, 0], Int32Array.of(0, 1, 2, 3), 120)]).toEqual([0, 1, 0, 1]);
  });
});
