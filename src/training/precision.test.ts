/**
 * @file What stays float32 with half-precision convolutions and products; docs/precision.md promises it.
 */

import { beforeAll, describe, expect, test } from "vitest";
import { context } from "../models/comparison.fake.ts";
import { RmsNorm } from "../models/modules/norm.ts";
import { GaussianReadout } from "../models/modules/readout.ts";
import {
  autocast,
  Generator,
  noGrad,
  ops,
  scope,
  setNumThreads,
  type Tensor,
  tensorScope,
  uniform,
} from "../torch/index.ts";
import { BitsPerSpike } from "./bits-per-spike.ts";
import { TINY_PLAN, TinyStep, tinyLoader } from "./step.fake.ts";
import { groupLosses, type Precision, predict } from "./step.ts";

beforeAll(() => setNumThreads(1));

const numbers = (t: Tensor): number[] => Array.from(t.detach().toTypedArray(), Number);

describe.each([
  ["bf16-mixed", "bfloat16"],
  ["16-mixed", "float16"],
] satisfies [Precision, "bfloat16" | "float16"][])("precision %s", (precision, dtype) => {
  const options = { logInput: false, precision, device: "cpu" } as const;

  test("computes convolutions in the half type", () => {
    using _scope = tensorScope();
    const [x, weight] = [
      uniform([1, 2, 4, 4], -1, 1, new Generator(1)),
      uniform([3, 2, 2, 2], -1, 1, new Generator(1)),
    ];
    expect(autocast("cpu", dtype, () => ops.conv2d(x, weight)).dtype).toBe(dtype);
  });

  test("gives predictions and losses in float32", () => {
    using _scope = tensorScope();
    const tiny = new TinyStep();
    const { groups } = tinyLoader.load(TINY_PLAN);
    const stages: Record<string, string> = {};
    const predictions = predict(tiny.twin, groups, options, (stage, { dtype: type }) => {
      stages[stage] = type;
    });
    expect(Object.values(stages)).toContain(dtype);
    for (const each of [...predictions, ...groupLosses(predictions, groups, options)])
      expect(each.dtype).toBe("float32");
    tiny.dispose();
  });

  test("keeps weights, gradients and the optimiser's state in float32, and penalties as they are", () => {
    const [full, half] = [new TinyStep(), new TinyStep({ precision })];
    expect(half.backward(undefined, 1).penalties).toEqual(full.backward(undefined, 1).penalties);
    scope(() => {
      const gradients = [...half.twin.namedParameters()].map(({ tensor: { grad } }) => grad?.dtype);
      expect(new Set(gradients.filter((type) => type !== undefined))).toEqual(new Set(["float32"]));
    });
    half.step.update(1);
    const state = [...half.twin.stateDict().values(), ...half.optimizer.stateTensors().values()];
    expect(new Set(state.map(({ dtype: type }) => type))).toEqual(new Set(["float32"]));
    for (const tiny of [full, half]) tiny.dispose();
  });

  test("adds up scores in more than the half type", () => {
    const scorer = new BitsPerSpike(2);
    expect(["float32", "float64"]).toContain(scorer.sums.dtype);
    scorer.dispose();
  });

  test("normalises values whose squares the half type does not have", () => {
    using _scope = tensorScope();
    const norm = new RmsNorm(4, {});
    const x = uniform([2, 4, 2, 3, 3], 2e4, 4e4, new Generator(1));
    const [full, half] = [norm.forward(x), autocast("cpu", dtype, () => norm.forward(x.to({ dtype })))].map(numbers);
    for (const [i, value] of half!.entries()) expect(value / full![i]!).toBeCloseTo(1, 1);
  });

  test("places and shapes the readouts' fields exactly as float32 does", () => {
    using _scope = tensorScope();
    const readout = new GaussianReadout(
      { channels: 2, nUnits: 3, bias: true, initialStd: 0.7, initialMeanScale: 1.3 },
      context(),
    );
    const mask = () => noGrad(() => readout.gaussianMask(9, 8));
    expect(numbers(autocast("cpu", dtype, mask))).toEqual(numbers(mask()));
    expect(autocast("cpu", dtype, () => readout.forward(uniform([1, 2, 3, 9, 8], -1, 1, new Generator(1)))).dtype).toBe(
      "float32",
    );
  });
});
