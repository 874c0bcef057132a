import { expect, test } from "vitest";
import { denseColumns } from "./sparse.ts";

const matrix = {
  rows: 3,
  columns: 2,
  starts: [0, 1, 3],
  rowIndices: [2, 0, 1],
  values: Float64Array.of(5, 6, 7),
  isLogical: false,
};

test("denseColumns() fills in zeros, column by column", () => {
  expect(denseColumns(matrix, "x")).toEqual({
    dtype: "float64",
    shape: [2, 3],
    data: Float64Array.of(0, 0, 5, 6, 7, 0),
  });
  expect([...denseColumns({ ...matrix, isLogical: true }, "x").data]).toEqual([0, 0, 1, 1, 1, 0]);
});

test("denseColumns() refuses matrices that are too large or damaged", () => {
  expect(() => denseColumns({ ...matrix, rows: 2 ** 31 }, "x")).toThrow("is too large to fill in");
  expect(() => denseColumns({ ...matrix, starts: [0, 1] }, "x")).toThrow("2 column starts for 2 columns");
  expect(() => denseColumns({ ...matrix, rowIndices: [2, 0, 3] }, "x")).toThrow("value 2 of column 1 lies outside");
  expect(() => denseColumns({ ...matrix, starts: [0, 1, 4] }, "x")).toThrow("value 3 of column 1 lies outside");
});
