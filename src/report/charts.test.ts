import { inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { CHART, horizontalScale, roundTicks, verticalScale } from "./axes.ts";
import { barChart, lineChart, scatterChart } from "./charts.ts";
import { heatMap } from "./heat-map.ts";
import { formatNumber } from "./markup.ts";

const labels = { description: "what it shows", x: "time", y: "value" };

describe("roundTicks()", () => {
  test("uses 1, 2 or 5 times a power of ten, inside the range", () => {
    expect(roundTicks(0, 1)).toEqual([0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]);
    expect(roundTicks(-37, 52)).toEqual([-20, 0, 20, 40]);
    expect(roundTicks(0, 9999)).toEqual([0, 2000, 4000, 6000, 8000]);
  });
});

describe("scales", () => {
  test("verticalScale() ends at round numbers and grows upwards", () => {
    const scale = verticalScale([0.12, 0.93]);
    expect([scale.min, scale.max]).toEqual([0, 1]);
    expect(scale.position(1)).toBe(CHART.top);
    expect(scale.position(0)).toBe(CHART.height - CHART.bottom);
  });

  test("a single value gets room around it", () => {
    const scale = horizontalScale([3, 3]);
    expect(scale.position(3)).toBeCloseTo((CHART.left + CHART.width - CHART.right) / 2, 9);
  });
});

describe("lineChart()", () => {
  test("breaks the line at values that are not finite", () => {
    const svg = lineChart(labels, [{ name: "a", x: [0, 1, 2, 3, 4], y: [1, 2, Number.NaN, 2, 1] }]);
    expect(svg.match(/class="line c1"/g)).toHaveLength(2);
  });

  test("keeps the peaks of a long series and little else", () => {
    const y = new Float64Array(50_000);
    y[31_415] = 100;
    const svg = lineChart(labels, [{ name: "a", x: Array.from(y, (_, i) => i), y }]);
    expect(svg).toContain(` ${CHART.top}L`);
    expect(svg.length).toBeLessThan(30_000);
  });

  test("draws a stem for each count above zero", () => {
    const svg = lineChart(labels, [{ name: "a", x: [0, 1, 2], y: [0, 2, 1], mark: "stems" }]);
    expect(/class="stems c1" d="([^"]*)"/.exec(svg)![1]!.match(/V/g)).toHaveLength(2);
  });

  test("says so when there is nothing to draw", () => {
    expect(lineChart(labels, [{ name: "a", x: [], y: [] }])).toContain("no data");
  });
});

test("scatterChart() draws a dot a unit, named, and skips those without coordinates", () => {
  const svg = scatterChart(labels, [
    { x: 1, y: 0.5, name: "unit <1>" },
    { x: Number.NaN, y: 1, name: "unit 2" },
  ]);
  expect(svg.match(/<circle/g)).toHaveLength(1);
  expect(svg).toContain("<title>unit &lt;1&gt;</title>");
});

test("barChart() draws negative bars to the left of zero, and the limit", () => {
  const svg = barChart(labels, [
    { name: "up", value: 1, limit: 2 },
    { name: "down", value: -1 },
    { name: "unknown", value: null },
  ]);
  const bars = [...svg.matchAll(/class="bar c1" x="([\d.]+)"[^>]*? width="([\d.]+)"/g)].map((m) =>
    m.slice(1).map(Number),
  );
  expect(bars[1]![0]! + bars[1]![1]!).toBeCloseTo(bars[0]![0]!, 0);
  expect(bars[2]![1]).toBe(0);
  expect(svg.match(/class="limit"/g)).toHaveLength(1);
  expect(svg).toContain("−1.000");
});

test("heatMap() is white at zero, red above and blue below", () => {
  const img = heatMap({ description: "map", rows: 1, columns: 3, values: [-2, 0, 2], colours: "signed" });
  const png = Buffer.from(/base64,([^"]*)/.exec(img)![1]!, "base64");
  const at = png.indexOf("IDAT");
  const row = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
  const [blue, white, red] = [1, 4, 7].map((i) => [...row.subarray(i, i + 3)]);
  expect(blue![2]).toBeGreaterThan(blue![0]!);
  expect(white).toEqual([247, 247, 247]);
  expect(red![0]).toBeGreaterThan(red![2]!);
});

test("formatNumber() writes minus signs, thousands, and a dash for nothing", () => {
  expect([formatNumber(-0.5, 2), formatNumber(12_345, 0), formatNumber(null, 2), formatNumber(-0.001, 1)]).toEqual([
    "−0.50",
    "12,345",
    "–",
    "0.0",
  ]);
});
