import { describe, expect, test } from "vitest";
import { Curriculum, frameContrasts, relativeContrasts, sampleContrasts } from "./curriculum.ts";
import { MersenneTwister } from "./random.ts";
import { Recording } from "./recording.ts";
import { SampleSet } from "./samples.ts";

function curriculum(contrasts: number[], floor = 0.05): Curriculum {
  return new Curriculum(Float32Array.from(contrasts), { warmupSteps: 100, floor });
}

describe("Curriculum", () => {
  test("weighs by contrast, between the floor and 1, and more as it warms up", () => {
    const made = curriculum([0, 0.5, 1, 3]);
    const weights = (progress: number) => [0, 1, 2, 3].map((sample) => made.weight(sample, progress));
    expect(weights(0)).toEqual([0.05, 0.25, 0.5, 1]);
    expect(weights(0.5)).toEqual([0.05, 0.375, 0.75, 1]);
    expect([0, 50, 100, 5000].map((batch) => made.progress(batch))).toEqual([0, 0.5, 1, 1]);
  });

  test("counts optimiser steps when gradients are accumulated", () => {
    const made = new Curriculum(new Float32Array(1), { warmupSteps: 100, floor: 0.1, batchesPerStep: 4 });
    expect(made.progress(200)).toBe(0.5);
  });

  test("draws in proportion to the weights", () => {
    const made = curriculum([9, 0, 0.3, 0.9, 1.4, 2.2, 0.05, 1]);
    const generator = new MersenneTwister(4);
    // Samples 1 to 7, as of a session in the middle.
    const weights = [1, 2, 3, 4, 5, 6, 7].map((sample) => made.weight(sample, 0.3));
    const total = weights.reduce((sum, weight) => sum + weight);
    const counts = new Map<number, number>();
    const draws = 20_000;
    for (let i = 0; i < draws; i++) {
      const sample = made.draw(generator, 1, 8, 0.3);
      counts.set(sample, (counts.get(sample) ?? 0) + 1);
    }
    const chi2 = weights.reduce((sum, weight, i) => {
      const expected = (draws * weight) / total;
      return sum + ((counts.get(i + 1) ?? 0) - expected) ** 2 / expected;
    }, 0);
    // 22.46 is the 99.9th percentile for 6 degrees of freedom.
    expect(chi2).toBeLessThan(22.46);
  });

  test("refuses floors and warm-ups that mean nothing", () => {
    expect(() => curriculum([1], 0)).toThrow("curriculum floor of 0");
    expect(() => curriculum([1], 1.5)).toThrow("floor of 1.5");
    expect(() => new Curriculum(new Float32Array(1), { warmupSteps: 0, floor: 0.1 })).toThrow("0 steps");
  });
});

describe("frameContrasts()", () => {
  test("is the standard deviation over all pixels and channels of a frame", () => {
    const stim = Uint8Array.from([0, 255, 0, 255, 7, 7, 7, 7, 1, 2, 3, 4]);
    const contrasts = frameContrasts({ stim, frames: 3, type: "noise" }, "A_1");
    expect(contrasts[0]).toBeCloseTo(255 / Math.sqrt(3), 4);
    expect(contrasts[1]).toBe(0);
    expect(contrasts[2]).toBeCloseTo(Math.sqrt(5 / 3), 6);
  });

  test("refuses a recording without a stimulus", () => {
    expect(() => frameContrasts({ stim: undefined, frames: 3, type: "noise" }, "A_1")).toThrow(
      'session "A_1", type "noise" serves no stimulus',
    );
  });

  test("gives blank frames none, whatever their level", () => {
    const stim = Float32Array.of(0.1, 0.1, 0.1, -0.3, -0.3, -0.3);
    for (const contrast of frameContrasts({ stim, frames: 2, type: "noise" }, "A_1"))
      expect(contrast).toBeLessThan(1e-7);
  });

  test("names the first frame with pixels that are not finite", () => {
    const stim = Float32Array.of(1, 2, 3, Number.NaN, Number.POSITIVE_INFINITY, 1);
    expect(() => frameContrasts({ stim, frames: 3, type: "noise" }, "A_1")).toThrow(
      'session "A_1", type "noise", frame 1 has pixels that are not finite',
    );
  });
});

describe("relativeContrasts()", () => {
  test("divides by the lower median over all sessions", () => {
    const contrasts = [[Float32Array.of(1, 2)], [Float32Array.of(4, 8)]];
    expect(
      relativeContrasts(contrasts)
        .flat()
        .map((part) => [...part]),
    ).toEqual([
      [0.5, 1],
      [2, 4],
    ]);
  });

  test("refuses stimuli that are blank most of the time", () => {
    expect(() => relativeContrasts([[Float32Array.of(0, 0, 3)]])).toThrow("at least half of all frames are blank");
  });
});

describe("sampleContrasts()", () => {
  /** Frame t alternates between 0 and t: contrasts are 0, 1, … 5 times that of frame 1; the lower median is frame 2's. */
  function samples(session: string, frames: number[], dtype: "uint8" | "float32" = "uint8"): SampleSet {
    const levels = Uint8Array.from({ length: 6 * 4 }, (_, i) => (i % 2) * Math.floor(i / 4));
    const stim = dtype === "uint8" ? levels : Float32Array.from(levels);
    const recording = new Recording("noise", [
      ["stim", { dtype, shape: [6, 2, 2], data: stim }],
      ["robs", { dtype: "float32", shape: [6, 1], data: new Float32Array(6) }],
      ["dfs", { dtype: "float32", shape: [6, 1], data: new Float32Array(6).fill(1) }],
    ]);
    return new SampleSet({
      session,
      recordings: [recording],
      recordingOf: new Int32Array(frames.length),
      frameOf: Int32Array.from(frames),
      keysLags: { robs: 0, dfs: 0, stim: [0, 1] },
      pixelnorm: true,
    });
  }

  test("looks up each sample's own frame, sessions one after the other", () => {
    expect([...sampleContrasts([samples("A_1", [5, 2, 4]), samples("B_1", [3])])]).toEqual([2.5, 1, 2, 1.5]);
  });

  test("is the same for a stimulus stored as float32", () => {
    expect([...sampleContrasts([samples("A_1", [5, 2, 4], "float32")])]).toEqual([2.5, 1, 2]);
  });

  test("refuses sessions whose contrasts do not compare", () => {
    expect(() => sampleContrasts([samples("A_1", [5]), samples("B_1", [5], "float32")])).toThrow(
      'the stimulus of session "A_1" is uint8, that of "B_1" float32, so their contrasts do not compare',
    );
  });
});
