import { describe, expect, test } from "vitest";
import { finestGrid, gridWeights, smoothPenalty, wholeFrame } from "./pixel-grid.ts";

const frame = { channels: 1, height: 5, width: 7 };

describe("finestGrid()", () => {
  test("keeps pixels where they fit, and has about square cells otherwise", () => {
    expect(finestGrid(frame, wholeFrame(frame), 35)).toMatchObject({ rows: 5, columns: 7 });
    expect(finestGrid({ ...frame, channels: 2 }, wholeFrame(frame), 35)).toMatchObject({ rows: 3, columns: 4 });
    const large = { channels: 1, height: 51, width: 51 };
    expect(finestGrid(large, wholeFrame(large), 80)).toMatchObject({ rows: 8, columns: 8 });
    expect(finestGrid(large, wholeFrame(large), 0)).toMatchObject({ rows: 1, columns: 1 });
  });
});

describe("gridWeights()", () => {
  test("are area averages over the cells of the window", () => {
    const window = { top: 1, left: 2, bottom: 5, right: 7 };
    const weights = gridWeights(frame, { window, rows: 2, columns: 2 });
    const of = (y: number, x: number) => Array.from(weights.subarray((y * 7 + x) * 4, (y * 7 + x) * 4 + 4));
    expect(of(0, 3)).toEqual([0, 0, 0, 0]);
    expect(of(2, 1)).toEqual([0, 0, 0, 0]);
    expect(of(1, 2)).toEqual([expect.closeTo(0.2, 6), 0, 0, 0]);
    expect(of(4, 4)).toEqual([0, 0, expect.closeTo(0.1, 6), expect.closeTo(0.1, 6)]);
    for (let cell = 0; cell < 4; cell++) {
      const sum = weights.filter((_, i) => i % 4 === cell).reduce((a, b) => a + b);
      expect(sum).toBeCloseTo(1, 6);
    }
  });
});

describe("smoothPenalty()", () => {
  test("is the sum of squares and of squared differences of neighbours", () => {
    const shape = [2, 2, 2, 3] as const;
    const penalty = smoothPenalty(shape);
    const weights = Array.from({ length: 24 }, (_, i) => Math.sin(i * i));
    const at = (l: number, c: number, y: number, x: number) => weights[((l * 2 + c) * 2 + y) * 3 + x]!;
    let expected = weights.reduce((sum, w) => sum + w * w, 0);
    for (const l of [0, 1]) {
      for (const c of [0, 1]) {
        for (const y of [0, 1]) {
          for (const x of [0, 1, 2]) {
            if (l > 0) expected += (at(l, c, y, x) - at(l - 1, c, y, x)) ** 2;
            if (y > 0) expected += (at(l, c, y, x) - at(l, c, y - 1, x)) ** 2;
            if (x > 0) expected += (at(l, c, y, x) - at(l, c, y, x - 1)) ** 2;
          }
        }
      }
    }
    let found = 0;
    for (let i = 0; i < 24; i++) for (let j = 0; j < 24; j++) found += weights[i]! * penalty[i * 24 + j]! * weights[j]!;
    expect(found).toBeCloseTo(expected, 10);
  });
});
