import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PYTHON_NOTE, pythonWithTorch, runPython } from "../../test/python.ts";
import { ConfigError } from "../config/config-error.ts";
import { UserError } from "../errors.ts";
import { toFloat64 } from "../formats/array.ts";
import { openSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import { openTorchFile, tensorsByName } from "../formats/torchfile.ts";
import type { Formulation } from "../models/modules/layer.ts";
import type { Twin } from "../models/twin.ts";
import { fromArray, noGrad, setNumThreads, tensorScope } from "../torch/index.ts";
import { loadTwin, saveModelFile } from "../training/model-file.ts";
import { importCheckpoint } from "./import-checkpoint.ts";
import { floats, torchFile } from "./torch-file.fake.ts";

const fixtures = new URL("../../test/fixtures/interop/", import.meta.url).pathname;
const checkpoints = new URL("../../test/fixtures/formats/checkpoint/", import.meta.url).pathname;

const folder = mkdtempSync(join(tmpdir(), "import-"));
beforeAll(() => setNumThreads(1));
afterAll(() => rmSync(folder, { recursive: true }));

/** Largest difference from the golden outputs, relative to the largest of them. */
function deviations(twin: Twin, name: string): number[] {
  using _scope = tensorScope();
  const golden = openSafetensors(`${fixtures}${name}.safetensors`);
  const input = (key: string) => (golden.tensors.has(key) ? fromArray(golden.tensor(key).read()) : null);
  const [stimulus, behavior] = [input("input.stimulus"), input("input.behavior")];
  const outputs = noGrad(() => twin.forward([0, 1].map((session) => ({ session, stimulus, behavior }))));
  return outputs.map((output, i) => {
    const [ours, theirs] = [toFloat64(output.toArray()), toFloat64(golden.tensor(`output.out${i}`).read())];
    expect(ours.length).toBe(theirs.length);
    const largest = theirs.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    return ours.reduce((worst, value, k) => Math.max(worst, Math.abs(value - theirs[k]!)), 0) / largest;
  });
}

describe("importCheckpoint()", () => {
  const cases = ["resnet_convgru", "dense_concat", "modulator_only"];

  test.each(cases)("gives a twin that predicts what the reference predicts: %s", (name) => {
    const { tolerance } = JSON.parse(readFileSync(`${fixtures}${name}.json`, "utf8")) as { tolerance: number };
    const { twin, info } = importCheckpoint(`${fixtures}${name}.ckpt`);
    expect(info.sessions.map(({ behaviorDim }) => behaviorDim)).toEqual(
      name === "resnet_convgru" ? [null, null] : [10, 10],
    );
    expect(Math.max(...deviations(twin, name))).toBeLessThan(tolerance);

    const path = join(folder, `${name}.safetensors`);
    saveModelFile(path, twin, info);
    for (const formulation of ["fast", "reference"] satisfies Formulation[]) {
      const loaded = loadTwin(path, { formulation });
      expect(Math.max(...deviations(loaded.twin, name))).toBeLessThan(tolerance);
      loaded.twin.dispose();
    }
    twin.dispose();
  });

  test("knows what the checkpoint says about itself, and lists the rest", () => {
    const { twin, info } = importCheckpoint(`${fixtures}resnet_convgru.ckpt`);
    twin.dispose();
    expect(info).toMatchObject({ epoch: 4, global_step: 300, settings: null, metrics: {}, input: null });
    expect(info.sessions.map(({ name, nUnits, cids, config }) => ({ name, nUnits, cids, config }))).toEqual([
      { name: "session_0", nUnits: 3, cids: [0, 1, 2], config: null },
      { name: "session_1", nUnits: 4, cids: [0, 1, 2, 3], config: null },
    ]);
    expect(info.imported).toMatchObject({ file: "resnet_convgru.ckpt", format: "Lightning checkpoint" });
    expect(info.imported.hyper_parameters).toMatchObject({
      lr: 1e-3,
      cfg_dir: "configs/datasets.yaml",
      pretrained_checkpoint: null,
      flags: { gpu: 0 },
    });
    expect(info.imported.hyper_parameters).not.toHaveProperty("model_config_dict");
    expect(info.imported.left_out).toEqual([
      "loops",
      "callbacks",
      "optimizer_states",
      "lr_schedulers",
      "hyper_parameters.loss (torch.nn.modules.linear.Identity)",
    ]);
    expect(info.imported.notes).toEqual([expect.stringContaining("identities of units are unknown")]);
  });

  test("keeps every tensor of a checkpoint written by the reference, decoys included", () => {
    const { twin, info } = importCheckpoint(`${checkpoints}checkpoint_tiny.ckpt`);
    const theirs = openSafetensors(`${checkpoints}checkpoint_tiny.safetensors`);
    const ours = twin.stateDict();
    expect([...ours.keys()].map((name) => `model.${name}`).sort()).toEqual([...theirs.tensors.keys()].sort());
    for (const [name, tensor] of ours) expect(tensor.toArray()).toEqual(theirs.tensor(`model.${name}`).read());
    expect(info).toMatchObject({ epoch: 2, global_step: 12 });
    twin.dispose();
  });

  test("reads weights that Python's safetensors wrote, with a configuration from elsewhere", () => {
    const state = openTorchFile(`${checkpoints}checkpoint_tiny.ckpt`);
    const tensors = tensorsByName("tiny", (state.root as Map<string, unknown>).get("state_dict"), "it");
    const path = join(folder, "weights.safetensors");
    writeSafetensors(path, new Map([...tensors].map(([name, array]) => [name, array.read()])), { format: "pt" });
    expect(() => importCheckpoint(path)).toThrow(`Cannot import "${path}": it carries no model configuration`);
    const { twin, info } = importCheckpoint(path, { modelConfig: tinyModelFile() });
    expect(twin.stateDict().get("readouts.0.mean")!.toArray()).toEqual(tensors.get("model.readouts.0.mean")!.read());
    expect(info).toMatchObject({ epoch: null, global_step: null });
    expect(info.imported).toMatchObject({ format: "safetensors state_dict", hyper_parameters: {}, left_out: [] });
    const saved = join(folder, "from-safetensors.safetensors");
    saveModelFile(saved, twin, info);
    twin.dispose();
    const loaded = loadTwin(saved);
    expect(loaded.info).toMatchObject({ epoch: null, global_step: null, settings: null });
    loaded.twin.dispose();
  });

  test("imports a frozen-core checkpoint, which has no configuration, with that of the core", () => {
    const path = `${fixtures}frozencore.ckpt`;
    expect(() => importCheckpoint(path)).toThrow("it carries no model configuration");
    const { twin, info } = importCheckpoint(path, { modelConfig: tinyModelFile() });
    expect(info).toMatchObject({ epoch: 1, global_step: 8 });
    expect(info.imported.hyper_parameters).toMatchObject({ pretrained_checkpoint: "checkpoints/tiny_run/last.ckpt" });
    twin.dispose();
  });

  test("says which file the checkpoint was trained with when its configuration is missing", () => {
    const path = checkpointWith({ hyper_parameters: new Map([["model_cfg", "configs/best.yaml"]]) });
    expect(errorOf(() => importCheckpoint(path)).hint).toContain('It was trained with "configs/best.yaml"');
  });

  test("prefers the configuration it is given, and says when the stored one differs", () => {
    const path = `${checkpoints}checkpoint_tiny.ckpt`;
    const same = importCheckpoint(path, { modelConfig: tinyModelFile() });
    expect(same.info.imported.notes.filter((note) => note.includes("differs"))).toEqual([]);
    same.twin.dispose();
    const changed = importCheckpoint(path, { modelConfig: tinyModelFile({ output_activation: "relu" }) });
    expect(changed.info.model_config.output_activation).toBe("relu");
    expect(changed.info.imported.notes).toContain("model.yaml differs from the model configuration in the file");
    changed.twin.dispose();
  });

  test("lists every tensor that another configuration does not have", () => {
    const path = `${checkpoints}checkpoint_tiny.ckpt`;
    const modelConfig = tinyModelFile({ recurrent: { type: "convgru", params: { hidden_dim: 5, kernel_size: 3 } } });
    const { message } = errorOf(() => importCheckpoint(path, { modelConfig }));
    expect(message).toContain("of another shape (8):");
    expect(message).toContain("  recurrent.cells.0.out_gate.bias [4] in the file, [5] in the model");
    expect(message).toContain("  readouts.1.features.weight [3, 4, 1, 1] in the file, [3, 5, 1, 1] in the model");
  });

  test("names the key of a configuration in a checkpoint that is wrong", () => {
    const config = new Map([["model_type", "v2"]]);
    const path = checkpointWith({ hyper_parameters: new Map([["model_config_dict", config]]) });
    const error = errorOf(() => importCheckpoint(path));
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain(`Cannot use the model configuration in ${path}`);
    expect(error.message).toContain("model_type: expected one of v1, v1multi, v1multi_history");
    expect(error.hint).toContain("--model-config");
  });

  test("takes names, units and sizes from dataset files", () => {
    const datasetConfigs = datasetFile({ "A_2022-01-01": [4, 7, 9], "B_2022-01-01": [1, 2, 3, 5] });
    const path = `${fixtures}resnet_convgru.ckpt`;
    const { twin, info } = importCheckpoint(path, { datasetConfigs, input: { height: 27, width: 30 } });
    expect(info.sessions.map(({ name, cids }) => [name, cids])).toEqual([
      ["A_2022-01-01", [4, 7, 9]],
      ["B_2022-01-01", [1, 2, 3, 5]],
    ]);
    expect(info.input).toEqual({ frames: 20, height: 27, width: 30 });
    expect(info.imported.notes).toEqual([]);
    twin.dispose();

    // A part of the size is no size.
    const part = importCheckpoint(path, { datasetConfigs, input: { height: 27 } });
    expect(part.info.input).toBeNull();
    part.twin.dispose();

    const others = datasetFile({ "A_2022-01-01": [4, 7, 9], "B_2022-01-01": [1, 2] });
    expect(() => importCheckpoint(path, { datasetConfigs: others })).toThrow(
      "session 1 B_2022-01-01: 4 units in the checkpoint, 2 cids in the dataset file",
    );
  });

  test("builds no model that is far larger than the file", () => {
    const config = new Map<string, unknown>([
      ["model_type", "v1multi"],
      ["convnet", new Map([["type", "none"]])],
      [
        "recurrent",
        new Map<string, unknown>([
          ["type", "convgru"],
          ["params", new Map([["hidden_dim", 100_000]])],
        ]),
      ],
    ]);
    const path = checkpointWith({ hyper_parameters: new Map([["model_config_dict", config]]) });
    expect(() => importCheckpoint(path)).toThrow(/the model configuration describes \d+ parameters, the file has/);
  });
});

describe(`importCheckpoint() with files that PyTorch writes now${PYTHON_NOTE}`, () => {
  /** A checkpoint of the fixtures, loaded and saved again by PyTorch. */
  function savedAgain(name: string, expression: string, options = ""): string {
    const path = join(folder, name);
    const script = `
import json, sys, torch
found = torch.load(sys.argv[1], weights_only=False)
torch.save(${expression}, sys.argv[2]${options})
print(json.dumps(None))`;
    runPython(script, [`${checkpoints}checkpoint_tiny.ckpt`, path]);
    return path;
  }
  const bare = `{k[6:]: v.half() for k, v in found["state_dict"].items()}`;

  test.skipIf(pythonWithTorch === undefined)("reads a bare state_dict in half precision", () => {
    const path = savedAgain("half.pth", bare);
    const { twin, info } = importCheckpoint(path, { modelConfig: tinyModelFile() });
    const theirs = openSafetensors(`${checkpoints}checkpoint_tiny.safetensors`);
    expect(info.imported.notes).toContain(`${theirs.tensors.size} tensors were float16 and are converted`);
    const ours = toFloat64(twin.stateDict().get("readouts.1.mean")!.toArray());
    toFloat64(theirs.tensor("model.readouts.1.mean").read()).forEach((value, i) => {
      expect(ours[i]).toBeCloseTo(value, 3);
    });
    twin.dispose();
  });

  test.skipIf(pythonWithTorch === undefined)("refuses PyTorch's old format, saying how to convert it", () => {
    const path = savedAgain("old.pth", bare, ", _use_new_zipfile_serialization=False");
    const { message, hint } = errorOf(() => importCheckpoint(path, { modelConfig: tinyModelFile() }));
    expect(message).toContain("format from before version 1.6");
    expect(hint).toContain("torch.save(torch.load(path), path)");
  });
});

/** A checkpoint with one readout, and what is given. */
function checkpointWith(parts: Record<string, unknown>): string {
  const state = new Map([["model.readouts.0.mean", floats([1, 2], [0, 0])]]);
  const path = join(folder, "made.ckpt");
  writeFileSync(path, torchFile(new Map<string, unknown>([["state_dict", state], ...Object.entries(parts)])));
  return path;
}

/** The model configuration of checkpoint_tiny, with changes, in a file. */
function tinyModelFile(change: Record<string, unknown> = {}): string {
  const listing = JSON.parse(readFileSync(`${checkpoints}checkpoint_tiny.json`, "utf8"));
  const path = join(folder, "model.yaml");
  // JSON is YAML.
  writeFileSync(path, JSON.stringify({ ...listing.hyper_parameters.model_config_dict, ...change }));
  return path;
}

function datasetFile(units: Record<string, number[]>): string {
  mkdirSync(join(folder, "sessions"), { recursive: true });
  for (const [name, cids] of Object.entries(units)) {
    writeFileSync(join(folder, "sessions", `${name}.yaml`), JSON.stringify({ cids }));
  }
  const shared = {
    session_dir: "sessions",
    sessions: Object.keys(units),
    types: ["gaborium"],
    keys_lags: { robs: 0, stim: Array.from({ length: 20 }, (_, lag) => lag) },
    train_val_split: 0.8,
  };
  const path = join(folder, "datasets.yaml");
  writeFileSync(path, JSON.stringify(shared));
  return path;
}

function errorOf(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error("nothing was thrown");
}
