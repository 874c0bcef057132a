import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../data/synthetic/random.ts";
import { UserError } from "../../errors.ts";
import { setNumThreads } from "../../torch/index.ts";
import {
  eigenOf,
  leadingSubspace,
  participationRatio,
  projectToPsd,
  subspaceOverlap,
  varianceCapture,
} from "./subspace.ts";

const identity = (units: number) => diagonalMatrix(new Float64Array(units).fill(1));
const close = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 10));

function diagonalMatrix(values: ArrayLike<number>): Float64Array {
  const units = values.length;
  return Float64Array.from({ length: units ** 2 }, (_, i) => (i % (units + 1) === 0 ? values[i % units]! : 0));
}

beforeAll(() => setNumThreads(1));

describe("projectToPsd()", () => {
  test("leaves a matrix that is positive semi-definite as it is", () => {
    const matrix = [2, 1, 0, 1, 2, 0.5, 0, 0.5, 1];
    expect([...projectToPsd(Float64Array.from(matrix), 3)]).toEqual(close(matrix));
  });

  test("removes negative eigenvalues, or lifts them to the least", () => {
    // Eigenvalues 3 along (1, 1) and −1 along (1, −1).
    const matrix = Float64Array.of(1, 2, 2, 1);
    expect([...projectToPsd(matrix, 2)]).toEqual(close([1.5, 1.5, 1.5, 1.5]));
    expect([...eigenOf(projectToPsd(matrix, 2, 0.25), 2).values]).toEqual(close([0.25, 3]));
  });

  test("is symmetric, and takes what is not finite for 0", () => {
    expect([...projectToPsd(Float64Array.of(2, 1, 0, 2), 2)]).toEqual(close([2, 0.5, 0.5, 2]));
    const holes = Float64Array.of(2, Number.NaN, 1, Number.POSITIVE_INFINITY);
    expect([...projectToPsd(holes, 2)]).toEqual(close([2, 0, 0, 0]));
  });

  test("refuses a matrix that is not square", () => {
    expect(() => projectToPsd(new Float64Array(6), 2)).toThrow(UserError);
  });
});

describe("eigenOf()", () => {
  test("has values in ascending order with their vectors in columns", () => {
    const { values, vectors } = eigenOf(diagonalMatrix([5, 1, 3]), 3);
    expect([...values]).toEqual(close([1, 3, 5]));
    expect(Math.abs(vectors[3]!)).toBeCloseTo(1, 10);
  });

  test("refuses NaN", () => {
    expect(() => eigenOf(Float64Array.of(1, Number.NaN, 0, 1), 2)).toThrow("values that are not finite");
  });
});

describe("participationRatio()", () => {
  test("is the number of units for the identity, and one for rank one", () => {
    expect(participationRatio(identity(7), 7)).toBeCloseTo(7, 9);
    const direction = [1, -2, 3, 0.5];
    const rankOne = Float64Array.from({ length: 16 }, (_, i) => direction[i >> 2]! * direction[i & 3]!);
    expect(participationRatio(rankOne, 4)).toBeCloseTo(1, 9);
    expect(participationRatio(new Float64Array(4), 2)).toBe(0);
  });
});

describe("subspaceOverlap()", () => {
  test("is one for the same space in another basis, and zero for orthogonal ones", () => {
    const plane = Float64Array.of(1, 0, 0, 1, 0, 0, 0, 0);
    const turned = Float64Array.of(0.6, -0.8, 0.8, 0.6, 0, 0, 0, 0);
    const other = Float64Array.of(0, 0, 0, 0, 1, 0, 0, 1);
    expect(subspaceOverlap(plane, turned, 4)).toBeCloseTo(1, 12);
    expect(subspaceOverlap(plane, other, 4)).toBeCloseTo(0, 12);
  });

  test("refuses bases of different sizes", () => {
    expect(() => subspaceOverlap(new Float64Array(8), new Float64Array(4), 4)).toThrow("second basis has 4 values");
  });
});

describe("varianceCapture()", () => {
  test("is k of N for the identity, whatever the subspace", () => {
    const random = new Random(2);
    const gram = new Float64Array(36);
    for (let i = 0; i < 6; i++) {
      for (let j = 0; j <= i; j++) {
        gram[6 * i + j] = random.normal();
        gram[6 * j + i] = gram[6 * i + j]!;
      }
    }
    expect(varianceCapture(identity(6), leadingSubspace(gram, 6, 2), 6)).toBeCloseTo(2 / 6, 10);
  });

  test("is the eigenvalues' share for leading eigenvectors, largest first", () => {
    const matrix = diagonalMatrix([1, 6, 3]);
    expect(varianceCapture(matrix, leadingSubspace(matrix, 3, 1), 3)).toBeCloseTo(0.6, 10);
    expect(varianceCapture(matrix, leadingSubspace(matrix, 3, 2), 3)).toBeCloseTo(0.9, 10);
    expect(() => leadingSubspace(matrix, 3, 4)).toThrow("4 dimensions: expected 1 to 3");
  });
});
