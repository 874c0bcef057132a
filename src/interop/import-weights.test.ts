import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { castArray } from "../data/cast.ts";
import { UserError } from "../errors.ts";
import { type DType, type NdArray, toFloat64 } from "../formats/array.ts";
import type { LazyArray } from "../formats/lazy.ts";
import { openSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import { buildModel } from "../models/build.ts";
import { TINY_SESSIONS, tinyConfig } from "../models/tiny-model.fake.ts";
import type { Twin } from "../models/twin.ts";
import { Generator, setNumThreads } from "../torch/index.ts";
import { importCheckpoint } from "./import-checkpoint.ts";
import { copyWeights } from "./import-weights.ts";

const fixtures = new URL("../../test/fixtures/interop/", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "import-weights-"));
beforeAll(() => setNumThreads(1));
afterAll(() => rmSync(folder, { recursive: true }));

const made: Twin[] = [];
afterEach(() => {
  for (const twin of made.splice(0)) twin.dispose();
});

const LINEAR = tinyConfig({ readout: { type: "linear", params: { bias: true } } });

function twin(config = tinyConfig(), seed = 1): Twin {
  const one = buildModel(config, TINY_SESSIONS, { generator: new Generator(seed) });
  made.push(one);
  return one;
}

/** The tensors of another twin of the same kind, changed, as a file. */
function fileOf(config = tinyConfig(), change: (tensors: Map<string, NdArray>) => void = () => {}) {
  const arrays = new Map([...twin(config, 2).stateDict()].map(([name, tensor]) => [name, tensor.toArray()]));
  change(arrays);
  const path = join(folder, "weights.safetensors");
  writeSafetensors(path, arrays);
  return { path, arrays, tensors: openSafetensors(path).tensors };
}

function expectEqual(of: Twin, arrays: ReadonlyMap<string, NdArray>): void {
  for (const [name, tensor] of of.stateDict()) expect([name, tensor.toArray()]).toEqual([name, arrays.get(name)]);
}

const KERNEL = "convnet.layers.0.main_block.components.conv.conv.parametrizations.weight";

describe("copyWeights()", () => {
  test("copies every tensor, unused ones included", () => {
    const { arrays, tensors } = fileOf();
    const target = twin();
    expect(copyWeights(target, tensors, "x.pt")).toEqual([]);
    expectEqual(target, arrays);
    expect(arrays.has(`${KERNEL}.original`)).toBe(true);
  });

  test.each<[DType, number]>([
    ["float64", 0],
    ["float16", 0.001],
    ["bfloat16", 0.01],
  ])("widens or narrows %s to float32, and says so", (dtype, tolerance) => {
    const before = fileOf().arrays;
    const { tensors } = fileOf(tinyConfig(), (arrays) => {
      for (const [name, array] of arrays) arrays.set(name, castArray(array, dtype));
    });
    const target = twin();
    expect(copyWeights(target, tensors, "x.pt")).toEqual([`${tensors.size} tensors were ${dtype} and are converted`]);
    for (const [name, tensor] of target.stateDict()) {
      const [ours, theirs] = [tensor.toArray(), toFloat64(before.get(name)!)];
      expect(ours.dtype).toBe("float32");
      toFloat64(ours).forEach((value, i) => {
        expect(Math.abs(value - theirs[i]!)).toBeLessThanOrEqual(tolerance * Math.abs(theirs[i]!) + tolerance * 1e-3);
      });
    }
  });

  test.each<DType>(["int64", "int8", "uint8", "bool"])("refuses %s for a weight, and names the tensor", (dtype) => {
    const name = "readouts.1.features.weight";
    const { tensors } = fileOf(tinyConfig(), (arrays) => {
      const { shape, data } = arrays.get(name)!;
      arrays.set(name, castArray({ dtype: "float32", shape, data: new Float32Array(data.length) }, dtype));
    });
    expect(() => copyWeights(twin(), tensors, "x.pt")).toThrow(UserError);
    expect(() => copyWeights(twin(), tensors, "x.pt")).toThrow(
      `of another element type (1):\n  ${name} ${dtype} in the file, float32 in the model`,
    );
  });

  test("names tensors with NaN and infinities, also those that float32 cannot hold", () => {
    const { tensors } = fileOf(tinyConfig(), (arrays) => {
      arrays.get("readouts.0.mean")!.data[1] = Number.NaN;
      const theta = arrays.get("readouts.1.theta")!;
      const large = new Float64Array(theta.data.length).fill(1e300);
      arrays.set("readouts.1.theta", { dtype: "float64", shape: theta.shape, data: large });
    });
    expect(copyWeights(twin(), tensors, "x.pt")).toEqual([
      "1 tensors were float64 and are converted",
      "2 tensors hold NaN or infinite numbers: readouts.0.mean, readouts.1.theta",
    ]);
  });

  test("makes unused copies of normalised weights where the file has none", () => {
    const { arrays, tensors } = fileOf(tinyConfig(), (all) => {
      for (const name of all.keys())
        if (/weight\.original$/.test(name) && all.has(name.replace("original", "0.v"))) all.delete(name);
    });
    const target = twin();
    expect(copyWeights(target, tensors, "x.pt")).toEqual([expect.stringMatching(/^3 unused copies .* made anew$/)]);
    expect(target.stateDict().get(`${KERNEL}.original`)!.toArray()).toEqual(arrays.get(`${KERNEL}.0.v`));
    // The temporal kernels are windowed, not normalised: their original is live and has to be there.
    expect(arrays.has("frontend.temporal_conv.conv.parametrizations.weight.original")).toBe(true);
  });

  test.each(["bias", "fc.bias"])("takes the bias of a linear readout from %s alone", (kept) => {
    const dropped = kept === "bias" ? "fc.bias" : "bias";
    const { arrays, tensors } = fileOf(LINEAR, (all) => {
      for (const readout of [0, 1, 2]) all.delete(`readouts.${readout}.${dropped}`);
    });
    expect([...arrays.keys()].filter((name) => /^readouts\.0\..*bias/.test(name))).toEqual([`readouts.0.${kept}`]);
    const target = twin(LINEAR);
    expect(copyWeights(target, tensors, "x.pt")).toEqual([]);
    expect(target.readouts[2]!.bias!.toArray()).toEqual(arrays.get(`readouts.2.${kept}`));
  });

  test("refuses a linear readout whose two biases differ", () => {
    const { tensors } = fileOf(LINEAR, (arrays) => {
      const { shape } = arrays.get("readouts.1.bias")!;
      arrays.set("readouts.1.bias", { dtype: "float32", shape, data: new Float32Array(5).fill(1) });
      arrays.set("readouts.1.fc.bias", { dtype: "float32", shape, data: Float32Array.of(1, 1, 2, 1, 1) });
    });
    expect(() => copyWeights(twin(LINEAR), tensors, "x.pt")).toThrow(
      '"readouts.1.bias" and "readouts.1.fc.bias" are one tensor in the model but differ in the file (1 and 2 at 2)',
    );
  });

  test("changes and reads nothing when something does not fit", () => {
    const { tensors } = fileOf(tinyConfig(), (arrays) => arrays.delete("readouts.2.std"));
    const target = twin();
    const before = new Map([...target.stateDict()].map(([name, tensor]) => [name, tensor.toArray()]));
    const unreadable = new Map<string, LazyArray>(
      [...tensors].map(([name, { dtype, shape }]) => [
        name,
        { dtype, shape, read: () => expect.fail(`${name} was read`), readRows: () => expect.fail("rows were read") },
      ]),
    );
    expect(() => copyWeights(target, unreadable, "x.pt")).toThrow("missing in the file (1):\n  readouts.2.std [2, 2]");
    expectEqual(target, before);
  });
});

test("copyWeights() knows that the reference makes a gru at the first forward pass", () => {
  const config = tinyConfig({ recurrent: { type: "gru", params: { hidden_dim: 4 } } });
  const { arrays, tensors } = fileOf(config);
  const target = twin(config);
  expect(copyWeights(target, tensors, "x.pt")).toEqual([]);
  expectEqual(target, arrays);

  const fresh = fileOf(config, (all) => {
    for (const name of all.keys()) if (name.startsWith("recurrent.rnn.")) all.delete(name);
  });
  expect(() => copyWeights(target, fresh.tensors, "x.pt")).toThrow(
    "missing in the file (4):\n  recurrent.rnn.weight_ih_l0",
  );
  expect(hintOf(() => copyWeights(target, fresh.tensors, "x.pt"))).toContain(
    "Run a batch through that model and save it again",
  );
});

function hintOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return (error as UserError).hint;
  }
  throw new Error("nothing was thrown");
}

test("importCheckpoint() reads transposed, expanded, shared and spread tensors", () => {
  const { twin: imported, info } = importCheckpoint(`${fixtures}views.pt`);
  made.push(imported);
  const plain = openSafetensors(`${fixtures}views.safetensors`);
  expectEqual(imported, new Map([...plain.tensors].map(([name, array]) => [name, array.read()])));
  expect(info.imported).toMatchObject({ format: "PyTorch state_dict", left_out: [] });
  expect(info).toMatchObject({ epoch: null, global_step: null });
});
