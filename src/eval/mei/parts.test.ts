import { describe, expect, test } from "vitest";
import { Generator, gradientsOf, randn, scope, type Tensor, tensor } from "../../torch/index.ts";
import { clipRange, fixedContrast, inOrder } from "./constraints.ts";
import { gaussianBlur, gaussianKernel, gradientBlur } from "./gradient-blur.ts";
import { jitter, shiftReflected } from "./jitter.ts";
import { combinePenalties, lpNorm, type Penalty, totalVariation } from "./penalties.ts";

const numbers = (values: Tensor) => Array.from(values.toTypedArray(), Number);
const close = (values: readonly number[], digits = 6) => values.map((value) => expect.closeTo(value, digits));
const images = (shape: readonly number[], seed = 1) => randn(shape, new Generator(seed), { dtype: "float64" });

function slopeOf(penalty: Penalty, values: Tensor): number[] {
  const leaf = values.detach().clone().setRequiresGrad();
  return numbers(gradientsOf([penalty(leaf).sum()], [leaf])[0]!);
}

describe("lpNorm()", () => {
  test("is the root of the mean power, image by image", () => {
    scope(() => {
      const pair = tensor([3, 4, 0, 1], [2, 1, 1, 2]);
      expect(numbers(lpNorm({ weight: 2 })(pair))).toEqual(close([2 * Math.sqrt(12.5), 2 * Math.sqrt(0.5)], 5));
    });
  });

  test("has no slope at an image of zeros, and does not disturb its neighbours there", () => {
    scope(() => {
      const pair = tensor([0, 0, 3, 4], [2, 1, 1, 2]);
      expect(numbers(lpNorm()(pair))[0]).toBe(0);
      expect(slopeOf(lpNorm(), pair)).toEqual(close([0, 0, 1.5 / Math.sqrt(12.5), 2 / Math.sqrt(12.5)], 5));
    });
  });
});

describe("totalVariation()", () => {
  test("adds mean absolute differences over all axes behind the channels", () => {
    scope(() => {
      const image = tensor([0, 1, 3, 3], [1, 1, 2, 2]);
      expect(numbers(totalVariation()(image))).toEqual([(3 + 2) / 2 + (1 + 0) / 2]);
    });
  });

  test("is defined for an axis of one element", () => {
    scope(() => expect(numbers(totalVariation()(tensor([0, 2], [1, 1, 1, 2])))).toEqual([2]));
  });
});

test("combinePenalties() adds", () => {
  scope(() => {
    const pair = images([2, 1, 3, 4]);
    const [a, b] = [lpNorm({ p: 4 }), totalVariation({ weight: 0.1 })];
    const sum = numbers(a(pair)).map((value, i) => value + numbers(b(pair))[i]!);
    expect(numbers(combinePenalties(a, b)(pair))).toEqual(close(sum, 12));
  });
});

describe("gaussianKernel()", () => {
  test.each([
    [0, 1],
    [0.1, 1],
    [0.5, 3],
    [1, 7],
    [2, 13],
  ])("of width %d has %d elements that sum to 1", (sigma, length) => {
    const kernel = gaussianKernel(sigma);
    expect(kernel).toHaveLength(length);
    expect(kernel.reduce((sum, value) => sum + value)).toBeCloseTo(1, 12);
  });

  test("refuses widths below 0", () => {
    expect(() => gaussianKernel(-1)).toThrow("expected widths of 0 pixels or more, found -1");
  });
});

describe("gaussianBlur()", () => {
  test("treats images of a batch, and their channels, alike", () => {
    scope(() => {
      const batch = images([3, 2, 8, 7]);
      const together = gaussianBlur(batch, [1, 0.5]);
      const alone = gaussianBlur(batch.select(0, 2).select(0, 1), [1, 0.5]);
      expect(numbers(together.select(0, 2).select(0, 1))).toEqual(close(numbers(alone), 12));
    });
  });

  test("spreads a pixel by the product of the axes' kernels, and not into an axis of width 0", () => {
    scope(() => {
      const pixel = tensor(new Float64Array(25).fill(1, 12, 13), [1, 1, 5, 5]);
      const [y, x] = [gaussianKernel(0.5), gaussianKernel(0.8)];
      const expected = Array.from({ length: 25 }, (_, i) => (y[Math.floor(i / 5) - 1] ?? 0) * (x[i % 5] ?? 0));
      expect(numbers(gaussianBlur(pixel, [0.5, 0.8]))).toEqual(close(expected, 12));
      expect(numbers(gaussianBlur(pixel, [0.5, 0]).sum([0, 1, 2]))).toEqual(close([0, 0, 1, 0, 0], 12));
    });
  });
});

test("gradientBlur() goes from the first width to the last", () => {
  scope(() => {
    const slope = images([1, 1, 9, 9]);
    const blur = gradientBlur([2, 2], [0, 0], 5);
    expect(numbers(blur(slope, 0))).toEqual(numbers(gaussianBlur(slope, [2, 2])));
    expect(numbers(blur(slope, 2))).toEqual(numbers(gaussianBlur(slope, [1, 1])));
    expect(numbers(blur(slope, 4))).toEqual(numbers(slope));
  });
});

describe("shiftReflected()", () => {
  test("moves images and reflects them at the border that they leave", () => {
    scope(() => {
      const row = tensor([1, 2, 3, 4, 5], [1, 1, 1, 5]);
      expect(numbers(shiftReflected(row, [2]))).toEqual([3, 2, 1, 2, 3]);
      expect(numbers(shiftReflected(row, [-1]))).toEqual([2, 3, 4, 5, 4]);
      expect(numbers(shiftReflected(tensor([1, 2, 3, 4], [1, 2, 2]), [1, 0]))).toEqual([3, 4, 1, 2]);
    });
  });

  test("refuses to shift by more than there is", () => {
    expect(() => shiftReflected(tensor([1, 2], [1, 1, 2]), [2])).toThrow(
      "Cannot shift an image by 2: that axis has 2 elements",
    );
  });
});

describe("jitter()", () => {
  const column = () =>
    tensor(
      Array.from({ length: 9 }, (_, i) => i),
      [1, 1, 1, 9],
    );
  const shiftsOf = (seed: number) =>
    scope(() =>
      Array.from({ length: 60 }, (_, iteration) => 4 - numbers(jitter([0, 2], seed)(column(), iteration))[4]!),
    );

  test("draws every shift up to the largest, and none beyond", () => {
    expect([...new Set(shiftsOf(3))].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
  });

  test("draws by its seed", () => {
    expect(shiftsOf(3)).toEqual(shiftsOf(3));
    expect(shiftsOf(3)).not.toEqual(shiftsOf(4));
  });

  test("lets gradients through", () => {
    scope(() => {
      const leaf = images([2, 1, 4, 5]).setRequiresGrad();
      const [slope] = gradientsOf([shiftReflected(leaf, [1, -2]).sum()], [leaf]);
      expect(numbers(slope!.sum())[0]).toBe(40);
    });
  });
});

describe("fixedContrast()", () => {
  const stats = (image: Tensor) => {
    const values = numbers(image);
    const mean = values.reduce((sum, value) => sum + value) / values.length;
    return { mean, rms: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) };
  };

  test("gives every image the RMS and the mean asked for", () => {
    scope(() => {
      const constrained = fixedContrast({ rms: 0.2, mean: -0.1 })(images([2, 1, 3, 4, 5]));
      for (const i of [0, 1]) {
        expect(stats(constrained.select(0, i))).toEqual({ mean: expect.closeTo(-0.1, 9), rms: expect.closeTo(0.2, 9) });
      }
    });
  });

  test("without a mean only scales", () => {
    scope(() => {
      const [before, after] = [images([1, 1, 3, 4]), fixedContrast({ rms: 2 })(images([1, 1, 3, 4]))];
      expect(numbers(after.square().mean())[0]).toBeCloseTo(4, 9);
      const ratio = numbers(after)[0]! / numbers(before)[0]!;
      expect(numbers(after)).toEqual(
        close(
          numbers(before).map((value) => ratio * value),
          9,
        ),
      );
    });
  });

  test("leaves an image of zeros alone, and refuses a contrast of 0", () => {
    scope(() => expect(numbers(fixedContrast({ rms: 1 })(tensor([0, 0], [1, 1, 2])))).toEqual([0, 0]));
    expect(() => fixedContrast({ rms: 0 })).toThrow("expected an RMS above 0, found 0");
  });
});

test("inOrder() and clipRange(): the last constraint holds", () => {
  scope(() => {
    const constrain = inOrder([fixedContrast({ rms: 1 }), clipRange({ min: -0.5, max: 0.5 })]);
    const values = numbers(constrain(images([1, 1, 5, 5])));
    expect([Math.min(...values), Math.max(...values)]).toEqual([-0.5, 0.5]);
  });
  expect(() => clipRange({ min: 1, max: 0 })).toThrow("the range goes from 1 to 0");
});
