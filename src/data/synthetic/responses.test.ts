import { describe, expect, test } from "vitest";
import { unitDrive as bankDrive, filterBank } from "./filter-bank.ts";
import { greyLevel } from "./images.ts";
import { drawUnits, type PlantedUnit, spatialFilters, temporalKernel } from "./neurons.ts";
import { Random } from "./random.ts";
import { expectedCounts, saccadicCourse, withCalibratedGains } from "./responses.ts";

const layout = { size: 21, ppd: 16, rateHz: 240 };
const [simple, complex] = drawUnits(new Random(5), { units: 2, rfSpreadDeg: 0.1 }) as [PlantedUnit, PlantedUnit];

const unitDrive = (units: PlantedUnit[], stim: Uint8Array) => bankDrive(filterBank(units, layout), stim);

/** A standing grating of the unit's own frequency, [frames, size, size]. */
function grating(unit: PlantedUnit, phaseDeg: number, orientation = unit.orientation, frames = 40): Uint8Array {
  const { size, ppd } = layout;
  const stim = new Uint8Array(frames * size * size);
  const centre = Math.floor(size / 2);
  const angle = (orientation * Math.PI) / 180;
  for (let i = 0; i < stim.length; i++) {
    const x = ((i % size) - centre) / ppd - unit.x;
    const y = (centre - (Math.floor(i / size) % size)) / ppd - unit.y;
    const along = x * Math.cos(angle) + y * Math.sin(angle);
    stim[i] = greyLevel(0.5 * Math.cos(2 * Math.PI * unit.sf * along + (phaseDeg * Math.PI) / 180));
  }
  return stim;
}
const PHASES = [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330];
/** Largest drive over the trial, for every phase. */
const phaseTuning = (unit: PlantedUnit) => PHASES.map((phase) => Math.max(...unitDrive([unit], grating(unit, phase))));

describe("drawUnits()", () => {
  const units = drawUnits(new Random(6), { units: 200, rfSpreadDeg: 0.3 });

  test("plants mean rates of 5 to 40 Hz and centres inside the spread", () => {
    for (const unit of units) {
      expect(unit.mean_rate).toBeGreaterThanOrEqual(5);
      expect(unit.mean_rate).toBeLessThanOrEqual(40);
      expect(Math.max(Math.abs(unit.x), Math.abs(unit.y))).toBeLessThanOrEqual(0.3);
    }
  });

  test("keeps the first units when more are asked for", () => {
    expect(drawUnits(new Random(6), { units: 5, rfSpreadDeg: 0.3 })).toEqual(units.slice(0, 5));
  });

  test("switches normalisation and saccadic modulation off", () => {
    const options = { units: 3, rfSpreadDeg: 0.3, normalization: false, saccadeModulation: 0 };
    for (const unit of drawUnits(new Random(6), options)) {
      expect(unit.semisaturation).toBeNull();
      expect(unit.saccade_modulation).toBe(0);
    }
  });
});

describe("temporalKernel()", () => {
  test("rises after the latency, peaks within 25 to 60 ms and is over after 100 ms", () => {
    for (const unit of drawUnits(new Random(6), { units: 50, rfSpreadDeg: 0.3 })) {
      const kernel = temporalKernel(unit, 240);
      const peakMs = (kernel.indexOf(Math.max(...kernel)) / 240) * 1000;
      expect(kernel.length).toBe(24);
      expect(kernel[0]).toBe(0);
      expect(peakMs).toBeGreaterThan(20);
      expect(peakMs).toBeLessThan(60);
      expect(Math.abs(kernel[23]!)).toBeLessThan(0.1 * Math.max(...kernel));
    }
  });

  test("turns negative after the peak when biphasic, never when not", () => {
    expect(Math.min(...temporalKernel({ ...simple, biphasic: 0.8 }, 240))).toBeLessThan(-0.01);
    expect(Math.min(...temporalKernel({ ...simple, biphasic: 0 }, 240))).toBe(0);
  });
});

describe("spatialFilters()", () => {
  test("ignores luminance and weighs contrast by a total of one", () => {
    for (const filter of [...spatialFilters(simple, 21, 16), ...spatialFilters(complex, 21, 16)]) {
      expect(filter.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 5);
      expect(filter.reduce((sum, value) => sum + Math.abs(value), 0)).toBeCloseTo(1, 5);
    }
  });
});

describe("unitDrive()", () => {
  test("of a complex cell does not depend on phase", () => {
    const tuning = phaseTuning(complex);
    expect(Math.min(...tuning) / Math.max(...tuning)).toBeGreaterThan(0.9);
  });

  test("of a simple cell peaks at its phase and vanishes at the opposite one", () => {
    // With a sustained kernel a standing grating of the wrong sign never drives the cell, not even at its offset.
    const tuning = phaseTuning({ ...simple, biphasic: 0 });
    const best = PHASES[tuning.indexOf(Math.max(...tuning))]!;
    const apart = Math.abs(((best - simple.phase + 540) % 360) - 180);
    expect(apart).toBeLessThanOrEqual(20);
    expect(Math.min(...tuning)).toBe(0);
  });

  test.each([simple, complex])("prefers the planted orientation ($kind)", (unit) => {
    const best = (orientation: number) =>
      Math.max(...PHASES.map((phase) => Math.max(...unitDrive([unit], grating(unit, phase, orientation)))));
    expect(best(unit.orientation)).toBeGreaterThan(2 * best(unit.orientation + 45));
    expect(best(unit.orientation)).toBeGreaterThan(5 * best(unit.orientation + 90));
  });

  test("grows less than in proportion to contrast with normalisation", () => {
    const faint = grating(simple, simple.phase).map((grey) => 127 + Math.round((grey - 127) / 2));
    const ratio = (unit: PlantedUnit) =>
      Math.max(...unitDrive([unit], grating(simple, simple.phase))) / Math.max(...unitDrive([unit], faint));
    expect(ratio({ ...simple, semisaturation: null })).toBeCloseTo(2 ** simple.exponent, 1);
    expect(ratio(simple)).toBeLessThan(0.8 * 2 ** simple.exponent);
  });

  test("gives several units what each gets alone", () => {
    const stim = grating(simple, 45);
    const both = unitDrive([simple, complex], stim);
    expect(both.filter((_, i) => i % 2 === 0)).toEqual(unitDrive([simple], stim));
    expect(both.filter((_, i) => i % 2 === 1)).toEqual(unitDrive([complex], stim));
  });
});

describe("withCalibratedGains()", () => {
  test("gives every unit its planted mean rate", () => {
    const random = new Random(8);
    const drives = [300, 200].map((frames) => Float32Array.from({ length: 2 * frames }, () => random.uniform() ** 3));
    const units = withCalibratedGains([simple, complex], drives, 240);
    units.forEach((unit, n) => {
      const counts = drives.flatMap((drive) => [
        ...expectedCounts(units, drive, new Float32Array(drive.length / 2), 240),
      ]);
      const own = counts.filter((_, i) => i % 2 === n);
      expect((240 * own.reduce((sum, value) => sum + value, 0)) / own.length / unit.mean_rate).toBeCloseTo(1, 4);
    });
  });
});

describe("expectedCounts() with adaptation", () => {
  const adapting: PlantedUnit = { ...simple, adaptation: 1, adaptation_ms: 300, gain: 1, saccade_modulation: 0 };
  const frames = 960;
  const drive = new Float32Array(frames).fill(adapting.mean_rate);
  const evoked = (unit: PlantedUnit, from: Float32Array) =>
    expectedCounts([unit], from, new Float32Array(from.length), 240).map((count) => 240 * count - unit.baseline);

  test("lowers the response to a sustained stimulus, over its time constant and to the stated level", () => {
    const rates = evoked(adapting, drive);
    const full = evoked({ ...adapting, adaptation: 0 }, drive)[0]!;
    expect(rates[0]).toBeCloseTo(full, 3);
    // In the steady state r·(1 + r/mean_rate) is the unadapted rate.
    const settled = rates[frames - 1]!;
    expect(settled * (1 + settled / adapting.mean_rate)).toBeCloseTo(full, 2);
    expect(settled / full).toBeLessThan(0.75);
    const halfway = rates.findIndex((rate) => rate < (full + settled) / 2);
    expect(halfway / 240).toBeGreaterThan(0.05);
    expect(halfway / 240).toBeLessThan(0.3);
  });

  test("recovers in a pause", () => {
    const paused = drive.map((value, t) => (t >= 480 && t < 720 ? 0 : value));
    const rates = evoked(adapting, paused);
    expect(rates[720]! / rates[479]!).toBeGreaterThan(1.2);
  });

  test("keeps the planted mean rate", () => {
    const random = new Random(9);
    const drives = [Float32Array.from({ length: 2000 }, () => random.uniform() ** 3)];
    const units = withCalibratedGains([{ ...adapting }], drives, 240);
    const counts = expectedCounts(units, drives[0]!, new Float32Array(2000), 240);
    expect((240 * counts.reduce((sum, value) => sum + value, 0)) / 2000 / adapting.mean_rate).toBeCloseTo(1, 4);
  });
});

describe("saccadicCourse()", () => {
  const saccade = { onset: 10, duration: 0.03, from: [0, 0], to: [3, 0], peakSpeed: 200 } as const;
  const course = saccadicCourse([saccade], 100, 240);

  test("suppresses about 45 ms after the onset and rebounds about 110 ms after it", () => {
    expect(course.slice(0, 10).every((value) => value === 0)).toBe(true);
    expect(course[10 + 11]!).toBeLessThan(-0.9);
    expect(course[10 + 26]!).toBeGreaterThan(0.7);
  });

  test("is weaker for microsaccades", () => {
    const micro = saccadicCourse([{ ...saccade, to: [0.2, 0] }], 100, 240);
    expect(Math.min(...micro)).toBeGreaterThan(0.5 * Math.min(...course));
  });
});

describe("expectedCounts()", () => {
  test("stays positive without drive and under the deepest suppression", () => {
    const unit = { ...simple, saccade_modulation: 1 };
    const counts = expectedCounts([unit], new Float32Array(3), new Float32Array([0, -2, 1]), 240);
    expect(counts[0]).toBeCloseTo(unit.baseline / 240, 6);
    expect(counts[1]).toBeCloseTo((0.2 * unit.baseline) / 240, 6);
    expect(counts[2]).toBeCloseTo((2 * unit.baseline) / 240, 6);
  });
});
