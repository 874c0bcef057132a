/** @file Tuning of planted units, and what is said where there is none. */
import { describe, expect, test } from "vitest";
import { MersenneTwister } from "../../data/random.ts";
import { Recording } from "../../data/recording.ts";
import { SampleSet } from "../../data/samples.ts";
import type { NdArray } from "../../formats/array.ts";
import type { MappedResponses } from "../maps/gaborium.ts";
import { type GratingsOptions, gratingsTuning } from "./gratings-tuning.ts";
import { phaseResponse } from "./phase.ts";
import { gratingMaps, unitTuning } from "./tuning.ts";

const FRAMES = 12_000;
const UNITS = 3;
const SFS = [1, 2, 4];
const ORIS = [0, 45, 90, 135];

const random = new MersenneTwister(11);
const pick = (values: readonly number[]) => values[random.next() % values.length]!;
const sf = Float64Array.from({ length: FRAMES }, () => pick(SFS));
const ori = Float64Array.from({ length: FRAMES }, () => pick(ORIS));
const phase = Float64Array.from({ length: FRAMES }, () => random.uniform() * 2 * Math.PI);

/** Rate of a unit that prefers 2 cycles per degree and 45 degrees: a simple cell, a complex one, a silent one. */
const rates = Float32Array.from({ length: FRAMES * UNITS }, (_, i) => {
  const unit = i % UNITS;
  const t = Math.floor(i / UNITS) - (unit === 0 ? 4 : 6);
  if (t < 0 || unit === 2) return 0;
  const tuned =
    Math.exp(-(Math.log2(sf[t]! / 2) ** 2)) * Math.exp(2 * (Math.cos((2 * (ori[t]! - 45) * Math.PI) / 180) - 1));
  return tuned * (unit === 0 ? 0.5 * (1 + Math.sin(phase[t]! + 0.7)) : 0.5);
});
const robs = rates.map((rate) => Number(random.uniform() < rate));

function columns(): Map<string, NdArray> {
  // Phase images whose middle pixel is the phase; the others are elsewhere.
  const images = Float32Array.from({ length: FRAMES * 9 }, (_, i) => (i % 9 === 4 ? phase[Math.floor(i / 9)]! : 1));
  return new Map<string, NdArray>([
    ["robs", { dtype: "float32", shape: [FRAMES, UNITS], data: robs }],
    ["dfs", { dtype: "float32", shape: [FRAMES, 1], data: new Float32Array(FRAMES).fill(1) }],
    ["sf", { dtype: "float64", shape: [FRAMES], data: sf }],
    ["ori", { dtype: "float64", shape: [FRAMES], data: ori }],
    ["stim_phase", { dtype: "float32", shape: [FRAMES, 3, 3], data: images }],
  ]);
}

function without(...keys: string[]): Map<string, NdArray> {
  return new Map([...columns()].filter(([key]) => !keys.includes(key)));
}

/** Samples in an order, and with gaps, that no lag may run across. */
const frameOf = Int32Array.from({ length: FRAMES - 30 }, (_, i) => i + 30)
  .filter((frame) => frame % 50 > 5)
  .reverse();

function sampleSet(recorded = columns()): SampleSet {
  return new SampleSet({
    session: "Fake_2020-01-01",
    recordings: [new Recording("gratings", recorded)],
    recordingOf: new Int32Array(frameOf.length),
    frameOf,
    keysLags: { robs: 0, dfs: 0 },
    pixelnorm: false,
  });
}

const rows = (values: Float32Array) =>
  Float32Array.from(
    { length: frameOf.length * UNITS },
    (_, i) => values[frameOf[Math.floor(i / UNITS)]! * UNITS + (i % UNITS)]!,
  );

const responses: MappedResponses = {
  units: UNITS,
  robs: rows(robs),
  rates: rows(rates),
  dfs: new Float32Array(frameOf.length * UNITS).fill(1),
};
const options: GratingsOptions = { frameRate: 100, lags: 12 };

describe("gratingsTuning()", () => {
  const result = gratingsTuning(sampleSet(), responses, options);

  test("finds lag, spatial frequency and orientation, by recorded frames (E-39)", () => {
    expect([...result.sfs]).toEqual(SFS);
    expect([...result.oris]).toEqual(ORIS);
    for (const [unit, lag] of [[0, 4] as const, [1, 6] as const]) {
      for (const { tuning, reason } of [result.units[unit]!.data, result.units[unit]!.model!]) {
        expect(reason).toBeNull();
        expect(tuning).toMatchObject({ peakLagIndex: lag, peakSfIndex: 1, peakOriIndex: 1 });
        expect(tuning!.peakLag / (10 * lag)).toBeCloseTo(1, 1);
        expect(tuning!.peakSf).toBeGreaterThan(1.5);
        expect(tuning!.peakSf).toBeLessThan(2.5);
        expect(Math.abs(tuning!.vectorOri - 45)).toBeLessThan(5);
        expect(tuning!.circularVariance).toBeLessThan(0.5);
      }
    }
  });

  test("tells simple from complex cells by F1/F0, and finds the phase", () => {
    const simple = result.units[0]!.data.phase.fit!;
    const complex = result.units[1]!.data.phase.fit!;
    expect(simple.f1f0).toBeGreaterThan(0.8);
    expect(simple.phase).toBeCloseTo(0.7, 0);
    expect(complex.f1f0).toBeLessThan(0.2);
    const model = result.units[0]!.model!.phase.fit!;
    expect(model.f1f0).toBeCloseTo(1, 3);
    expect(model.phase).toBeCloseTo(0.7, 3);
    expect(model.modulationIndex).toBeCloseTo(1, 3);
  });

  test("says that a unit is silent", () => {
    const { tuning, reason, phase: bins } = result.units[2]!.data;
    expect(tuning).toBeNull();
    expect(reason).toBe("no spikes");
    expect(bins.fit).toBeNull();
    expect(bins.mean.every(Number.isNaN)).toBe(true);
  });

  test("says that there are too few spikes for a sinusoid", () => {
    const { phase: bins } = gratingsTuning(sampleSet(), responses, { ...options, minSpikes: 1e4 }).units[0]!.data;
    expect(bins.fit).toBeNull();
    expect(bins.reason).toMatch(/\d+ spikes after the preferred grating, at least 10000 are needed/);
  });

  test("does without phases, and without predictions", () => {
    const { rates: _, ...observed } = responses;
    const { units } = gratingsTuning(sampleSet(without("stim_phase")), observed, options);
    expect(units[0]!.model).toBeNull();
    expect(units[0]!.data.tuning?.peakLagIndex).toBe(4);
    expect(units[0]!.data.phase.reason).toBe("the recording has no stim_phase");
  });

  test("refuses recordings without gratings", () => {
    const blind = without("sf", "ori");
    expect(() => gratingsTuning(sampleSet(blind), responses, options)).toThrow(
      'Cannot compute tuning from "gratings": it has no sf and no ori',
    );
    expect(() => gratingsTuning(sampleSet(), responses, { ...options, type: "grating" })).toThrow(
      "there are no samples of it",
    );
  });
});

describe("unitTuning()", () => {
  const shown = { sf: [1, 1, 2, 1, 1, 2], ori: [0, 90, 0, 0, 90, 0], units: 1, lags: 1, dt: 0.01 };

  test("passes over a pair that was never shown (E-37)", () => {
    const maps = gratingMaps({ ...shown, responses: [1, 3, 0, 1, 3, 0] });
    expect([...maps.rates]).toEqual([100, expect.closeTo(300, 9), 0, Number.NaN]);
    const tuning = unitTuning(maps, 0)!;
    expect(tuning).toMatchObject({ peakSf: 1, peakOri: 90, sfSnr: 0 });
    expect([...tuning.sfTuning]).toEqual([expect.closeTo(300, 9), Number.NaN]);
    expect(tuning.oriSnr).toBeCloseTo(0.5, 9);
  });

  test("takes the first of equal maxima, and skips frames without a grating", () => {
    const maps = gratingMaps({ ...shown, sf: [1, 1, 2, Number.NaN, 1, 2], responses: [2, 2, 0, 9, 2, 0] });
    expect([...maps.rates]).toEqual([200, 200, 0, Number.NaN]);
    expect(unitTuning(maps, 0)).toMatchObject({ peakSfIndex: 0, peakOriIndex: 0 });
  });

  test("is null for a unit that responds to all alike", () => {
    expect(unitTuning(gratingMaps({ ...shown, responses: [1, 1, 1, 1, 1, 1] }), 0)).toBeNull();
  });

  test("refuses what has no gratings", () => {
    const none = { ...shown, sf: shown.sf.map(() => Number.NaN), responses: [1, 1, 1, 1, 1, 1] };
    expect(() => gratingMaps(none)).toThrow("no frame shows a grating");
    expect(() => gratingMaps({ ...shown, sf: [1], responses: [1] })).toThrow(
      "1 spatial frequencies and 6 orientations",
    );
  });
});

describe("phaseResponse()", () => {
  const input = {
    sf: [1, 1, 1, 1, 2],
    ori: [0, 0, 0, 0, 0],
    responses: [9, 4, 6, 8, 2],
    units: 1,
    dfs: [1, 0, 1, 1, 1],
    lags: 2,
    dt: 0.5,
  };
  const lists = { sfs: Float64Array.of(1, 2), oris: Float64Array.of(0) };
  const tuning = { ...unitTuning(gratingMaps(input), 0)!, peakLagIndex: 1, peakSfIndex: 0, peakOriIndex: 0 };
  const phases = [1, 0, 4, -1, 1];

  test("reads validity when the unit responds (E-36), keeps phase 0, drops what is off screen", () => {
    const { mean, count, spikes, bins } = phaseResponse(input, lists, 0, tuning, { phases, bins: 2, minSpikes: 1 });
    expect([...bins]).toEqual([90, 270]);
    // Frame 0 is answered in an invalid frame; 1 has phase 0 and 6 spikes, 2 has phase 4 and 8.
    expect([...count]).toEqual([1, 1]);
    expect([...mean]).toEqual([12, 16]);
    expect(spikes).toBe(14);
  });

  test("does as the reference in compatibility mode", () => {
    const options = { phases, bins: 2, minSpikes: 1, compat: "reference" } as const;
    const { mean, spikes } = phaseResponse(input, lists, 0, tuning, options);
    // Frame 0 is valid itself; 1 is not; 2 is.
    expect([...mean]).toEqual([8, 16]);
    expect(spikes).toBe(12);
  });

  test("says why no sinusoid could be fitted", () => {
    const { fit, reason } = phaseResponse(input, lists, 0, tuning, { phases, bins: 2, minSpikes: 1 });
    expect(fit).toBeNull();
    expect(reason).toBe("Cannot fit a sinusoid to 2 points: it takes at least 3");
  });
});
