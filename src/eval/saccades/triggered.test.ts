import { describe, expect, test } from "vitest";
import { cutWindows, type TriggeredInputs, triggeredAverages } from "./triggered.ts";

/**
 * Two trials of 20 frames at 10 ms with one unit that counts frames, predicted as twice that. Saccades start in frames 5, 15
 * and 28, 0.2 s or so apart.
 */
function inputs(changes: Partial<TriggeredInputs> = {}): TriggeredInputs {
  const frames = Int32Array.from({ length: 40 }, (_, frame) => frame);
  const robs = Float32Array.from(frames);
  return {
    units: 1,
    frames,
    robs,
    rates: robs.map((n) => 2 * n),
    dfs: robs.map(() => 1),
    eyepos: Float64Array.from({ length: 80 }, (_, i) => (i % 2 === 0 ? (i / 2) ** 2 : 0)),
    trialInds: frames.map((frame) => (frame < 20 ? 1 : 2)),
    rows: { frames: Int32Array.of(5, 15, 28), events: Int32Array.of(1, 2, 4) },
    startTimes: Float64Array.of(9, 9.2, 9.4, 9.6, 9.8),
    ...changes,
  };
}

describe("triggeredAverages()", () => {
  test("averages windows inside trials", () => {
    const found = triggeredAverages(inputs(), { window: [-2, 3] });
    expect(found).toMatchObject({ saccades: 3, bins: 5, units: 1 });
    expect([...found.events]).toEqual([1, 2, 4]);
    expect([...found.rbar]).toEqual([14, 15, 16, 17, 18]);
    expect([...found.rbarhat]).toEqual([28, 30, 32, 34, 36]);
    expect([...found.positions.subarray(0, 5)]).toEqual([3, 4, 5, 6, 7]);
    expect([...cutWindows(inputs().robs, found).subarray(5, 10)]).toEqual([13, 14, 15, 16, 17]);
    expect([...found.timePrevious, ...found.timeNext].map((time) => Number(time.toFixed(6)))).toEqual([
      0.2,
      0.2,
      0.2,
      0.2,
      0.2,
      NaN,
    ]);
    // Central differences of squares; one-sided at the ends.
    const speed = (frame: number) => [7, 8, 10, 12, 13][frame - 3]!;
    expect([...found.eyevel.subarray(0, 10)].filter((_, i) => i % 2 === 0)).toEqual([3, 4, 5, 6, 7].map(speed));
  });

  test("leaves out windows across trials or frames that were not evaluated", () => {
    expect([...triggeredAverages(inputs(), { window: [-5, 6] }).events]).toEqual([1, 4]);
    const { frames } = inputs();
    const gap = frames.filter((frame) => frame !== 6);
    expect([...triggeredAverages(inputs({ frames: gap }), { window: [-2, 3] }).events]).toEqual([2, 4]);
  });

  test("does as the reference does with compat: windows across everything, the last one lost", () => {
    const reference = { window: [-5, 12], compat: "reference", intervals: [0.05, 0.5] } as const;
    expect([...triggeredAverages(inputs(), reference).events]).toEqual([1, 2]);
    const widest = triggeredAverages(inputs(), { window: [-5, 11], compat: "reference", intervals: [0.05, 0.5] });
    expect([...widest.events]).toEqual([1, 2, 4]);
    expect([...widest.timePrevious]).toEqual([NaN, 10, 13]);
  });

  test("keeps the window that ends with its trial", () => {
    expect([...triggeredAverages(inputs(), { window: [-2, 5] }).events]).toEqual([1, 2, 4]);
  });

  test("leaves out saccades that are close to others, or alone", () => {
    const close = inputs({ startTimes: Float64Array.of(9, 9.05, 9.4, 9.6, 9.8) });
    expect([...triggeredAverages(close, { window: [-2, 3] }).events]).toEqual([2, 4]);
    const alone = inputs({ startTimes: Float64Array.of(9, 9.2, 9.4, 9.6, 11) });
    expect([...triggeredAverages(alone, { window: [-2, 3] }).events]).toEqual([1, 2]);
  });

  test("leaves out windows with unknown counts or gaze, and cells of weight 0", () => {
    const { robs, eyepos, dfs } = inputs();
    robs[4] = Number.NaN;
    expect([...triggeredAverages(inputs({ robs }), { window: [-2, 3] }).events]).toEqual([2, 4]);
    const lost = Float64Array.from(eyepos, (value, i) => (i === 2 * 28 ? Number.NaN : value));
    expect([...triggeredAverages(inputs({ eyepos: lost }), { window: [-2, 3] }).events]).toEqual([1, 2]);
    dfs[3] = 0;
    expect(triggeredAverages(inputs({ dfs }), { window: [-2, 3] }).rbar[0]).toBe((13 + 26) / 2);
    dfs.fill(0);
    expect(triggeredAverages(inputs({ dfs }), { window: [-2, 3] }).rbar.every(Number.isNaN)).toBe(true);
  });

  test("refuses a window that is none", () => {
    expect(() => triggeredAverages(inputs(), { window: [3, 3] })).toThrow(RangeError);
    expect(() => triggeredAverages(inputs(), { window: [-0.5, 3] })).toThrow("in a window from -0.5 to 3");
  });
});
