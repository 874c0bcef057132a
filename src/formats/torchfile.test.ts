import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { arrayBytes, toFloat64 } from "./array.ts";
import { type ByteSource, memorySource } from "./byte-source.ts";
import type { LazyArray } from "./lazy.ts";
import { plainValue } from "./plain-value.ts";
import { openSafetensors } from "./safetensors.ts";
import { openTorchFile, tensorsByName } from "./torchfile.ts";
import { ZipArchive } from "./zip.ts";
import { ZipWriter } from "./zip-writer.ts";

const fixtures = new URL("../../test/fixtures/formats/", import.meta.url).pathname;

/** A fixture with some entries replaced; null removes an entry. */
function changed(path: string, changes: Record<string, string | Uint8Array | null>): ByteSource {
  const archive = new ZipArchive(path);
  const parts: Uint8Array[] = [];
  const writer = new ZipWriter((bytes) => parts.push(bytes.slice()), { alignment: 64 });
  for (const name of new Set([...archive.entries.keys(), ...Object.keys(changes)])) {
    const change = changes[name];
    if (change === null) continue;
    writer.add(name, change === undefined ? archive.read(name) : Buffer.from(change));
  }
  writer.finish();
  archive.close();
  return memorySource(Buffer.concat(parts), "changed.pt");
}

function expectSameTensors(tensors: ReadonlyMap<string, LazyArray>, twin: string): void {
  const file = openSafetensors(twin);
  expect([...tensors.keys()].sort()).toEqual([...file.tensors.keys()].sort());
  for (const [name, tensor] of tensors) {
    const [ours, theirs] = [tensor.read(), file.tensor(name).read()];
    expect([name, ours.dtype, ours.shape]).toEqual([name, theirs.dtype, theirs.shape]);
    expect(Buffer.compare(arrayBytes(ours), arrayBytes(theirs))).toBe(0);
  }
  file.close();
}

describe("openTorchFile()", () => {
  test("reads a Lightning checkpoint: tensors bit for bit, everything else as listed", () => {
    const path = `${fixtures}checkpoint/checkpoint_tiny.ckpt`;
    const file = openTorchFile(path);
    const root = file.root as Map<string, unknown>;
    const listing = JSON.parse(readFileSync(`${fixtures}checkpoint/checkpoint_tiny.json`, "utf8"));
    expect([...root.keys()]).toEqual(listing.top_level_keys);

    const weights = tensorsByName(path, root.get("state_dict"), "its state_dict");
    expect([...weights.keys()]).toEqual(listing.state_dict.map((entry: { name: string }) => entry.name));
    expectSameTensors(weights, path.replace(".ckpt", ".safetensors"));

    const plain = plainValue(file.root, path) as Record<string, unknown>;
    for (const key of ["epoch", "global_step", "hparams_name", "hyper_parameters", "lr_schedulers", "loops"]) {
      expect({ [key]: plain[key] }).toEqual({ [key]: listing[key] });
    }
    const [optimizer] = plain.optimizer_states as {
      param_groups: unknown;
      state: Record<string, { step: LazyArray }>;
    }[];
    expect(optimizer!.param_groups).toEqual(listing.optimizer.param_groups);
    const steps = Object.entries(optimizer!.state).map(([index, { step }]) => [index, toFloat64(step.read())[0]]);
    expect(Object.fromEntries(steps)).toEqual(listing.optimizer.state_index_to_step);
    file.close();
  });

  test("honours offsets and strides of views and shared storages", () => {
    const file = openTorchFile(`${fixtures}torch/strided.pt`);
    const root = file.root as Map<string, LazyArray>;
    const expected = JSON.parse(readFileSync(`${fixtures}torch/strided.json`, "utf8")) as Record<
      string,
      { shape: number[]; values: number[] }
    >;
    expect(Object.keys(expected).length).toBeGreaterThan(20);
    for (const [name, { shape, values }] of Object.entries(expected)) {
      const array = root.get(name)!.read();
      expect([name, array.shape, [...toFloat64(array)]]).toEqual([name, shape, values]);
      for (let row = 0; row < (shape[0] ?? 0); row++) {
        const perRow = values.length / shape[0]!;
        const wanted = values.slice(row * perRow, (row + 1) * perRow);
        expect([...toFloat64(root.get(name)!.readRows(row, row + 1))]).toEqual(wanted);
      }
    }
    file.close();
  });

  test("reads every element type, parameters, sizes, devices and dtypes", () => {
    const file = openTorchFile(`${fixtures}torch/strided.pt`);
    const root = file.root as Map<string, LazyArray>;
    const types = ["Double", "Float", "Half", "Long", "Int", "Short", "Char", "Byte", "Bool"].map(
      (kind) => root.get(kind)!.dtype,
    );
    expect(types).toEqual(["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]);
    expect(root.get("bfloat16")!.read()).toEqual({
      dtype: "bfloat16",
      shape: [3],
      data: Uint16Array.of(0x3f80, 0xc000, 0x7fc1),
    });
    expect(root.get("parameter")!.read()).toEqual(root.get("base")!.read());
    expect([root.get("size"), root.get("device"), root.get("dtype")]).toEqual([[4, 6], "cuda:1", "torch.float32"]);
    file.close();
  });

  test("refuses Python objects that are no data, and never runs them", () => {
    expect(() => openTorchFile(`${fixtures}torch/forbidden.pt`)).toThrow(UserError);
    expect(() => openTorchFile(`${fixtures}torch/forbidden.pt`)).toThrow(
      /the Python object (posix|nt|os)\.system is not plain data/,
    );
    const kept = openTorchFile(`${fixtures}torch/forbidden.pt`, { unknown: "keep" });
    const root = kept.root as Map<string, unknown>;
    expect(root.get("command")).toMatchObject({ args: ["touch executed"], state: null });
    expect([...(root.get("tensor") as LazyArray).read().data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    kept.close();
  });

  const state = `${fixtures}torch/state.pt`;
  const pickle = (): string => {
    const archive = new ZipArchive(state);
    const text = Buffer.from(archive.read("state/data.pkl")).toString("latin1");
    archive.close();
    return text;
  };
  const repickled = (from: string, to: string): ByteSource => {
    expect(pickle()).toContain(from);
    return changed(state, { "state/data.pkl": Buffer.from(pickle().replace(from, to), "latin1") });
  };

  test.each<[string, () => ByteSource, string]>([
    [
      "byte order",
      () => changed(state, { "state/byteorder": "big" }),
      'its byte order is "big", only "little" is supported',
    ],
    ["missing storage", () => changed(state, { "state/data/0": null }), 'it has no entry "state/data/0"'],
    ["short storage", () => changed(state, { "state/data/0": "1234567" }), "storage 0 takes 8 bytes but has 7"],
    ["missing pickle", () => changed(state, { "state/data.pkl": null }), "without data.pkl, not a PyTorch file"],
    ["TorchScript", () => changed(state, { "state/constants.pkl": "" }), "it is a TorchScript archive"],
    ["text for a pickle", () => changed(state, { "state/data.pkl": "weights" }), "not a pickle of protocol 2 to 5"],
    ["unknown storage", () => repickled("ByteStorage", "QUInt8Storage"), "torch.QUInt8Storage is not plain data"],
    [
      "tensor beyond its storage",
      () => repickled("K\x04K\x02\x86", "K\x05K\x02\x86"),
      "a tensor [5, 2] reaches beyond the 8 elements",
    ],
    ["strides of another length", () => repickled("K\x02K\x01\x86", "K\x02K\x01\x85"), "a tensor is damaged"],
    ["negative stride", () => repickled("K\x02K\x01\x86", "J\xff\xff\xff\xffK\x01\x86"), "a tensor is damaged"],
    ["reference without a storage", () => repickled("storage", "storagE"), "a reference to a storage is damaged"],
  ])("refuses a file with wrong content: %s", (_, source, message) => {
    expect(() => openTorchFile(source())).toThrow(UserError);
    expect(() => openTorchFile(source())).toThrow(message);
  });

  test("accepts files without a byteorder entry", () => {
    const root = openTorchFile(changed(state, { "state/byteorder": null })).root as Map<string, Map<string, LazyArray>>;
    expect([...root.get("state_dict")!.get("weight")!.read().data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("names other formats", () => {
    const folder = mkdtempSync(join(tmpdir(), "torchfile-"));
    const path = join(folder, "old.pt");
    const messageFor = (content: Uint8Array): string => {
      writeFileSync(path, content);
      try {
        openTorchFile(path);
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
        return (error as UserError).message;
      }
      throw new Error("nothing was thrown");
    };
    const legacy = Buffer.from("80028a0a6cfc9c46f9206aa850192e", "hex");
    expect(messageFor(legacy)).toContain("format from before version 1.6");
    expect(messageFor(Buffer.from("\x89HDF\r\n\x1a\n", "latin1"))).toContain("it is an HDF5 file");
    expect(messageFor(new Uint8Array(0))).toContain("it is not a zip archive");
    expect(messageFor(readFileSync(`${fixtures}npy/stored.npz`))).toContain("without data.pkl");
    rmSync(folder, { recursive: true });
  });
});

describe("tensorsByName()", () => {
  const file = openTorchFile(`${fixtures}torch/unknown.dset`, { unknown: "keep" });
  afterAll(() => file.close());
  const root = file.root as Map<string, Map<string, unknown>>;
  const tensor = root.get("covariates")!.get("stim");

  test("gives the tensors of a dictionary", () => {
    expect([...tensorsByName("x.pt", root.get("covariates"), "it").keys()]).toEqual(["stim"]);
  });

  test.each<[string, unknown, string]>([
    ["no dictionary", [tensor], "its state_dict is no dictionary"],
    ["a number for a key", new Map([[5, tensor]]), "its state_dict has the key 5, not a string"],
    ["a number", new Map([["w", 5]]), '"w" in its state_dict is a number, not a tensor'],
    ["None", new Map([["w", null]]), '"w" in its state_dict is None, not a tensor'],
    ["a list", new Map([["w", [1]]]), '"w" in its state_dict is a list, not a tensor'],
    [
      "an unknown object",
      new Map([["w", root.get("metadata")!.get("namespace")]]),
      "is a Python object argparse.Namespace",
    ],
    [
      "a tensor of an unknown element type",
      new Map([["w", root.get("metadata")!.get("complex_tensor")]]),
      "is not readable (storages of type torch.ComplexFloatStorage are not supported)",
    ],
  ])("refuses %s", (_, value, message) => {
    expect(() => tensorsByName("x.pt", value, "its state_dict")).toThrow(UserError);
    expect(() => tensorsByName("x.pt", value, "its state_dict")).toThrow(message);
  });
});
