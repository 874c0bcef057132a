import { describe, expect, test } from "vitest";
import { type EyeTrace, eyeTrace, type GazeMode, type Saccade } from "./eye-traces.ts";
import { Random } from "./random.ts";

const RATE_HZ = 240;
const FIELD_DEG = 5;
const trace = (mode: GazeMode, seconds: number, seed = 1): EyeTrace =>
  eyeTrace(new Random(seed), { mode, frames: seconds * RATE_HZ, rateHz: RATE_HZ, fieldDeg: FIELD_DEG });
const amplitude = ({ from, to }: Saccade) => Math.hypot(to[0] - from[0], to[1] - from[1]);
const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Speed in degrees per second between consecutive samples. */
function speeds({ gaze }: EyeTrace): number[] {
  return Array.from(
    { length: gaze.length / 2 - 1 },
    (_, t) => Math.hypot(gaze[2 * t + 2]! - gaze[2 * t]!, gaze[2 * t + 3]! - gaze[2 * t + 1]!) * RATE_HZ,
  );
}

describe("eyeTrace()", () => {
  const free = trace("free-viewing", 120);
  const fixation = trace("fixation", 120);

  test("repeats for equal seeds only", () => {
    expect(trace("free-viewing", 2).gaze).toEqual(trace("free-viewing", 2).gaze);
    expect(trace("free-viewing", 2).gaze).not.toEqual(trace("free-viewing", 2, 2).gaze);
  });

  test("explores the field in free viewing and stays near the centre in fixation", () => {
    const reach = (gaze: Float64Array) => gaze.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    expect(reach(free.gaze)).toBeGreaterThan(4);
    expect(reach(free.gaze)).toBeLessThan(FIELD_DEG + 0.5);
    expect(reach(fixation.gaze)).toBeLessThan(1);
  });

  test("makes 2.5 to 4.5 saccades per second in free viewing and 1 to 2.5 in fixation", () => {
    expect(free.saccades.length / 120).toBeGreaterThan(2.5);
    expect(free.saccades.length / 120).toBeLessThan(4.5);
    expect(fixation.saccades.length / 120).toBeGreaterThan(1);
    expect(fixation.saccades.length / 120).toBeLessThan(2.5);
  });

  test("fixates for 0.1 to 1 s, about a quarter second in the median", () => {
    const durations = free.saccades
      .slice(1)
      .map(({ onset }, i) => (onset - free.saccades[i]!.onset) / RATE_HZ - free.saccades[i]!.duration);
    expect(Math.min(...durations)).toBeGreaterThan(0.09);
    expect(Math.max(...durations)).toBeLessThan(1.01);
    expect(median(durations)).toBeGreaterThan(0.2);
    expect(median(durations)).toBeLessThan(0.35);
  });

  test("makes microsaccades of a fraction of a degree in fixation", () => {
    expect(median(fixation.saccades.map(amplitude))).toBeGreaterThan(0.15);
    expect(median(fixation.saccades.map(amplitude))).toBeLessThan(0.4);
  });

  test("follows the main sequence: speed and duration grow with amplitude, speed less than in proportion", () => {
    const near = (degrees: number) =>
      free.saccades.filter((saccade) => Math.abs(amplitude(saccade) / degrees - 1) < 0.3);
    const speed = (degrees: number) => median(near(degrees).map(({ peakSpeed }) => peakSpeed));
    const duration = (degrees: number) => median(near(degrees).map((saccade) => saccade.duration));
    expect(speed(1)).toBeGreaterThan(60);
    expect(speed(1)).toBeLessThan(110);
    expect(speed(5)).toBeGreaterThan(220);
    expect(speed(5)).toBeLessThan(400);
    expect(speed(5) / speed(1)).toBeLessThan(5);
    expect(duration(1)).toBeLessThan(duration(5));
    expect(duration(5)).toBeLessThan(0.045);
  });

  test("moves fast only during the saccades it lists, and drifts slowly otherwise", () => {
    const speed = speeds(free);
    const moving = new Uint8Array(speed.length);
    for (const { onset, duration } of free.saccades) moving.fill(1, onset, onset + Math.ceil(duration * RATE_HZ));
    // A saccade cut off by the end of the trace is not listed.
    const last = free.saccades.at(-1)!;
    const known = speed.slice(0, last.onset).filter((_, t) => !moving[t]);
    expect(Math.max(...known)).toBeLessThan(15);
    expect(median(known)).toBeLessThan(3);
    expect(median(known)).toBeGreaterThan(0.2);
  });

  test("reports the gaze at the start and end, and a peak speed the trace reaches", () => {
    const speed = speeds(free);
    for (const saccade of free.saccades.filter((candidate) => amplitude(candidate) > 2)) {
      expect(free.gaze[2 * saccade.onset]).toBe(saccade.from[0]);
      const samples = speed.slice(saccade.onset, saccade.onset + Math.ceil(saccade.duration * RATE_HZ));
      expect(Math.max(...samples) / saccade.peakSpeed).toBeGreaterThan(0.8);
      expect(Math.max(...samples) / saccade.peakSpeed).toBeLessThan(1.1);
    }
  });
});
