import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PYTHON_NOTE, pythonWithTorch, runPython } from "../../test/python.ts";
import { parseModelConfig } from "../config/model.ts";
import { arrayBytes, toFloat64 } from "../formats/array.ts";
import type { LazyArray } from "../formats/lazy.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { openTorchFile } from "../formats/torchfile.ts";
import { buildModel } from "../models/build.ts";
import { Generator, setNumThreads } from "../torch/index.ts";
import { openModelFile, saveModelFile } from "../training/model-file.ts";
import { tinyInfo, tinyTwin } from "../training/tiny-checkpoint.fake.ts";
import { type Exported, exportPytorch, exportSafetensors } from "./export-pytorch.ts";
import { importCheckpoint } from "./import-checkpoint.ts";

setNumThreads(1);

const CHECKPOINT = resolve(import.meta.dirname, "../../test/fixtures/formats/checkpoint/checkpoint_tiny.ckpt");

let folder: string;
let model: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "export-"));
  model = join(folder, "model.safetensors");
  const twin = tinyTwin(1);
  saveModelFile(model, twin, tinyInfo());
  twin.dispose();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Exports the small model, or another. */
function exported(
  name: string,
  write: typeof exportPytorch | typeof exportSafetensors,
  options: Parameters<typeof exportPytorch>[2] = {},
  from = model,
): Exported & { path: string } {
  const path = join(folder, name);
  using file = openModelFile(from);
  return { path, ...write(file, path, options) };
}

/** Element type, shape and bytes of tensors. */
function contents(tensors: ReadonlyMap<string, LazyArray>): Record<string, unknown> {
  return Object.fromEntries(
    [...tensors].map(([name, tensor]) => {
      const array = tensor.read();
      return [name, [array.dtype, array.shape, Buffer.from(arrayBytes(array)).toString("hex")]];
    }),
  );
}

function stored(path = model): Record<string, unknown> {
  using file = openModelFile(path);
  return contents(file.tensors);
}

/** A value of a pickle with objects in place of Maps. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
}

function rootOf(path: string): Map<string, unknown> {
  return openTorchFile(path).root as Map<string, unknown>;
}

/** A model with a linear readout, whose bias has two names, saved. */
function linearModel(): string {
  const path = join(folder, "linear.safetensors");
  const config = parseModelConfig({
    model_type: "v1multi",
    convnet: { type: "none" },
    readout: { type: "linear", params: { bias: true } },
  });
  const sessions = tinyInfo().sessions.map(({ name, nUnits }) => ({ name, nUnits }));
  const twin = buildModel(config, sessions, { generator: new Generator(2) });
  saveModelFile(path, twin, { ...tinyInfo(), model_config: config });
  twin.dispose();
  return path;
}

describe("exportPytorch()", () => {
  test("writes a state_dict with the names, order and bits of the model file", () => {
    const { path, names, warnings } = exported("plain.pt", exportPytorch);
    const state = rootOf(path) as Map<string, LazyArray>;
    expect([...state.keys()]).toEqual(names);
    expect(names).toEqual(Object.keys(stored()));
    expect(contents(state)).toEqual(stored());
    expect(warnings).toEqual([]);
  });

  test("puts a prefix before the names", () => {
    const { names } = exported("prefix.pt", exportPytorch, { prefix: "net." });
    expect(names).toEqual(Object.keys(stored()).map((name) => `net.${name}`));
  });

  test("converts floating tensors, and says where they became infinite", () => {
    for (const dtype of ["bfloat16", "float16"] as const) {
      const { path, warnings } = exported(`${dtype}.pt`, exportPytorch, { dtype });
      expect(warnings).toEqual([]);
      using file = openModelFile(model);
      for (const [name, tensor] of rootOf(path) as Map<string, LazyArray>) {
        expect(tensor.dtype).toBe(dtype);
        const [found, expected] = [toFloat64(tensor.read()), toFloat64(file.tensors.get(name)!.read())];
        const relative = dtype === "bfloat16" ? 2 ** -8 : 2 ** -11;
        for (const [i, value] of expected.entries()) {
          expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(relative * Math.abs(value) + 2 ** -25);
        }
      }
    }
    const large = join(folder, "large.safetensors");
    const twin = tinyTwin(1);
    twin.stateDict().get("readouts.0.bias")!.detach().fill_(1e6);
    saveModelFile(large, twin, tinyInfo());
    twin.dispose();
    expect(exported("large.pt", exportPytorch, { dtype: "float16" }, large).warnings).toEqual([
      "readouts.0.bias has values that float16 cannot hold; they became infinite",
    ]);
  });

  test("warns of what the reference's code computes differently", () => {
    const path = join(folder, "corrected.safetensors");
    const info = tinyInfo();
    const twin = tinyTwin(1);
    saveModelFile(path, twin, { ...info, model_config: { ...info.model_config, lag_order: "oldest_first" } });
    twin.dispose();
    expect(exported("corrected.pt", exportPytorch, {}, path).warnings).toEqual([
      'PyTorch code of the reference will not give the same rates: lag_order is "oldest_first": ' +
        "the reference has no such key; it refuses or ignores it",
    ]);
  });

  test("writes a Lightning checkpoint with everything the reference's loader takes", () => {
    const { path } = exported("last.ckpt", exportPytorch, { lightning: true });
    const root = rootOf(path);
    expect([root.get("epoch"), root.get("global_step")]).toEqual([3, 40]);
    expect(root.get("pytorch-lightning_version")).toMatch(/^2\./);
    const names = [...(root.get("state_dict") as Map<string, LazyArray>).keys()];
    expect(names).toEqual(Object.keys(stored()).map((name) => `model.${name}`));
    const hyper = root.get("hyper_parameters") as Map<string, unknown>;
    expect([...hyper.keys()].slice(0, 9)).toEqual(
      "model_cfg cfg_dir lr wd max_ds pretrained_checkpoint freeze_vision compile_model model_config_dict".split(" "),
    );
    expect([hyper.get("lr"), hyper.get("wd"), hyper.get("max_ds")]).toEqual([1e-4, 1e-5, 3]);
    expect((hyper.get("model_config_dict") as Map<string, unknown>).get("model_type")).toBe("v1multi");
  });

  test("refuses a damaged model file and leaves no export behind", () => {
    const bytes = readFileSync(model);
    bytes[bytes.length - 3]! ^= 1;
    const damaged = join(folder, "damaged.safetensors");
    writeFileSync(damaged, bytes);
    const target = join(folder, "of-damaged.pt");
    expect(() => exported("of-damaged.pt", exportPytorch, {}, damaged)).toThrow("its parameters are damaged");
    expect(() => readFileSync(target)).toThrow("ENOENT");
  });
});

describe("exportSafetensors()", () => {
  test("writes bare weights, with a header that other readers take", () => {
    const { path, names } = exported("bare.safetensors", exportSafetensors);
    const file = openSafetensors(path);
    expect(file.metadata).toEqual({ format: "pt" });
    expect([...file.tensors.keys()]).toEqual(names);
    expect(contents(file.tensors)).toEqual(stored());
    file.close();
    expect(Number(readFileSync(path).readBigUInt64LE(0)) % 8).toBe(0);
  });

  test("writes a tensor with two names under both", () => {
    const from = linearModel();
    const { path } = exported("linear-bare.safetensors", exportSafetensors, {}, from);
    const file = openSafetensors(path);
    expect(contents(file.tensors)).toEqual(stored(from));
    file.close();
  });
});

describe("importing and exporting", () => {
  /** The reference's checkpoint through a model file of ours. */
  function throughModelFile(): { path: string; from: string } {
    const from = join(folder, "imported.safetensors");
    const { twin, info } = importCheckpoint(CHECKPOINT);
    saveModelFile(from, twin, info);
    twin.dispose();
    return { ...exported("again.ckpt", exportPytorch, { lightning: true }, from), from };
  }

  test("gives back the reference's checkpoint: names in order, bits, configuration", () => {
    const [before, after] = [rootOf(CHECKPOINT), rootOf(throughModelFile().path)];
    const [was, is] = [before, after].map((root) => root.get("state_dict") as Map<string, LazyArray>);
    expect([...is!.keys()]).toEqual([...was!.keys()]);
    expect(contents(is!)).toEqual(contents(was!));
    for (const key of ["epoch", "global_step", "pytorch-lightning_version", "hparams_name"]) {
      expect(after.get(key)).toEqual(before.get(key));
    }
    const hyper = (root: Map<string, unknown>) => plain(root.get("hyper_parameters")) as Record<string, unknown>;
    const { model_config_dict: wasConfig, ...wasRest } = hyper(before);
    const { model_config_dict: isConfig, ...isRest } = hyper(after);
    expect(isRest).toEqual(wasRest);
    // Defaults need not be spelt out.
    expect(parseModelConfig(isConfig)).toEqual(parseModelConfig(wasConfig));
  });

  test("gives back our own weights, also those with two names", () => {
    for (const from of [model, linearModel()]) {
      const { path } = exported("ours.ckpt", exportPytorch, { lightning: true }, from);
      const { twin, info } = importCheckpoint(path);
      const again = join(folder, "ours.safetensors");
      saveModelFile(again, twin, info);
      twin.dispose();
      expect(stored(again)).toEqual(stored(from));
      using file = openModelFile(again);
      using original = openModelFile(from);
      expect(file.info.model_config).toEqual(original.info.model_config);
    }
  });

  test.skipIf(pythonWithTorch === undefined)(`PyTorch sees the same numbers in both checkpoints${PYTHON_NOTE}`, () => {
    const { path, from } = throughModelFile();
    const bare = exported("bare-python.safetensors", exportSafetensors, {}, from);
    const script = `
import json, struct, sys, torch
before = torch.load(sys.argv[1], weights_only=True)
found = {}
for name, options in {"plain": {}, "mapped": {"mmap": True}}.items():
    after = torch.load(sys.argv[2], weights_only=True, **options)
    a, b = before["state_dict"], after["state_dict"]
    found[name] = list(a) == list(b) and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)
with open(sys.argv[3], "rb") as file:
    (length,) = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(length))
    data = file.read()
def tensor(entry):
    start, end = entry["data_offsets"]
    return torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32).reshape(entry["shape"])
found["safetensors"] = length % 8 == 0 and all(torch.equal(tensor(header[k.removeprefix("model.")]), a[k]) for k in a)
linear = torch.load(sys.argv[4], weights_only=True)
found["shared"] = linear["readouts.0.bias"].data_ptr() == linear["readouts.0.fc.bias"].data_ptr()
print(json.dumps(found))`;
    const linear = exported("linear-python.pt", exportPytorch, {}, linearModel());
    expect(runPython(script, [CHECKPOINT, path, bare.path, linear.path])).toEqual({
      plain: true,
      mapped: true,
      safetensors: true,
      shared: true,
    });
  });
});
