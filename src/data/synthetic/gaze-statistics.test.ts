import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { toFloat64 } from "../../formats/array.ts";
import { openNpz } from "../../formats/npz.ts";
import { eyeTrace } from "./eye-traces.ts";
import { measuredGaze } from "./eye-tracker.ts";
import { gazeStatistics } from "./gaze-statistics.ts";
import { GAZE_STYLES, type GazeStyle } from "./gaze-styles.ts";
import { Random } from "./random.ts";

/**
 * Statistics of 1059 fixational traces of two marmosets (github.com/decrow3/VisionCore, eye_traces.npz, MIT licence), and
 * how far the synthetic medians may be from them, as a share.
 */
const RECORDED: Record<string, readonly [value: number, tolerance: number]> = {
  "rms, deg": [0.1112, 0.2],
  "path length per second, deg/s": [6.525, 0.1],
  "velocity rms, deg/s": [9.273, 0.15],
  "squared displacement over 8 ms, deg²": [0.005972, 0.2],
  "squared displacement over 17 ms, deg²": [0.006678, 0.25],
  "squared displacement over 33 ms, deg²": [0.009446, 0.25],
  "squared displacement over 100 ms, deg²": [0.01587, 0.2],
  "squared displacement over 200 ms, deg²": [0.02538, 0.2],
  "squared displacement over 400 ms, deg²": [0.04198, 0.25],
  "squared displacement over 800 ms, deg²": [0.08981, 0.25],
  "power at 0.9 Hz, deg²/Hz": [0.00723, 0.3],
  "power at 3.8 Hz, deg²/Hz": [0.0004161, 0.4],
  "power at 15.0 Hz, deg²/Hz": [0.00005419, 0.6],
  "power at 30.0 Hz, deg²/Hz": [0.00002835, 0.65],
  "power at 54.4 Hz, deg²/Hz": [0.00004155, 0.3],
  "microsaccades per second": [0.7843, 0.2],
  "microsaccade amplitude, deg": [0.4534, 0.2],
  "microsaccade peak speed, deg/s": [25.47, 0.15],
  "main sequence: exponent": [0.7248, 0.15],
  "main sequence: correlation of logs": [0.8242, 0.15],
};

/** Traces as recorded ones were chosen: fixation within 1° of the centre, at 120 Hz. */
function syntheticTraces(samples: readonly number[], style: GazeStyle): Float64Array[] {
  return samples.map((count, i) => {
    for (let attempt = 0; ; attempt++) {
      const random = new Random(1).stream(i, attempt);
      const options = { mode: "fixation", frames: 2 * count, rateHz: 240, fieldDeg: 5, style } as const;
      const trace = eyeTrace(random.stream("gaze"), options);
      const { tracker } = style;
      const gaze = tracker === null ? trace.gaze : measuredGaze(random.stream("tracker"), trace, 240, tracker);
      // Down-sampling to 120 Hz averages pairs of frames.
      const halved = Float64Array.from({ length: 2 * count }, (_, k) => {
        const at = 4 * (k >> 1) + (k & 1);
        return (gaze[at]! + gaze[at + 2]!) / 2;
      });
      const isCentral = halved.every((_, k) => k % 2 === 1 || Math.hypot(halved[k]!, halved[k + 1]!) < 1);
      if (isCentral) return halved;
    }
  });
}

/** The statistics that are further from those wanted than their tolerance. */
function farOff(found: Record<string, number>, wanted: Record<string, number>): string[] {
  return Object.entries(RECORDED).flatMap(([name, [, tolerance]]) => {
    const ratio = found[name]! / wanted[name]!;
    return Math.abs(ratio - 1) <= tolerance ? [] : [`${name}: ${ratio.toFixed(2)} of what was recorded`];
  });
}

const recordedMedians = Object.fromEntries(Object.entries(RECORDED).map(([name, [value]]) => [name, value]));

describe("gazeStatistics()", () => {
  // Lengths of recorded traces: 60 to 540 samples, 176 in the median.
  const random = new Random(2);
  const samples = Array.from({ length: 600 }, () =>
    Math.round(Math.max(60, Math.min(540, random.logNormal(185, 0.55)))),
  );

  test("of the marmoset style are those of recorded marmosets", () => {
    expect(farOff(gazeStatistics(syntheticTraces(samples, GAZE_STYLES.marmoset)), recordedMedians)).toEqual([]);
  });

  test("tell the ideal style from recorded gaze", () => {
    const ideal = gazeStatistics(syntheticTraces(samples.slice(0, 200), GAZE_STYLES.ideal));
    expect(farOff(ideal, recordedMedians).length).toBeGreaterThan(5);
  });

  test("of a straight line are known", () => {
    const line = Float64Array.from({ length: 400 }, (_, k) => (k % 2 === 0 ? 0.01 * (k / 2) : 0));
    const found = gazeStatistics([line]);
    expect(found["path length per second, deg/s"]).toBeCloseTo(1.2, 9);
    expect(found["velocity rms, deg/s"]).toBeCloseTo(1.2, 9);
    expect(found["squared displacement over 100 ms, deg²"]).toBeCloseTo(0.12 ** 2, 9);
    expect(found["microsaccades per second"]).toBe(0);
    // Uniform over a length of 2, on one of two axes.
    expect(found["rms, deg"]).toBeCloseTo(2 / Math.sqrt(24), 3);
  });
});

describe("recorded traces", () => {
  const root = process.env.VISIONCORE_REALDATA ?? resolve(import.meta.dirname, "../../../../shared/realdata");
  const path = join(root, "marmoset_fixational_eye_traces/eye_traces.npz");
  const isPresent = existsSync(path);
  if (!isPresent) console.info(`Skipped: there are no recorded eye traces (set VISIONCORE_REALDATA to their folder)`);

  test.skipIf(!isPresent)("have the statistics stated here, and synthetic ones of their lengths come close", () => {
    const archive = openNpz(path);
    const durations = [...toFloat64(archive.read("durations"))];
    const all = toFloat64(archive.read("traces"));
    archive.close();
    const longest = all.length / durations.length;
    const traces = durations.map((count, i) => all.slice(i * longest, i * longest + 2 * count));
    const recorded = gazeStatistics(traces);
    for (const [name, [value]] of Object.entries(RECORDED)) expect(recorded[name]! / value).toBeCloseTo(1, 3);
    expect(farOff(gazeStatistics(syntheticTraces(durations, GAZE_STYLES.marmoset)), recorded)).toEqual([]);
  });
});
