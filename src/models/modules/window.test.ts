import { describe, expect, test } from "vitest";
import { support, windowMask, windowTaps } from "./window.ts";

describe("windowTaps()", () => {
  test("ends Hann windows of 5 to 64 taps in exact zeros, whatever the power", () => {
    for (let n = 5; n <= 64; n++) {
      for (const power of [1, 0.25]) {
        const taps = Float32Array.from(windowTaps(n, { type: "hann", power }));
        expect([taps[0], taps[n - 1]]).toEqual([0, 0]);
        expect(Math.min(...taps.slice(1, -1))).toBeGreaterThan(0);
      }
    }
  });

  test("clamps Blackman's negative residues, so that a fractional power is finite", () => {
    const taps = windowTaps(7, { type: "blackman", power: 0.25 });
    expect(taps.every(Number.isFinite)).toBe(true);
    expect(taps[0]).toBe(0);
  });

  test("has a peak of 1", () => {
    for (const type of ["hann", "hamming", "kaiser", "gaussian", "bartlett", "nuttall"] as const) {
      expect(Math.max(...windowTaps(8, { type }))).toBe(1);
    }
  });
});

describe("support()", () => {
  test("leaves out the zeros at both ends", () => {
    expect(support(windowTaps(9, { type: "hann" }))).toEqual({ first: 1, end: 8 });
    expect(support(windowTaps(9, { type: "hamming" }))).toEqual({ first: 0, end: 9 });
    expect(support(windowTaps(8, { type: "hann", sym: false }))).toEqual({ first: 1, end: 8 });
  });
});

describe("windowMask()", () => {
  test("leaves axes with fewer than 5 taps alone", () => {
    const mask = windowMask([3, 5, 4], { type: "hann" });
    expect(mask.shape).toEqual([1, 1, 3, 5, 4]);
    expect(mask.select(3, 2).amin().item()).toBe(1);
    mask.dispose();
  });
});
