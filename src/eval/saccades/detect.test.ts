import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { toFloat64 } from "../../formats/array.ts";
import { openSafetensors } from "../../formats/safetensors.ts";
import { detectSaccades } from "./detect.ts";
import { type EyeTrace, pixelsToDegrees } from "./eye-speed.ts";
import { fitSpeedProfile } from "./speed-profile.ts";

const golden = openSafetensors(join(import.meta.dirname, "../../../test/fixtures/eval/saccade_detection.safetensors"));
const floats = (name: string) => toFloat64(golden.tensor(name).read());

function goldenTrace(): EyeTrace {
  const screen = { pixPerDeg: 37.5, centerPix: [960, 540] } as const;
  const position = pixelsToDegrees(floats("in.dpi_i"), floats("in.dpi_j"), screen);
  return { times: floats("in.t_ephys"), valid: floats("in.valid"), ...position };
}

/** A still eye at 500 Hz with a tremor of a thousandth of a degree, and jumps of some degrees over some time. */
function traceWith(jumps: { at: number; degrees: number; seconds?: number }[], seconds = 4): EyeTrace {
  const samples = seconds * 500;
  const times = Float64Array.from({ length: samples }, (_, i) => i / 500);
  const x = times.map((time, i) => {
    const moved = jumps.map(({ at, degrees, seconds: lasting = 0.03 }) => {
      const s = Math.min(1, Math.max(0, (time - at) / lasting));
      return degrees * s ** 3 * (10 - 15 * s + 6 * s ** 2);
    });
    return moved.reduce((sum, value) => sum + value, 0) + 0.001 * Math.sin(i * 2.1) * Math.sin(i * 0.37);
  });
  return { times, x, y: times.map((_, i) => 0.001 * Math.cos(i * 1.7)), valid: new Uint8Array(samples).fill(1) };
}

describe("pixelsToDegrees()", () => {
  test("has rows go down and columns to the right", () => {
    expect(pixelsToDegrees([0], [20], { pixPerDeg: 10, centerPix: [10, 20] })).toEqual({
      x: Float64Array.of(1),
      y: Float64Array.of(2),
    });
  });
});

describe("detectSaccades()", () => {
  test("finds the reference's saccades, and the last one", () => {
    const reference = detectSaccades(goldenTrace(), { compat: "reference" });
    expect(reference.map(({ start_idx }) => start_idx)).toEqual([...floats("out.start_idx")]);
    const all = detectSaccades(goldenTrace());
    expect(all.slice(0, -1)).toEqual(reference);
    expect(all.length).toBe(20);
  });

  test("tells where and when a saccade was", () => {
    const [saccade, ...others] = detectSaccades(traceWith([{ at: 2, degrees: 3 }]));
    expect(others).toEqual([]);
    expect(saccade!.end_x - saccade!.start_x).toBeCloseTo(3, 1);
    expect(saccade!.mu).toBeCloseTo(2.015, 2);
    expect(saccade!.start_time).toBeCloseTo(1.995, 1);
    // Of a minimum-jerk movement: 1.875 times its mean speed; smoothing takes some of it.
    expect(saccade!.A).toBeGreaterThan(120);
    expect(saccade!.A).toBeLessThan(188);
  });

  test("gives both of two joined saccades their own extent", () => {
    const found = detectSaccades(
      traceWith([
        { at: 2, degrees: 4 },
        { at: 2.035, degrees: -4 },
      ]),
    );
    expect(found.length).toBe(2);
    expect(found[0]!.end_idx).toBe(found[1]!.start_idx);
    expect(Math.sign(found[0]!.end_x - found[0]!.start_x)).toBe(1);
    expect(Math.sign(found[1]!.end_x - found[1]!.start_x)).toBe(-1);
  });

  test("leaves out what is near invalid tracking, and positions that are not known", () => {
    const trace = traceWith([
      { at: 1, degrees: 3 },
      { at: 3, degrees: 3 },
    ]);
    const valid = Uint8Array.from(trace.times, (time) => Number(!(time > 1.05 && time < 1.07)));
    expect(detectSaccades({ ...trace, valid }).map(({ mu }) => Math.round(mu!))).toEqual([3]);
    const x = trace.x.map((value, i) => (valid[i] ? value : Number.NaN));
    expect(detectSaccades({ ...trace, x }).map(({ mu }) => Math.round(mu!))).toEqual([3]);
  });

  test("finds nothing in a still, a short or an empty trace", () => {
    expect(detectSaccades(traceWith([]))).toEqual([]);
    const { times, x, y, valid } = traceWith([{ at: 0.2, degrees: 3 }]);
    const cut = (length: number) => ({
      times: times.subarray(0, length),
      x: x.subarray(0, length),
      y: y.subarray(0, length),
      valid,
    });
    expect(detectSaccades(cut(200))).toEqual([]);
    expect(detectSaccades(cut(0))).toEqual([]);
  });
});

describe("fitSpeedProfile()", () => {
  const times = Float64Array.from({ length: 40 }, (_, i) => 10 + i / 500);

  test("recovers a profile", () => {
    const truth = { mu: 10.031, A: 150, sigma1: 0.008, sigma2: 0.014, b: 5 };
    const speed = times.map(
      (t) => truth.A * Math.exp(-(((t - truth.mu) / (t < truth.mu ? truth.sigma1 : truth.sigma2)) ** 2) / 2) + truth.b,
    );
    const found = fitSpeedProfile(times, speed)!;
    for (const [key, value] of Object.entries(truth)) expect(found[key as "mu"]).toBeCloseTo(value, 6);
  });

  test("has no answer for too few samples, or values that are none", () => {
    expect(fitSpeedProfile(times.subarray(0, 4), new Float64Array(4).fill(1))).toBeUndefined();
    expect(
      fitSpeedProfile(
        times,
        times.map(() => Number.NaN),
      ),
    ).toBeUndefined();
  });
});
