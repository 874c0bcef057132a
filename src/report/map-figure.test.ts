import { inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { colourRange, mapImage } from "./colour-map.ts";
import { mapFigure } from "./map-figure.ts";
import { markupErrors } from "./markup.fake.ts";
import { textErrors } from "./svg-text.fake.ts";

/** Bytes of the first row of an image without its filter. */
function firstRow(url: string): Buffer {
  const png = Buffer.from(url.split(",")[1]!, "base64");
  const at = png.indexOf("IDAT");
  return inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4))).subarray(1);
}

describe("mapImage()", () => {
  test("is white at zero, red above and blue below", () => {
    const row = firstRow(mapImage({ rows: 1, columns: 3, values: [-2, 0, 2], colours: "signed" }));
    const [blue, white, red] = [0, 3, 6].map((i) => [...row.subarray(i, i + 3)]);
    expect(blue![2]).toBeGreaterThan(blue![0]!);
    expect(white).toEqual([247, 247, 247]);
    expect(red![0]).toBeGreaterThan(red![2]!);
  });

  test("goes from black to white in grey, and draws what is not finite as the minimum", () => {
    expect([...firstRow(mapImage({ rows: 1, columns: 4, values: [1, 2, 3, Number.NaN], colours: "grey" }))]).toEqual([
      0, 128, 255, 0,
    ]);
  });

  test("has a range around zero for signs, and some range for nothing", () => {
    expect(colourRange({ values: [-1, 3], colours: "signed" })).toEqual([-3, 3]);
    expect(colourRange({ values: [Number.NaN], colours: "grey" })).toEqual([0, 1]);
  });
});

describe("mapFigure()", () => {
  const map = { title: "data & model", rows: 2, columns: 2, values: [0, 1, -1, 12], colours: "signed" as const };
  const figure = (columns: number, subtitle?: string) =>
    mapFigure([map, { ...map, subtitle, outline: { x: 1.5, y: 0.5, diameter: 3 } }, map], {
      description: "maps",
      columns,
      width: 340,
      quantity: "z",
      degrees: 1.7,
    });

  test("draws maps in rows with bars of their colours and a bar of a round length", () => {
    const svg = figure(2, "a second line that is much too long for the width of one map");
    expect(svg.match(/<image/g)).toHaveLength(6);
    expect(svg).toContain("0.5 degrees");
    expect(textErrors(svg)).toEqual([]);
    expect(markupErrors(svg)).toEqual([]);
  });

  test("cuts an outline at the edge of its map", () => {
    expect(figure(2)).toMatch(/<svg x="[\d.]+" y="[\d.]+" width="([\d.]+)" height="\1"><circle class="outline"/);
  });
});
