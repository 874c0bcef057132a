import { describe, expect, test } from "vitest";
import { arrayBytes, toFloat64 } from "../../formats/array.ts";
import type { Recording } from "../recording.ts";
import { generateSession, type SyntheticSession } from "./population.ts";
import { PRESETS, type SessionSpec } from "./presets.ts";

const none = { trials: 0, trialSeconds: [1, 1] } as const;
const base: SessionSpec = { ...PRESETS.tiny, name: "Synth_features" };
const blocks = { backimage: none, gaborium: none, gratings: none, fixrsvp: none };
const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
const numbers = (one: Recording, key: string) => toFloat64(one.get(key));

/** Values of one unit per repeat, summed over its first half second: [repeats]. */
function perRepeat(one: Recording, key: string, units: number, n: number): number[] {
  const [trial, frame, values] = [numbers(one, "trial_inds"), numbers(one, "psth_inds"), numbers(one, key)];
  const sums = new Map<number, number>();
  for (let t = 0; t < trial.length; t++) {
    if (frame[t]! < 120) sums.set(trial[t]!, (sums.get(trial[t]!) ?? 0) + values[t * units + n]!);
  }
  return [...sums.values()];
}

/** Mean over units of the variance of counts about the driven expectation over that expectation, in repeats. */
function fano(session: SyntheticSession): number {
  const [one] = session.recordings as [Recording];
  const units = session.units.length;
  return mean(
    session.units.map((_, n) => {
      const [counts, driven] = [perRepeat(one, "robs", units, n), perRepeat(one, "true_rates", units, n)];
      return sum(counts.map((count, i) => (count - driven[i]!) ** 2)) / sum(driven);
    }),
  );
}

/** Mean over pairs of units of the correlation of what the stimulus does not explain. */
function noiseCorrelation(session: SyntheticSession): number {
  const [one] = session.recordings as [Recording];
  const units = session.units.length;
  const residuals = session.units.map((_, n) => {
    const [counts, driven] = [perRepeat(one, "robs", units, n), perRepeat(one, "true_rates", units, n)];
    return counts.map((count, i) => count - driven[i]!);
  });
  const pairs = residuals.flatMap((a, i) => residuals.slice(i + 1).map((b) => [a, b] as const));
  const dot = (a: readonly number[], b: readonly number[]) => sum(a.map((value, i) => value * b[i]!));
  return mean(pairs.map(([a, b]) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))));
}

describe("shared gain", () => {
  const repeats: SessionSpec = { ...base, blocks: { ...blocks, fixrsvp: { trials: 200, trialSeconds: [0.6, 0.7] } } };
  const plain = generateSession(repeats, 3);
  const shared = generateSession({ ...repeats, gainFluctuations: 0.5 }, 3);

  test("shows as noise correlations and overdispersed counts", () => {
    expect(Math.abs(noiseCorrelation(plain))).toBeLessThan(0.06);
    expect(noiseCorrelation(shared)).toBeGreaterThan(0.25);
    expect(fano(plain)).toBeGreaterThan(0.85);
    expect(fano(plain)).toBeLessThan(1.15);
    expect(fano(shared)).toBeGreaterThan(1.5);
  });

  test("leaves what the stimulus drives as it was, and stores the rest", () => {
    const [[before], [after]] = [plain.recordings, shared.recordings] as [[Recording], [Recording]];
    for (const key of ["true_rates", "stim", "eyepos"]) {
      // Comparing millions of elements one by one takes a minute.
      expect(Buffer.compare(arrayBytes(after.get(key)), arrayBytes(before.get(key))), key).toBe(0);
    }
    expect(before.has("full_rates") || before.has("shared_gain")).toBe(false);
    const [driven, full, latent] = ["true_rates", "full_rates", "shared_gain"].map((key) => numbers(after, key));
    const units = shared.units.length;
    for (let i = 0; i < full!.length; i += 997) {
      const deviation = shared.units[i % units]!.gain_fluctuation;
      const gain = Math.exp(deviation * latent![Math.floor(i / units)]! - deviation ** 2 / 2);
      expect(full![i]! / (driven![i]! * gain)).toBeCloseTo(1, 5);
    }
    const counts = numbers(after, "robs");
    expect(Math.abs(sum(counts) - sum(full!)) / Math.sqrt(sum(full!))).toBeLessThan(4);
  });
});

describe("refractoriness", () => {
  test("keeps the mean counts and lowers their variance", () => {
    const repeats: SessionSpec = { ...base, blocks: { ...blocks, fixrsvp: { trials: 200, trialSeconds: [0.6, 0.7] } } };
    const session = generateSession({ ...repeats, refractoryMs: 3, units: 4 }, 3);
    const [one] = session.recordings as [Recording];
    session.units.forEach((_, n) => {
      const own = (key: string) => numbers(one, key).filter((_value, i) => i % 4 === n);
      const expected = sum(own("true_rates"));
      expect(Math.abs(sum(own("robs")) - expected) / Math.sqrt(expected)).toBeLessThan(4);
    });
    expect(fano(session)).toBeLessThan(0.85);
  });
});

describe("gratings", () => {
  const gratings = { trials: 60, trialSeconds: [3, 4] } as const;
  const session = generateSession({ ...base, units: 4, stimPhase: true, blocks: { ...blocks, gratings } }, 5);
  const [one] = session.recordings as [Recording];
  const lag = 10;

  test("drive units most at the planted orientation", () => {
    const [ori, counts, trial] = [numbers(one, "ori"), numbers(one, "robs"), numbers(one, "trial_inds")];
    session.units.forEach((unit, n) => {
      // Twice the angle, because orientations repeat after 180 degrees.
      let [x, y] = [0, 0];
      for (let t = lag; t < ori.length; t++) {
        if (trial[t] !== trial[t - lag]) continue;
        const angle = (2 * ori[t - lag]! * Math.PI) / 180;
        x += counts[t * 4 + n]! * Math.cos(angle);
        y += counts[t * 4 + n]! * Math.sin(angle);
      }
      const preferred = (Math.atan2(y, x) * 90) / Math.PI;
      const apart = Math.abs(((preferred - unit.orientation + 270) % 180) - 90);
      expect(apart).toBeLessThan(10);
    });
  });

  test("store phases when asked, in storage order before the rates", () => {
    expect(one.keys().slice(-4)).toEqual(["sf", "ori", "stim_phase", "true_rates"]);
    expect(one.column("stim_phase")).toMatchObject({ dtype: "float32", shape: [one.length, 15, 15] });
  });
});

describe("marmoset gaze", () => {
  const backimage = { trials: 6, trialSeconds: [2, 3] } as const;
  const spec: SessionSpec = { ...base, blocks: { ...blocks, backimage } };
  const ideal = generateSession(spec, 7);
  const marmoset = generateSession({ ...spec, gaze: "marmoset" }, 7);

  test("jitters the recorded gaze, crop and region of interest together", () => {
    const [one] = marmoset.recordings as [Recording];
    const [gaze, pixel, roi] = [numbers(one, "eyepos"), numbers(one, "dpi_pix"), numbers(one, "roi")];
    for (let t = 0; t < one.length; t++) {
      expect(pixel[2 * t + 1]).toBeCloseTo((one.metadata.screen_resolution as number[])[0]! / 2 + 16 * gaze[2 * t]!, 9);
      expect(roi[4 * t]).toBe(Math.trunc(pixel[2 * t]!) - 7);
    }
    const step = (from: SyntheticSession) => {
      const x = numbers(from.recordings[0]!, "eyepos").filter((_, i) => i % 2 === 0);
      const steps = [...x.slice(1)].map((value, t) => Math.abs(value - x[t]!)).sort((a, b) => a - b);
      return steps[steps.length >> 1]!;
    };
    expect(step(marmoset)).toBeGreaterThan(3 * step(ideal));
  });
});
