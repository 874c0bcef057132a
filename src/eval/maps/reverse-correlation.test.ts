/** @file Reverse and forward correlation: by hand, against the golden data's edge rules, and on a retinal recording. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { MersenneTwister } from "../../data/random.ts";
import { UserError } from "../../errors.ts";
import { toFloat64, zerosArray } from "../../formats/array.ts";
import { readNpy } from "../../formats/npy.ts";
import { tensorStats } from "../../torch/index.ts";
import { movieOf, zScored } from "./movie.ts";
import { forwardCorrelation, reverseCorrelation, reverseCorrelationWork } from "./reverse-correlation.ts";
import { finishedInTurns } from "./work.ts";

/** Two pixels, four frames. */
const movie = movieOf({ dtype: "float32", shape: [4, 2], data: Float32Array.of(1, 0, 2, 1, 3, 0, 4, 1) });

describe("reverseCorrelation()", () => {
  test("averages the frames before spikes, weighted by their number", () => {
    const { values, shape, spikes } = reverseCorrelation({ movie, responses: [0, 0, 1, 3], units: 1, lags: [0, 1] });
    expect(shape).toEqual([1, 2, 2]);
    expect([...values]).toEqual([15 / 4, 3 / 4, 11 / 4, 1 / 4]);
    expect([...spikes]).toEqual([4, 4]);
  });

  test("squares pixels for the energy", () => {
    const { values } = reverseCorrelation({ movie, responses: [0, 0, 1, 3], units: 1, lags: [0], energy: true });
    expect([...values]).toEqual([57 / 4, 3 / 4]);
  });

  test("leaves out responses under a weight of 0, NaN included, and frames that are not asked for", () => {
    const responses = [Number.NaN, 2, 1, 3];
    const masked = reverseCorrelation({ movie, responses, units: 1, dfs: [0, 1, 1, 1], lags: [0] });
    expect(masked.values[0]).toBeCloseTo((2 * 2 + 3 + 12) / 6, 6);
    const frames = Int32Array.of(1, 2);
    const some = reverseCorrelation({ movie, responses, units: 1, dfs: [0, 1, 1, 1], lags: [0, 2], frames });
    expect([...some.values]).toEqual([7 / 3, 2 / 3, 2, 1]);
  });

  test("is NaN for a silent unit, and for a lag beyond the movie", () => {
    const { values } = reverseCorrelation({ movie, responses: [0, 1, 0, 1, 0, 1, 0, 1], units: 2, lags: [0, 4] });
    expect([...values].map(Number.isNaN)).toEqual([true, true, true, true, false, false, true, true]);
  });

  test("takes lags into the future", () => {
    const { values } = reverseCorrelation({ movie, responses: [5, 0, 0, 0], units: 1, lags: [-1] });
    expect([...values]).toEqual([2, 1]);
  });

  test("divides by the spikes of all lags in compatibility mode only (E-32)", () => {
    const input = { movie, responses: [0, 0, 1, 3], units: 1, lags: [0, 1] };
    const ours = reverseCorrelation(input).values;
    expect([...reverseCorrelation({ ...input, compat: "reference" }).values]).toEqual([...ours].map((v) => v / 2));
  });

  test("refuses arrays that do not belong together", () => {
    expect(() => reverseCorrelation({ movie, responses: [1, 2, 3], units: 1, lags: [0] })).toThrow(
      "Cannot correlate 3 responses of 1 units with 4 frames: expected 4",
    );
    expect(() => reverseCorrelation({ movie, responses: [1, 2, 3, 4], units: 1, dfs: [1, 1], lags: [0] })).toThrow(
      UserError,
    );
    const outside = { movie, responses: [1, 2, 3, 4], units: 1, lags: [0], frames: Int32Array.of(4) };
    expect(() => reverseCorrelation(outside)).toThrow("Cannot correlate with stimulus frame 4");
  });

  test("gives the same over several pieces, as grey levels and as numbers, and keeps no tensors", async () => {
    const random = new MersenneTwister(3);
    const frames = 2500;
    const bytes = new Uint8Array(frames * 6).map(() => random.next());
    const responses = Float32Array.from({ length: frames * 2 }, () => random.next() % 3);
    const levels = movieOf({ dtype: "uint8", shape: [frames, 2, 3], data: bytes }, { pixelnorm: true });
    const numbers = movieOf({
      ...zerosArray("float32", [frames, 2, 3]),
      data: Float32Array.from(bytes, (x) => (x - 127) / 255),
    });
    const { live } = tensorStats();
    const a = reverseCorrelation({ movie: levels, responses, units: 2, lags: [0, 3] }).values;
    const parts: number[] = [];
    const work = reverseCorrelationWork({ movie: numbers, responses, units: 2, lags: [0, 3] });
    const b = await finishedInTurns(work, { onProgress: (part) => parts.push(part) });
    expect(Array.from(a)).toEqual(Array.from(b.values, (value) => expect.closeTo(value, 6)));
    expect(parts).toHaveLength(3);
    const stopped = reverseCorrelationWork({ movie: numbers, responses, units: 2, lags: [0] });
    await expect(finishedInTurns(stopped, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow(
      "enough",
    );
    expect(tensorStats().live).toBe(live);
  });
});

describe("forwardCorrelation()", () => {
  test("averages the responses after a feature, per unit and weight", () => {
    const features = movieOf({ dtype: "uint8", shape: [4, 2], data: Uint8Array.of(1, 0, 0, 1, 1, 0, 0, 1) });
    const { values, shape } = forwardCorrelation({ movie: features, responses: [1, 2, 5, 4], units: 1, lags: [0, 1] });
    expect(shape).toEqual([1, 2, 2]);
    expect([...values]).toEqual([3, 3, 3, 5]);
    const masked = forwardCorrelation({
      movie: features,
      responses: [1, 2, 5, 4],
      units: 1,
      dfs: [1, 0, 1, 1],
      lags: [0],
    });
    expect([...masked.values]).toEqual([3, 4]);
  });

  test("is NaN for a feature that never occurs", () => {
    const features = movieOf({ dtype: "uint8", shape: [4, 2], data: Uint8Array.of(1, 0, 1, 0, 1, 0, 1, 0) });
    const { values } = forwardCorrelation({ movie: features, responses: [1, 2, 5, 4], units: 1, lags: [0] });
    expect([...values]).toEqual([3, Number.NaN]);
  });
});

describe("zScored()", () => {
  test("subtracts the mean and divides by the sample standard deviation", () => {
    const { mean, std } = zScored(movieOf({ dtype: "uint8", shape: [2, 2], data: Uint8Array.of(1, 2, 3, 6) }));
    expect(mean).toBe(3);
    expect(std).toBeCloseTo(Math.sqrt(14 / 3), 12);
  });

  test("refuses a constant stimulus", () => {
    const constant = movieOf({ dtype: "uint8", shape: [2, 2], data: Uint8Array.of(7, 7, 7, 7) });
    expect(() => zScored(constant)).toThrow("Cannot standardise a stimulus: all its 4 values are 7");
  });
});

const REAL_DATA = process.env.VISIONCORE_REALDATA ?? resolve(import.meta.dirname, "../../../../shared/realdata");
const RETINA = join(REAL_DATA, "rgc_uzzell2004");
const note = existsSync(RETINA) ? "" : ` (skipped: no real recordings in ${REAL_DATA}, set VISIONCORE_REALDATA)`;

test.skipIf(note !== "")(`reverseCorrelation() gives the spike-triggered averages of retinal cells${note}`, () => {
  const reference: { sta: number[][] } = JSON.parse(readFileSync(join(RETINA, "reference.json"), "utf8"));
  const stimulus = readNpy(join(RETINA, "stim.npy"));
  const counts = toFloat64(readNpy(join(RETINA, "counts.npy")));
  const lags = Array.from({ length: 25 }, (_, lag) => lag);
  // The reference takes frames before the recording as 0; so many of them make every spike count at every lag.
  const before = lags.length - 1;
  const contrast = new Float32Array(before + stimulus.data.length);
  contrast.set(stimulus.data as Float32Array, before);
  const responses = new Float64Array(before * 4 + counts.length);
  responses.set(counts, before * 4);
  const movie = movieOf({ dtype: "float32", shape: [contrast.length, 1], data: contrast });
  const { values } = reverseCorrelation({ movie, responses, units: 4, lags });
  const errors = reference.sta.flat().map((value, i) => Math.abs(value - values[i]!));
  expect(Math.max(...errors)).toBeLessThan(1e-5);
});
