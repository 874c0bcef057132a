import { describe, expect, test } from "vitest";
import { Curriculum, frameContrasts, relativeContrasts, sampleContrasts } from "./curriculum.ts";
import { MersenneTwister } from "./random.ts";
import { Recording } from "./recording.ts";
import { SampleSet } from "./samples.ts";

function curriculum(contrasts: number[], floor = 0.05): Curriculum {
  return new Curriculum(Float32Array.from(contrasts), { warmupSteps: 100, floor });
}

describe("Curriculum", () => {
  test("weighs by contrast, up to 1 and from the floor, and less as it warms up", () => {
    const { weight } = { weight: (sample: number, progress: number) => made.weight(sample, progress) };
    const made = curriculum([0, 0.5, 1, 3]);
    expect([0, 1, 2, 3].map((sample) => weight(sample, 0))).toEqual([0.05, 0.25, 0.5, 1]);
    expect([0, 1, 2, 3].map((sample) => weight(sample, 0.5))).toEqual([0.05, 0.375, 0.75, 1]);
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
  test("looks up each sample's own frame", () => {
    // Frame t alternates between 0 and t.
    const stim = Uint8Array.from({ length: 6 * 4 }, (_, i) => (i % 2) * Math.floor(i / 4));
    const column = (dtype: "uint8" | "float32", shape: number[], data: Uint8Array | Float32Array) =>
      ({ dtype, shape, data }) as const;
    const recording = new Recording("noise", [
      ["stim", column("uint8", [6, 2, 2], stim)],
      ["robs", column("float32", [6, 1], new Float32Array(6))],
      ["dfs", column("float32", [6, 1], new Float32Array(6).fill(1))],
    ]);
    const set = new SampleSet({
      session: "A_1",
      recordings: [recording],
      recordingOf: new Int32Array(3),
      frameOf: Int32Array.of(5, 2, 4),
      keysLags: { robs: 0, dfs: 0, stim: [0, 1] },
      pixelnorm: true,
    });
    // Contrasts are 0, 1, … 5 times that of frame 1; the lower median is frame 2's.
    expect([...sampleContrasts([set])]).toEqual([2.5, 1, 2]);
  });
});
