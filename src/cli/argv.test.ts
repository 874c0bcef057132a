import { describe, expect, test } from "vitest";
import { normalizeFlags } from "./argv.ts";

describe("normalizeFlags()", () => {
  test("turns underscores of flags into dashes, with and without a value attached", () => {
    expect(normalizeFlags(["train", "--batch_size", "8", "--model_config=a_b.yaml", "--no_progress"])).toEqual([
      "train",
      "--batch-size",
      "8",
      "--model-config=a_b.yaml",
      "--no-progress",
    ]);
  });

  test("leaves values, short flags and negative numbers alone", () => {
    const argv = ["inspect", "config", "my_model.yaml", "-V", "-1", "snake_case"];
    expect(normalizeFlags(argv)).toEqual(argv);
  });

  test("leaves everything after a bare -- alone", () => {
    expect(normalizeFlags(["a", "--x_y", "--", "--x_y"])).toEqual(["a", "--x-y", "--", "--x_y"]);
  });

  test("knows the reference's names of flags in both spellings", () => {
    expect(normalizeFlags(["--dataset_configs_path", "d.yaml", "--ckpt-path=last.ckpt"])).toEqual([
      "--dataset-configs",
      "d.yaml",
      "--resume=last.ckpt",
    ]);
  });
});
