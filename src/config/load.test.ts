import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { MissingFileError } from "./file.ts";
import { loadModelConfig, readModelConfig } from "./load.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "visioncore-load-"));
  writeFileSync(join(folder, "resnet_gru.yaml"), "convnet: {type: none}\nsampling_rate: 120\n");
  writeFileSync(join(folder, "dense.yml"), "convnet: {type: none}\n");
  mkdirSync(join(folder, "empty"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function errorOf(path: string): UserError {
  try {
    loadModelConfig(path);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("expected a UserError");
}

describe("loadModelConfig()", () => {
  test("gives typed values and the text they came from", () => {
    const path = join(folder, "resnet_gru.yaml");
    const loaded = loadModelConfig(path);
    expect(loaded.config.sampling_rate).toBe(120);
    expect(loaded.text).toBe(readFileSync(path, "utf8"));
    expect(loaded.path).toBe(path);
    expect(readModelConfig(loaded.text, "checkpoint").config).toEqual(loaded.config);
  });

  test.each([
    ["resnet_gru", "resnet_gru.yaml"],
    ["resnet_gruu.yaml", "resnet_gru.yaml"],
    ["ResNet_GRU.yaml", "resnet_gru.yaml"],
    ["dense.yaml", "dense.yml"],
  ])("suggests a similar name for %s", (wanted, similar) => {
    const error = errorOf(join(folder, wanted));
    expect(error).toBeInstanceOf(MissingFileError);
    expect(error.message).toBe(`Cannot find model config "${join(folder, wanted)}"`);
    expect(error.hint).toBe(`Did you mean "${join(folder, similar)}"?`);
  });

  test("lists the folder when nothing is similar", () => {
    expect(errorOf(join(folder, "vivit.yaml")).hint).toBe(`The folder "${folder}" holds dense.yml, resnet_gru.yaml.`);
    expect(errorOf(join(folder, "empty", "a.yaml")).hint).toBe(
      `The folder "${join(folder, "empty")}" holds no YAML files.`,
    );
  });

  test("names a folder that does not exist", () => {
    const path = join(folder, "nowhere", "a.yaml");
    expect(errorOf(path).message).toBe(
      `Cannot find model config "${path}": there is no folder "${join(folder, "nowhere")}"`,
    );
  });

  test("refuses a folder", () => {
    const error = errorOf(folder);
    expect(error.message).toBe(`Cannot read "${folder}": it is a folder, expected a model config`);
    expect(error.hint).toContain("resnet_gru.yaml");
  });
});
