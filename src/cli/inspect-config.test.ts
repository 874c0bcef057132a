import { describe, expect, test } from "vitest";
import { inspectConfig } from "./inspect-config.ts";

describe("inspectConfig()", () => {
  test("shows a model with the origin of every value", () => {
    const path = "experiments/model_configs/learned_resnet_none_convgru_gaussian.yaml";
    const { text, values } = inspectConfig(path);
    expect(text).toMatch(new RegExp(`type: resnet # ${path}:\\d+`));
    expect(values).toHaveProperty("convnet.type", "resnet");
  });

  test("shows every session of a dataset", () => {
    const { text } = inspectConfig("experiments/dataset_configs/multi_basic_120_long.yaml");
    expect(text.match(/^# session /gm)!.length).toBeGreaterThan(1);
  });

  test("tells session files and missing files apart", () => {
    const folder = "experiments/dataset_configs/sessions";
    expect(() => inspectConfig(`${folder}/Allen_2022-02-16.yaml`)).toThrow("file of one session");
    expect(() => inspectConfig(`${folder}/nobody.yaml`)).toThrow("nobody.yaml");
  });
});
