import { describe, expect, test } from "vitest";
import { PRESETS, sessionSpec } from "./presets.ts";
import { STIMULUS_TYPES } from "./stimuli.ts";

const names = Array.from({ length: 30 }, (_, i) => `Synth_${i}`);
const lab = names.map((name) => sessionSpec(PRESETS.lab, name, 0));
const seconds = (spec: (typeof lab)[number]) =>
  Object.values(spec.blocks).reduce((sum, { trials, trialSeconds: [a, b] }) => sum + (trials * (a + b)) / 2, 0);

describe("sessionSpec()", () => {
  test("gives lab the size of a laboratory's data set: 23 to 181 units, about 93 in the mean, an hour", () => {
    const units = Array.from({ length: 1000 }, (_, i) => sessionSpec(PRESETS.lab, `Synth_${i}`, 1).units);
    const mean = units.reduce((sum, count) => sum + count, 0) / units.length;
    expect(mean).toBeGreaterThan(89);
    expect(mean).toBeLessThan(97);
    expect(Math.min(...units)).toBeGreaterThanOrEqual(23);
    expect(Math.max(...units)).toBeLessThanOrEqual(181);
    expect(Math.max(...units) / Math.min(...units)).toBeGreaterThan(3);
    expect(Math.max(...lab.map(seconds)) / 60).toBeCloseTo(60, 0);
    for (const spec of lab) expect(spec.cropSize).toBe(51);
    expect(PRESETS.lab.lags).toBe(33);
    expect(PRESETS.lab.sessions).toBe(30);
  });

  test("leaves out a type in some sessions of lab, backimage in none", () => {
    const lacking = (type: (typeof STIMULUS_TYPES)[number]) =>
      lab.filter((spec) => spec.blocks[type].trials === 0).length;
    expect(lacking("backimage")).toBe(0);
    const sessions = lab.filter((spec) => STIMULUS_TYPES.some((type) => spec.blocks[type].trials === 0)).length;
    expect(sessions).toBeGreaterThan(2);
    expect(sessions).toBeLessThan(20);
  });

  test("leaves tiny and demo as they are", () => {
    const { sessions: _, lags: __, ...tiny } = PRESETS.tiny;
    expect(sessionSpec(PRESETS.tiny, "a", 5)).toEqual({ ...tiny, name: "a" });
  });

  test("scales time by the number of trials and keeps what the session lacks", () => {
    const short = names.map((name) => sessionSpec(PRESETS.lab, name, 0, { minutes: 6 }));
    expect(Math.max(...short.map(seconds)) / 60).toBeCloseTo(6, 0);
    short.forEach((spec, i) => {
      for (const type of STIMULUS_TYPES) {
        expect(spec.blocks[type].trials === 0).toBe(lab[i]!.blocks[type].trials === 0);
        expect(spec.blocks[type].trialSeconds).toEqual(PRESETS.lab.blocks[type].trialSeconds);
      }
      expect(spec.units).toBe(lab[i]!.units);
    });
    const least = sessionSpec(PRESETS.demo, "a", 0, { minutes: 0.01 });
    for (const type of STIMULUS_TYPES) expect(least.blocks[type].trials).toBe(2);
  });

  test("takes units, crop and features as asked", () => {
    const spec = sessionSpec(PRESETS.lab, "a", 0, { units: 7, cropSize: 17, adaptation: 0, gaze: "ideal" });
    expect(spec).toMatchObject({ units: 7, cropSize: 17, adaptation: 0, gaze: "ideal", gainFluctuations: 0.2 });
    expect(spec.rfSpreadDeg).toBeCloseTo(0.3, 9);
  });

  test("refuses sizes that make no session", () => {
    expect(() => sessionSpec(PRESETS.tiny, "a", 0, { units: 0 })).toThrow(
      /units must be a whole number from 1 up, got 0/,
    );
    expect(() => sessionSpec(PRESETS.tiny, "a", 0, { cropSize: 4 })).toThrow(/crop size must be a whole number from 9/);
    expect(() => sessionSpec(PRESETS.tiny, "a", 0, { minutes: -1 })).toThrow(
      /minutes must be a number above 0, got -1/,
    );
  });
});
