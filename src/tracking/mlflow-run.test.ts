import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { earlierPlace, mlflowName, mlflowParams, rememberPlace } from "./mlflow-run.ts";

const directory = mkdtempSync(join(tmpdir(), "mlflow-run-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("mlflowName() keeps metric keys and makes others valid", () => {
  for (const key of ["train_loss/Allen_2022-02-16_step", "lr-AdamW/pg1", "val_bps_overall", "a b.c:d"]) {
    expect(mlflowName(key)).toBe(key);
  }
  expect(mlflowName("val_loss/§(1)")).toBe("val_loss/__1_");
  expect(mlflowName("../../etc//.")).toBe("__/__/etc/_/_");
  expect(mlflowName("")).toBe("_");
});

test("mlflowParams() flattens a configuration and cuts long values", () => {
  const config = {
    learningRate: 1e-4,
    restartPeriod: null,
    device: undefined,
    model_config: { convnet: { channels: [8, 16] }, name: "x" },
    long: "y".repeat(501),
    sessions: [
      { name: "Allen_2022-02-16", nUnits: 3, cids: [1, 2, 3] },
      { name: "Logan_2019-12-20", nUnits: 2 },
    ],
  };
  expect(mlflowParams(config)).toEqual([
    ["learningRate", "0.0001"],
    ["restartPeriod", "null"],
    ["model_config.convnet.channels", "[8,16]"],
    ["model_config.name", "x"],
    ["long", `${"y".repeat(499)}…`],
    ["sessions.Allen_2022-02-16", "3"],
    ["sessions.Logan_2019-12-20", "2"],
  ]);
});

describe("earlierPlace()", () => {
  const run = (globalStep: number) => ({ name: "r", directory, config: {}, globalStep });

  test("finds the run of earlier processes, when it is resumed and goes to the same target", () => {
    expect(earlierPlace(run(100), "mlruns")).toBeUndefined();
    const place = { target: "mlruns", experimentId: "1", runId: "abc" };
    rememberPlace(run(0), place);
    expect(earlierPlace(run(100), "mlruns")).toEqual(place);
    expect(earlierPlace(run(100), "http://127.0.0.1:5000")).toBeUndefined();
    expect(earlierPlace(run(0), "mlruns")).toBeUndefined();
  });

  test("names a damaged file", () => {
    for (const text of ["{", "{}"]) {
      writeFileSync(join(directory, "mlflow.json"), text);
      expect(() => earlierPlace(run(1), "x")).toThrow(
        `Cannot continue the MLflow run of "${join(directory, "mlflow.json")}"`,
      );
    }
  });
});
