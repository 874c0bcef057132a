import { describe, expect, test } from "vitest";
import { MersenneTwister } from "../../data/random.ts";
import { receptiveField } from "./receptive-field.ts";

/** A Gaussian bump, with a carrier if it has a wavelength, on noise of one standard deviation or less. */
function bump(x: number, y: number, sigma: number, wavelength = Number.POSITIVE_INFINITY): Float64Array {
  const random = new MersenneTwister(1);
  return Float64Array.from({ length: 31 * 41 }, (_, i) => {
    const [dx, dy] = [(i % 41) - x, Math.floor(i / 41) - y];
    const noise = random.uniform() + random.uniform() - 1;
    return (
      30 * Math.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma)) * Math.cos((2 * Math.PI * dx) / wavelength) + noise
    );
  });
}

describe("receptiveField()", () => {
  test("finds centre and full width at half height, in pixels and degrees", () => {
    const field = receptiveField(bump(25.4, 9.7, 3), [31, 41], 16);
    expect(field.reason).toBeNull();
    expect(field.x).toBeCloseTo(25.4, 0);
    expect(field.y).toBeCloseTo(9.7, 0);
    expect(field.diameter / (2.355 * Math.hypot(3, 1))).toBeCloseTo(1, 1);
    expect(field.xDegrees).toBeCloseTo((25.4 - 20) / 16, 1);
    expect(field.yDegrees).toBeCloseTo((15 - 9.7) / 16, 1);
    expect(field.diameterDegrees).toBe(field.diameter / 16);
  });

  test("joins the light and dark parts of a field", () => {
    const field = receptiveField(bump(20, 15, 4, 8), [31, 41]);
    expect(field.x).toBeCloseTo(20, 0);
    // A single part would be less than half a wavelength wide and as high as the field.
    expect(field.diameter).toBeGreaterThan(6);
    expect(field.xDegrees).toBeNaN();
  });

  test("says why there is none", () => {
    const flat = receptiveField(
      bump(20, 15, 4).map((z) => z / 20),
      [31, 41],
    );
    expect(flat.x).toBeNaN();
    expect(flat.reason).toMatch(/largest \|z\| is 1\.\d, a field needs 5/);
    expect(receptiveField(new Float64Array(4).fill(Number.NaN), [2, 2]).reason).toBe("there is no map");
  });
});
