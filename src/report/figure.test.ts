import { expect, test } from "vitest";
import { columnsAsCsv } from "./figure.ts";

test("columnsAsCsv() quotes what needs it, leaves out what is not a number, and ends short columns with empty cells", () => {
  const columns = [
    { name: "name, of it", values: ['a "b"', "c"] },
    { name: "x", values: Float64Array.of(0.1, Number.NaN, 1e-7) },
    { name: "y", values: [null, 2] },
  ];
  expect(columnsAsCsv(columns)).toBe('"name, of it",x,y\n"a ""b""",0.1,\nc,,2\n,1e-7,\n');
});
