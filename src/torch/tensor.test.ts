import { describe, expect, test } from "vitest";
import { autocast, gradientsOf, gradsOf, inferenceMode, noGrad, withoutAutocast } from "./autograd.ts";
import { defaultGeneratorState, Generator, seedDefaultGenerator, setDefaultGeneratorState } from "./generator.ts";
import { OVERLOADS } from "./ops.generated.ts";
import { hasOperator, ops } from "./ops.ts";
import { libtorchVersion, parseDevice } from "./runtime.ts";
import { cat, fromArray, full, linspace, ones, randn, stack, tensor, uniform, zeros } from "./tensor.ts";

describe("tensor()", () => {
  test("shares the memory of a typed array", () => {
    const data = new Float32Array([1, 2, 3, 4]);
    const t = tensor(data, [2, 2]);
    data[3] = 40;
    expect(t.toTypedArray()).toEqual(new Float32Array([1, 2, 3, 40]));
  });

  test("keeps the typed array alive while the tensor lives", () => {
    const make = () => tensor(new Float32Array(1 << 20).fill(3));
    const t = make();
    for (let i = 0; i < 50; i++) new Float32Array(1 << 20).fill(i);
    expect(t.sum().item()).toBe(3 * (1 << 20));
  });

  test.each([
    ["float32", new Float32Array([1, 0])],
    ["float64", new Float64Array([1, 0])],
    ["int64", new BigInt64Array([1n, 0n])],
    ["int32", new Int32Array([1, 0])],
    ["int16", new Int16Array([1, 0])],
    ["int8", new Int8Array([1, 0])],
    ["uint8", new Uint8Array([1, 0])],
  ] as const)("round-trips %s", (dtype, data) => {
    const t = tensor(data);
    expect(t.dtype).toBe(dtype);
    expect(t.toTypedArray()).toEqual(data);
  });

  test("takes plain numbers, booleans as bytes and half floats as bits", () => {
    expect(tensor([1, 2]).dtype).toBe("float32");
    expect(tensor([1, 2], [2], { dtype: "int64" }).toTypedArray()).toEqual(new BigInt64Array([1n, 2n]));
    expect(tensor(new Uint8Array([1, 0]), [2], { dtype: "bool" }).dtype).toBe("bool");
    expect(tensor(new Uint16Array([0x3f80]), [1], { dtype: "bfloat16" }).toTypedArray()).toEqual(new Float32Array([1]));
    expect(fromArray({ dtype: "float16", shape: [1], data: new Uint16Array([0x3c00]) }).item()).toBe(1);
    expect(tensor(7).shape).toEqual([]);
  });

  test("rejects a shape that does not fit", () => {
    expect(() => tensor(new Float32Array(5), [2, 2])).toThrow(/holds 4 elements, the typed array 5/);
  });
});

describe("Tensor", () => {
  test("arithmetic, reductions and views agree with hand calculation", () => {
    const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
    expect(x.add(1).mul(2).sub(x).toTypedArray()).toEqual(new Float32Array([3, 4, 5, 6, 7, 8]));
    expect(x.sum(1).toTypedArray()).toEqual(new Float32Array([6, 15]));
    expect(x.mean().item()).toBe(3.5);
    expect(x.amax(0).toTypedArray()).toEqual(new Float32Array([4, 5, 6]));
    expect(x.transpose(0, 1).shape).toEqual([3, 2]);
    expect(x.slice(1, 1).reshape([-1]).toTypedArray()).toEqual(new Float32Array([2, 3, 5, 6]));
    expect(x.select(0, -1).toTypedArray()).toEqual(new Float32Array([4, 5, 6]));
    expect(x.flip(1).select(0, 0).toTypedArray()).toEqual(new Float32Array([3, 2, 1]));
    expect(x.split([1, 2], 1).map((p) => p.shape)).toEqual([
      [2, 1],
      [2, 2],
    ]);
    expect(x.rsub(1).select(0, 0).toTypedArray()).toEqual(new Float32Array([0, -1, -2]));
    expect(x.norm().item()).toBeCloseTo(Math.sqrt(91), 5);
    expect(cat([x, x]).shape).toEqual([4, 3]);
    expect(stack([x, x], 2).shape).toEqual([2, 3, 2]);
    expect(linspace(0, 1, 3).toTypedArray()).toEqual(new Float32Array([0, 0.5, 1]));
    expect(full([2], 1).dtype).toBe("float32");
  });

  test("in-place operators change the tensor and return it", () => {
    const x = zeros([2]);
    expect(x.add_(2).mul_(3).clamp_(null, 5)).toBe(x);
    expect(x.toTypedArray()).toEqual(new Float32Array([5, 5]));
  });

  test("size() names the shape when the axis does not exist", () => {
    expect(() => zeros([2, 3]).size(2)).toThrow("Cannot take the size of axis 2: the tensor has shape (2, 3)");
  });

  test("a disposed tensor is refused, not read", () => {
    const x = zeros([2]);
    x.dispose();
    expect(x.isAlive).toBe(false);
    expect(() => x.add(1)).toThrow(/has been disposed/);
    expect(String(x)).toBe("Tensor(disposed)");
  });
});

describe("ops", () => {
  test("errors name the operator and the inputs' types and shapes", () => {
    expect(() => ops.mm(zeros([2, 3]), zeros([2, 3], { dtype: "float64" }))).toThrow(
      /^aten::mm: .* \[self float32 \(2, 3\) on cpu, mat2 float64 \(2, 3\) on cpu\]$/,
    );
  });

  test("a wrong argument is named", () => {
    const untyped = ops.conv3d as unknown as (...args: unknown[]) => unknown;
    expect(() => untyped(zeros([1]))).toThrow("aten::conv3d: argument 'weight' is missing");
    expect(() => untyped(zeros([1]), "w")).toThrow("aten::conv3d: argument 'weight' must be a Tensor");
  });

  test("takes named arguments and several results", () => {
    expect(ops.arange(3, { dtype: "float32" }).toTypedArray()).toEqual(new Float32Array([0, 1, 2]));
    const [values, indices] = ops.topk(tensor([3, 9, 5]), 2);
    expect(values.toTypedArray()).toEqual(new Float32Array([9, 5]));
    expect(indices.toTypedArray()).toEqual(new BigInt64Array([1n, 2n]));
  });

  // Debian's 1.13 lacks these; the code that uses them has another path.
  const NEWER = new Set(["_fused_adamw_", "_foreach_lerp_", "_foreach_copy_", "_foreach_norm", "linalg_vector_norm"]);
  test("every listed operator exists in the installed libtorch", () => {
    const missing = Object.entries(OVERLOADS).flatMap(([name, overloads]) =>
      Object.keys(overloads).every((overload) => !hasOperator(name, overload)) ? [name] : [],
    );
    const old = libtorchVersion().startsWith("1.");
    expect(missing.filter((name) => !(old && NEWER.has(name)))).toEqual([]);
  });
});

describe("autograd", () => {
  test("backward() accumulates into leaves", () => {
    const w = tensor([2, 3]).setRequiresGrad();
    w.square().sum().backward();
    w.sum().backward();
    expect(w.grad?.toTypedArray()).toEqual(new Float32Array([5, 7]));
    w.setGrad(null);
    expect(gradsOf([w])).toEqual([null]);
  });

  test("gradientsOf() gives null for an input that is not used, and second derivatives", () => {
    const x = tensor([3]).setRequiresGrad();
    const unused = tensor([1]).setRequiresGrad();
    const [dx, none] = gradientsOf([x.pow(3)], [x, unused], { createGraph: true });
    expect(none).toBeNull();
    expect(dx!.item()).toBe(27);
    expect(gradientsOf([dx!], [x])[0]!.item()).toBe(18);
  });

  test("noGrad() and inferenceMode() record nothing, also when the body throws", () => {
    const w = ones([1]).setRequiresGrad();
    expect(noGrad(() => w.mul(2)).requiresGrad).toBe(false);
    expect(inferenceMode(() => w.mul(2)).requiresGrad).toBe(false);
    expect(() =>
      noGrad(() => {
        throw new Error("x");
      }),
    ).toThrow("x");
    expect(w.mul(2).requiresGrad).toBe(true);
  });

  test("autocast() makes products bfloat16 and leaves the rest, nested regions restore the outer one", () => {
    const a = ones([4, 4]);
    const [product, sum, inner, after] = autocast("cpu", "bfloat16", () => [
      a.matmul(a).dtype,
      a.add(a).dtype,
      withoutAutocast(() => a.matmul(a).dtype),
      a.matmul(a).dtype,
    ]);
    expect([product, sum, inner, after]).toEqual(["bfloat16", "float32", "float32", "bfloat16"]);
    expect(a.matmul(a).dtype).toBe("float32");
  });
});

describe("Generator", () => {
  test("equal seeds draw equal numbers, different seeds do not", () => {
    const draw = (seed: number) => randn([5], new Generator(seed)).toTypedArray();
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  test("getState() and setState() continue a stream exactly", () => {
    const g = new Generator(3);
    uniform([3], 0, 1, g);
    const state = g.getState();
    const first = uniform([3], 0, 1, g).toTypedArray();
    g.setState(state);
    expect(uniform([3], 0, 1, g).toTypedArray()).toEqual(first);
  });

  test("the default generator feeds dropout and can be restored", () => {
    seedDefaultGenerator(5);
    const state = defaultGeneratorState();
    const first = ops.dropout(ones([20]), 0.5, true).toTypedArray();
    setDefaultGeneratorState(state);
    expect(ops.dropout(ones([20]), 0.5, true).toTypedArray()).toEqual(first);
  });
});

describe("parseDevice()", () => {
  test("accepts cpu and explains an unknown or absent device", () => {
    expect(parseDevice("cpu")).toBe("cpu");
    expect(() => parseDevice("tpu")).toThrow('Unknown device "tpu"');
    if (!libtorchVersion().includes("cu"))
      expect(() => parseDevice("cuda:9")).toThrow(/sees no CUDA device|CUDA device/);
  });
});
