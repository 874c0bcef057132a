import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkpointStem } from "../training/naming.ts";
import { extractModelType, parseCheckpointName, scanCheckpoints } from "./checkpoints.ts";

describe("parseCheckpointName()", () => {
  test("reads what the trainer writes", () => {
    expect(parseCheckpointName(`${checkpointStem(7, 0.57021)}.safetensors`)).toEqual({
      epoch: 7,
      valLoss: null,
      valBps: 0.5702,
    });
  });

  test.each([
    ["epoch=3-val_bps_overall=-0.0100.ckpt", -0.01, null],
    ["epoch=3-val_bps=1e-05.ckpt", 1e-5, 1],
    ["epoch=3-bps=+2.5E-1-v1.ckpt", 0.25, null],
    ["epoch=3-bps=.25.ckpt", 0.25, null],
    ["epoch=3-bps=5.ckpt", 5, 5],
  ])("reads signs and exponents, which the reference does not: %s", (name, ours, reference) => {
    expect(parseCheckpointName(name).valBps).toBe(ours);
    expect(parseCheckpointName(name, { compat: "reference" }).valBps).toBe(reference);
  });

  test("says null where the name says nothing", () => {
    expect(parseCheckpointName("weights.ckpt")).toEqual({ epoch: null, valLoss: null, valBps: null });
  });
});

test("extractModelType() takes the first rule that fits, else the name itself", () => {
  expect(extractModelType("Learned_ResNet_none_convgru_gaussian_ddp_bs256")).toBe("resnet_none_convgru");
  expect(extractModelType("densenet_resnet_modulator")).toBe("resnet_modulator");
  expect(extractModelType("My_Model")).toBe("my_model");
});

describe("scanCheckpoints()", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "checkpoints-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const make = (...path: string[]) => {
    mkdirSync(join(folder, ...path.slice(0, -1)), { recursive: true });
    writeFileSync(join(folder, ...path), "");
  };
  const found = () =>
    [...scanCheckpoints(folder)].map(([type, records]) => [
      type,
      records.map(({ path }) => path.slice(folder.length + 1)),
    ]);

  test("ranks model files and .ckpt files of one kind of model across experiments", () => {
    make("resnet_a", "epoch=01-val_bps_overall=0.3000.safetensors");
    make("resnet_a", "epoch=01-val_bps_overall=0.3000.state.safetensors");
    make("resnet_a", "epoch=01-val_bps_overall=0.3000.weights.safetensors");
    make("resnet_a", "last.safetensors");
    make("resnet_a", "epoch=02-val_bps_overall=nan.safetensors");
    make("resnet_b", "epoch=01-val_bps_overall=0.5000.ckpt");
    make("resnet_b", "epoch=01-val_bps_overall=-0.1000.ckpt");
    make("resnet_b", "epoch=02-val_loss=-3.ckpt");
    make("resnet_b", "notes.txt");
    make("resnet_b", "deeper", "epoch=01-val_bps_overall=0.9.ckpt");
    make("epoch=01-val_bps_overall=0.9.ckpt");
    expect(found()).toEqual([
      [
        "resnet",
        [
          "resnet_b/epoch=01-val_bps_overall=0.5000.ckpt",
          "resnet_a/epoch=01-val_bps_overall=0.3000.safetensors",
          "resnet_b/epoch=01-val_bps_overall=-0.1000.ckpt",
          "resnet_b/epoch=02-val_loss=-3.ckpt",
        ],
      ],
    ]);
  });

  test("orders equals by path, and follows links to folders", () => {
    make("b", "epoch=01-bps=0.1.ckpt");
    make("b", "epoch=00-bps=0.1.ckpt");
    symlinkSync(join(folder, "b"), join(folder, "a"));
    symlinkSync(join(folder, "nowhere"), join(folder, "c"));
    expect(found()).toEqual([
      ["a", ["a/epoch=00-bps=0.1.ckpt", "a/epoch=01-bps=0.1.ckpt"]],
      ["b", ["b/epoch=00-bps=0.1.ckpt", "b/epoch=01-bps=0.1.ckpt"]],
    ]);
  });

  test("is empty for a folder that is not there, and refuses a file", () => {
    expect(scanCheckpoints(join(folder, "none")).size).toBe(0);
    make("file");
    expect(() => scanCheckpoints(join(folder, "file"))).toThrow(/Cannot look for checkpoints in .*file.*: /);
  });
});
