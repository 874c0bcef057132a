import { describe, expect, test } from "vitest";
import { caterpillarChart } from "./caterpillar.ts";
import { histogram } from "./histogram.ts";
import { lineChart } from "./line-chart.ts";
import { barChart, spreadChart } from "./row-chart.ts";
import { scatterChart } from "./scatter-chart.ts";
import { textBoxes, textErrors } from "./svg-text.fake.ts";

const labels = { description: "what it shows", x: "time", y: "value" };

/** Places of an SVG path's points. */
function points(svg: string, className: string): [number, number][] {
  const path = new RegExp(`class="${className}" d="M([^"]*)"`).exec(svg)![1]!;
  return path.split("L").map((place) => place.split(" ").map(Number) as [number, number]);
}

describe("lineChart()", () => {
  test("breaks the line at values that are not finite", () => {
    const svg = lineChart(labels, [{ name: "a", x: [0, 1, 2, 3, 4], y: [1, 2, Number.NaN, 2, 1] }]);
    expect(svg.match(/class="line c1"/g)).toHaveLength(2);
  });

  test("keeps the peaks of a long series and little else", () => {
    const y = new Float64Array(50_000);
    y[31_415] = 100;
    const svg = lineChart(labels, [{ name: "a", x: Array.from(y, (_, i) => i), y }]);
    const heights = points(svg, "line c1").map(([, height]) => height);
    expect(Math.min(...heights)).toBeLessThan(10);
    expect(svg.length).toBeLessThan(30_000);
  });

  test("draws a stem for each count above zero", () => {
    const svg = lineChart(labels, [{ name: "a", x: [0, 1, 2], y: [0, 2, 1], mark: "stems" }]);
    expect(/class="stems c1" d="([^"]*)"/.exec(svg)![1]!.match(/V/g)).toHaveLength(2);
  });

  test("draws bands and error bars where both ends are known", () => {
    const band = { x: [0, 1, 2], y: [1, 2, 3], low: [0, 1, Number.NaN], high: [2, 3, 4] };
    expect(lineChart(labels, [{ name: "a", ...band }])).toContain('class="band c1"');
    const bars = lineChart(labels, [{ name: "a", ...band, mark: "dots" }]);
    expect(/class="interval c1" d="([^"]*)"/.exec(bars)![1]!.match(/V/g)).toHaveLength(2);
    expect(bars.match(/<circle/g)).toHaveLength(3);
  });

  test("says so when there is nothing to draw", () => {
    expect(lineChart(labels, [{ name: "a", x: [], y: [] }])).toContain("no data");
    expect(lineChart({ ...labels, fromZero: true }, [{ name: "a", x: [0], y: [Number.NaN] }])).toContain("no data");
  });

  test.each([
    ["wide tick labels", { ...labels, y: "learning rate" }, [1e-5, 2.5e-5]],
    [
      "thousands",
      { ...labels, y: "a quantity with quite a long name that needs two lines (units of it)" },
      [100_000, 900_000],
    ],
    [
      "a long name of the horizontal axis",
      { ...labels, x: "a quantity whose name is longer than the figure is wide, so that it is broken" },
      [0, 1],
    ],
  ])("cuts no text and puts none on top of another: %s", (_, words, y) => {
    const names = ["first of the series", "second of the series", "third of the series"];
    const svg = lineChart(
      words,
      names.map((name) => ({ name, x: [0, 123_456], y })),
    );
    expect(textErrors(svg)).toEqual([]);
    expect(textBoxes(svg).map(({ text }) => text)).toEqual(expect.arrayContaining(names));
  });
});

describe("scatterChart()", () => {
  test("draws a dot a unit, named, and skips those without coordinates", () => {
    const { svg } = scatterChart(labels, { x: [1, Number.NaN], y: [0.5, 1], names: (i) => `unit <${i}>` });
    expect(svg.match(/<circle/g)).toHaveLength(1);
    expect(svg).toContain("<title>unit &lt;0&gt;</title>");
  });

  test("gives both axes the same ends where it draws the diagonal", () => {
    const { svg } = scatterChart(labels, { x: [0.1, 0.9, 0.5], y: [3, 2, 0.5] }, { hasDiagonal: true });
    const [from, to] = points(svg, "guide");
    expect(Math.abs(to![0] - from![0] - (from![1] - to![1]))).toBeLessThan(1);
    const [x, y] = /<path class="cloud c1" d=".*M([\d.]+) ([\d.]+)h0"/.exec(svg)!.slice(1).map(Number);
    const onDiagonal = from![1] - (x! - from![0]);
    expect(y).toBeCloseTo(onDiagonal, 0);
    expect(textErrors(svg)).toEqual([]);
  });

  test("draws values far from all others on the frame, and counts them", () => {
    const x = Array.from({ length: 20 }, (_, i) => i);
    const { svg, outside } = scatterChart(labels, { x, y: [...x.slice(1), -1e6], names: String });
    expect(outside).toBe(1);
    for (const [, cy] of svg.matchAll(/cy="([-\d.]+)"/g)) expect(Number(cy)).toBeLessThan(230);
  });

  test("leaves out what a logarithmic axis does not have", () => {
    const { svg } = scatterChart(labels, { x: [0, 1, 10], y: [1, 1, 10], names: String }, { kind: "log" });
    expect(svg.match(/<circle/g)).toHaveLength(2);
  });
});

describe("barChart()", () => {
  const svg = barChart(labels, [
    { name: "up", value: 1, limit: 2 },
    { name: "down", value: -1 },
    { name: "a session with quite a long name, 2024-01-01", value: null },
  ]);

  test("draws negative bars to the left of zero, and the limit", () => {
    const bars = [...svg.matchAll(/class="bar c1" x="([\d.]+)"[^>]*? width="([\d.]+)"/g)].map((m) =>
      m.slice(1).map(Number),
    );
    expect(bars[1]![0]! + bars[1]![1]!).toBeCloseTo(bars[0]![0]!, 0);
    expect(bars[2]![1]).toBe(0);
    expect(svg.match(/class="limit"/g)).toHaveLength(1);
    expect(svg).toContain("−1.000");
  });

  test("has room for names of any length", () => expect(textErrors(svg)).toEqual([]));
});

test("spreadChart() draws median and quartiles, and no dot for a group without values", () => {
  const none = { name: "b", low: Number.NaN, value: Number.NaN, high: Number.NaN };
  const svg = spreadChart(labels, [{ name: "a", low: 1, value: 2, high: 4 }, none]);
  expect(svg.match(/<circle/g)).toHaveLength(1);
  expect(textErrors(svg)).toEqual([]);
  expect(spreadChart(labels, [none])).toContain("no data");
});

describe("histogram()", () => {
  const counts = (columns: ReturnType<typeof histogram>["columns"], i = 2) =>
    Array.from(columns[i]!.values as number[]);

  test("counts every finite value once, in bins of a round width", () => {
    const { columns } = histogram(labels, [{ name: "a", values: [0, 0.1, 0.35, 0.999, 1, Number.NaN] }]);
    const [from, to] = [counts(columns, 0), counts(columns, 1)];
    expect(counts(columns).reduce((sum, count) => sum + count, 0)).toBe(5);
    expect(from.slice(1)).toEqual(to.slice(0, -1));
    expect([from[0], to.at(-1)]).toEqual([0, 1]);
    expect(counts(columns).at(-1)).toBe(2);
  });

  test("counts values far from all others in the outermost bin, and says how many", () => {
    const values = [...Array.from({ length: 40 }, (_, i) => i / 40), 1e6];
    const { columns, outside } = histogram(labels, [{ name: "a", values }]);
    expect(outside).toBe(1);
    expect(counts(columns).reduce((sum, count) => sum + count, 0)).toBe(41);
  });

  test("gives groups the same bins, and draws equal values and nothing at all", () => {
    const both = histogram(labels, [
      { name: "a", values: [1, 2, 3] },
      { name: "b", values: [7, 8] },
    ]);
    expect(counts(both.columns, 3).reduce((sum, count) => sum + count, 0)).toBe(2);
    expect(counts(histogram(labels, [{ name: "a", values: [2, 2] }]).columns)).toEqual([2]);
    expect(histogram(labels, [{ name: "a", values: [] }]).svg).toContain("no data");
  });
});

describe("caterpillarChart()", () => {
  const values = [0.5, Number.NaN, 0.1, 0.9];

  test("orders units by score and leaves out those without one", () => {
    const { svg, order } = caterpillarChart(labels, {
      name: "score",
      values,
      low: [0, 0, 0, 0],
      high: [1, 1, 1, 1],
      guide: 1,
    });
    expect(order).toEqual([2, 0, 3]);
    expect(/class="interval c1" d="([^"]*)"/.exec(svg)![1]!.match(/M/g)).toHaveLength(3);
    expect(svg).toContain('class="guide"');
    expect(textErrors(svg)).toEqual([]);
  });

  test("cuts intervals at the frame, so that one hopeless unit does not squeeze the others", () => {
    const many = Float64Array.from({ length: 40 }, (_, i) => i / 40);
    const high = many.map((value, i) => (i === 3 ? 1e6 : value + 0.1));
    const { svg } = caterpillarChart(labels, { name: "score", values: many, low: many, high });
    const heights = [...svg.matchAll(/cy="([\d.]+)" r="2.6"/g)].map(([, cy]) => Number(cy));
    expect(Math.max(...heights) - Math.min(...heights)).toBeGreaterThan(80);
    for (const [, top] of /class="interval c1" d="([^"]*)"/.exec(svg)![1]!.matchAll(/V([-\d.]+)/g))
      expect(Number(top)).toBeGreaterThan(0);
  });

  test("draws another score of the same units beside", () => {
    const { svg } = caterpillarChart(labels, {
      name: "score",
      values,
      beside: { name: "other", values: [0.2, 0.3, Number.NaN, 0.4] },
    });
    expect(svg.match(/class="dot c2"/g)).toHaveLength(2 + 1);
    expect(caterpillarChart(labels, { name: "score", values: [Number.NaN] }).svg).toContain("no data");
  });
});
