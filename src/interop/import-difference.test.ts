import { describe, expect, test } from "vitest";
import type { DType } from "../formats/array.ts";
import { compareStates, differenceError, isEmpty, type TensorKind } from "./import-difference.ts";

function states(entries: Record<string, number[] | [DType, ...number[]]>): Map<string, TensorKind> {
  return new Map(
    Object.entries(entries).map(([name, [first, ...rest]]) => [
      name,
      typeof first === "string"
        ? { dtype: first, shape: rest as number[] }
        : { dtype: "float32", shape: [first as number, ...(rest as number[])] },
    ]),
  );
}

describe("compareStates()", () => {
  test("finds nothing where names, shapes and kinds of numbers agree", () => {
    const model = states({ a: [2, 3], b: ["int64", 1] });
    expect(isEmpty(compareStates(model, states({ a: ["float16", 2, 3], b: ["int32", 1] })))).toBe(true);
  });

  test("finds every kind of difference", () => {
    const model = states({ a: [1], b: [2, 3], c: [4], d: [5], e: [6] });
    const file = states({ b: [3, 2], c: ["int64", 4], d: ["bool", 5], e: ["bfloat16", 6], f: [7] });
    expect(compareStates(model, file)).toEqual({
      missing: [{ name: "a", shape: [1] }],
      unexpected: [{ name: "f", shape: [7] }],
      misshapen: [{ name: "b", file: [3, 2], model: [2, 3] }],
      mistyped: [
        { name: "c", file: "int64", model: "float32" },
        { name: "d", file: "bool", model: "float32" },
      ],
      common: 4,
    });
  });

  test("lets optional names be absent", () => {
    expect(isEmpty(compareStates(states({ a: [1], b: [1] }), states({ a: [1] }), new Set(["b"])))).toBe(true);
  });
});

describe("differenceError()", () => {
  const error = (model: Parameters<typeof states>[0], file: Parameters<typeof states>[0]) =>
    differenceError("x.ckpt", compareStates(states(model), states(file)));

  test("lists every tensor, in groups, and says what to do", () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`convnet.layers.${i}.weight`, [i + 1, 2]]));
    const { message, hint } = error(
      { ...many, "readouts.0.mean": [8, 2] },
      { "readouts.0.mean": [9, 2], "frontend.w": [3] },
    );
    const lines = message.split("\n");
    expect(lines[0]).toBe('Cannot import "x.ckpt": its tensors are not those of the model configuration');
    expect(lines.slice(1, 3)).toEqual(["missing in the file (30):", "  convnet.layers.0.weight [1, 2]"]);
    expect(lines.slice(-4)).toEqual([
      "unexpected in the file (1):",
      "  frontend.w [3]",
      "of another shape (1):",
      "  readouts.0.mean [9, 2] in the file, [8, 2] in the model",
    ]);
    expect(lines.length).toBe(1 + 31 + 2 + 2);
    expect(hint).toContain("--model-config");
  });

  test.each<[string, Parameters<typeof states>[0], Parameters<typeof states>[0], string]>([
    [
      "a recurrent part that was never run",
      { a: [1], "recurrent.rnn.weight_ih_l0": [4, 4] },
      { a: [1] },
      "first forward pass",
    ],
    ["whole numbers", { a: [1] }, { a: ["int64", 1] }, "model.float()"],
    ["sessions of their own kind", { a: [1], "readouts.0.std": [2, 2] }, { a: [1] }, "--dataset-configs"],
    [
      "another recurrent part",
      { a: [1], "recurrent.rnn.w": [4] },
      { a: [1], "recurrent.cells.0.w": [4] },
      "--model-config",
    ],
  ])("has advice for %s", (_, model, file, advice) => {
    expect(error(model, file).hint).toContain(advice);
  });

  test("needs one sentence where nothing agrees", () => {
    const { message } = error({ a: [1], b: [1], c: [1], d: [1] }, { x: [1], y: [1], z: [1], w: [1] });
    expect(message).toBe(
      'Cannot import "x.ckpt": none of its 4 tensors (x, y, z, …) is one of the 4 of the model configuration (a, b, c, …)',
    );
  });
});
