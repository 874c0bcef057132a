import { expect, test } from "vitest";
import { type Hdf5Box, Hdf5Dataset } from "./hdf5-dataset.ts";
import { numpyType } from "./numpy-types.ts";

/** The boxes that reading makes of a dataset of bytes. */
function boxes(shape: number[], chunks: number[] | null, read: (dataset: Hdf5Dataset) => void): Hdf5Box[] {
  const seen: Hdf5Box[] = [];
  const options = { name: "x", type: numpyType("|u1")!, fail: (problem: string) => new Error(problem) };
  read(new Hdf5Dataset({ ...options, shape, chunks, readBox: (box) => seen.push(box) }));
  return seen;
}

test("Hdf5Dataset.readRows() cuts large reads between chunks", () => {
  const seen = boxes([1000, 1024, 1024], [30, 1024, 1024], (dataset) => dataset.readRows(0, 600));
  expect(seen.map(({ start, count }) => [start[0], count[0]])).toEqual([
    [0, 240],
    [240, 240],
    [480, 120],
  ]);
});

test("Hdf5Dataset.read() cuts along the first axis that is long enough", () => {
  const seen = boxes([1, 3, 2 ** 27], null, (dataset) => dataset.read());
  expect(seen).toEqual([
    { start: [0, 0, 0], count: [1, 2, 2 ** 27] },
    { start: [0, 2, 0], count: [1, 1, 2 ** 27] },
  ]);
});

test("Hdf5Dataset.read() cuts rows that are too large themselves", () => {
  const seen = boxes([2, 2 ** 27, 3], null, (dataset) => dataset.readRows(1, 2));
  expect(seen.map(({ start, count }) => [start, count])).toEqual([
    [
      [1, 0, 0],
      [1, 89_478_485, 3],
    ],
    [
      [1, 89_478_485, 0],
      [1, 44_739_243, 3],
    ],
  ]);
});

test("Hdf5Dataset.readRows() does not keep chunks that are larger than memory should hold", () => {
  const seen = boxes([2 ** 20, 1024], [2 ** 20, 1], (dataset) => {
    dataset.readRows(0, 4);
    dataset.readRows(4, 8);
  });
  expect(seen.map(({ count }) => count[0])).toEqual([4, 4]);
});
