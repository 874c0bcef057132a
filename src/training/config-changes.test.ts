import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { acceptChanges, configChanges } from "./config-changes.ts";
import type { ModelFile } from "./model-file.ts";
import { describeSession } from "./session-fit.ts";
import { tinyModel, tinySessions } from "./tiny-run.fake.ts";

const sessions = tinySessions();
const configs = sessions.map(({ config }) => config);
const file = {
  path: "last.safetensors",
  info: { model_config: tinyModel(), sessions: sessions.map(describeSession) },
} as unknown as ModelFile;

describe("configChanges()", () => {
  test("finds nothing where nothing differs, wherever the files lie", () => {
    const moved = configs.map((config) => ({ ...config, data_dir: "/elsewhere" }));
    expect(configChanges(file, tinyModel(), moved)).toEqual([]);
  });

  test("names the keys of the model that differ, down to blocks", () => {
    const model = { ...tinyModel({ dropout: 0.5 }), output_activation: "relu" as const };
    expect(configChanges(file, model, configs)).toEqual([
      { name: "model.convnet.params.block_configs.0.dropout", stored: 0.2, given: 0.5 },
      { name: "model.output_activation", stored: "softplus", given: "relu" },
    ]);
  });

  test("names what all sessions have in common once", () => {
    const split = configs.map((config) => ({ ...config, train_val_split: 0.5 }));
    expect(configChanges(file, tinyModel(), split)).toEqual([
      { name: "dataset.train_val_split", stored: 0.8, given: 0.5 },
    ]);
    const one = configs.map((config, i) => (i === 1 ? { ...config, seed: 7 } : config));
    expect(configChanges(file, tinyModel(), one)).toEqual([{ name: "Logan_2019-12-20.seed", stored: 1002, given: 7 }]);
  });
});

describe("acceptChanges()", () => {
  const changes = [
    { name: "learningRate", stored: 0.01, given: 0.5 },
    { name: "model.adapter.type", stored: "none", given: undefined },
  ];

  test("lists every change that is not allowed, and how to allow it", () => {
    const attempt = () => acceptChanges("last.safetensors", changes, undefined);
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(
      'Cannot resume from "last.safetensors" with another configuration:\n' +
        "  learningRate is 0.5, the checkpoint had 0.01\n" +
        "  model.adapter.type is absent, the checkpoint had none",
    );
    expect(attempt).toThrow(expect.objectContaining({ hint: expect.stringContaining("--allow-config-change") }));
  });

  test("lists every change that is", () => {
    expect(acceptChanges("last.safetensors", changes, true)).toEqual([
      "Accepted change: learningRate is 0.5, the checkpoint had 0.01",
      "Accepted change: model.adapter.type is absent, the checkpoint had none",
    ]);
    expect(acceptChanges("last.safetensors", [], undefined)).toEqual([]);
  });
});
