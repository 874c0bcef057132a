import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { mlflowFolderTracker } from "./mlflow-folder.ts";

let directory: string;
let root: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mlflow-"));
  root = join(directory, "mlruns");
});
afterEach(() => rmSync(directory, { recursive: true }));

const config = { learningRate: 1e-4, model_config: { channels: [8] }, sessions: [{ name: "A", nUnits: 3 }] };
const run = (globalStep = 0, name = "my_run") => ({ name, directory: join(directory, name), config, globalStep });
const yaml = (...path: string[]) => parse(readFileSync(join(root, ...path, "meta.yaml"), "utf8"), { version: "1.1" });

/** The folders of experiment and run, by the experiment's name. */
function runsOf(experiment: string): [experimentId: string, runIds: string[]] {
  const id = readdirSync(root).find((entry) => yaml(entry).name === experiment)!;
  return [id, readdirSync(join(root, id)).filter((entry) => entry !== "meta.yaml")];
}

function lines(...path: string[]): string[][] {
  const text = readFileSync(join(root, ...path), "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return text
    .slice(0, -1)
    .split("\n")
    .map((line) => line.split(" "));
}

describe("mlflowFolderTracker()", () => {
  test("lays out experiment and run as MLflow does", () => {
    const tracker = mlflowFolderTracker(root, "multidataset");
    tracker.start(run());
    expect(yaml("0")).toMatchObject({ name: "Default", experiment_id: "0", lifecycle_stage: "active" });
    const [experiment, [id]] = runsOf("multidataset");
    expect(experiment).toMatch(/^\d{18}$/);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(yaml(experiment, id!)).toMatchObject({
      artifact_uri: `file://${join(root, experiment, id!, "artifacts")}`,
      end_time: null,
      experiment_id: experiment,
      lifecycle_stage: "active",
      run_id: id,
      run_name: "my_run",
      run_uuid: id,
      source_type: 4,
      status: 1,
      tags: [],
    });
    const value = (...path: string[]) => readFileSync(join(root, experiment, id!, ...path), "utf8");
    expect(value("params", "learningRate")).toBe("0.0001");
    expect(value("params", "model_config.channels")).toBe("[8]");
    expect(value("params", "sessions.A")).toBe("3");
    expect(value("tags", "mlflow.runName")).toBe("my_run");
    expect(JSON.parse(value("artifacts", "config.json"))).toEqual(config);
    tracker.finish("finished");
    expect(yaml(experiment, id!)).toMatchObject({ status: 3, end_time: expect.any(Number) });
  });

  test("writes time, value and step of every metric to the file of its key", () => {
    const tracker = mlflowFolderTracker(root, "multidataset");
    tracker.start(run());
    tracker.log({ train_loss_step: 0.5, "train_loss/A_step": 0.25, epoch: 0, "trainer/global_step": 49 });
    tracker.log({ train_loss_step: 1e-9, epoch: 0, "trainer/global_step": 99 });
    tracker.log({ x: Number.NaN, y: Number.POSITIVE_INFINITY, z: Number.NEGATIVE_INFINITY, "trainer/global_step": -1 });
    const [experiment, [id]] = runsOf("multidataset");
    const metric = (...path: string[]) => lines(experiment, id!, "metrics", ...path);
    expect(metric("train_loss_step").map(([, ...rest]) => rest)).toEqual([
      ["0.5", "49"],
      ["1e-9", "99"],
    ]);
    expect(Number(metric("epoch")[0]![0])).toBeCloseTo(Date.now(), -5);
    expect(metric("train_loss", "A_step")).toHaveLength(1);
    expect(["x", "y", "z"].map((name) => metric(name)[0]!.slice(1))).toEqual([
      ["nan", "-1"],
      ["inf", "-1"],
      ["-inf", "-1"],
    ]);
  });

  test("stores val_loss beside the folder of the sessions' losses", () => {
    const tracker = mlflowFolderTracker(root, "multidataset");
    tracker.start(run());
    for (const step of [99, 199]) tracker.log({ val_loss: 1, "val_loss/A": 2, "trainer/global_step": step });
    const [experiment, [id]] = runsOf("multidataset");
    expect(lines(experiment, id!, "metrics", "val_loss_overall")).toHaveLength(2);
    expect(lines(experiment, id!, "metrics", "val_loss", "A")).toHaveLength(2);
  });

  test("puts runs into one experiment, also one that MLflow made", () => {
    mkdirSync(join(root, "77"), { recursive: true });
    writeFileSync(join(root, "77", "meta.yaml"), "experiment_id: '77'\nname: lab\nlifecycle_stage: active\n");
    for (const name of ["one", "two"]) mlflowFolderTracker(root, "lab").start(run(0, name));
    for (const name of ["one", "two"]) mlflowFolderTracker(root, "other").start(run(0, name));
    expect(runsOf("lab")).toEqual(["77", [expect.any(String), expect.any(String)]]);
    expect(runsOf("other")[1]).toHaveLength(2);
  });

  test("goes on in the same run when resumed", () => {
    for (const [globalStep, outcome] of [
      [0, "interrupted"],
      [100, "failed"],
    ] as const) {
      const tracker = mlflowFolderTracker(root, "multidataset");
      tracker.start(run(globalStep));
      tracker.log({ epoch: 0, "trainer/global_step": globalStep + 49 });
      const [experiment, ids] = runsOf("multidataset");
      expect(ids).toHaveLength(1);
      expect(yaml(experiment, ids[0]!)).toMatchObject({ status: 1, end_time: null });
      tracker.finish(outcome);
      expect(yaml(experiment, ids[0]!).status).toBe(outcome === "failed" ? 4 : 5);
    }
    const [experiment, [id]] = runsOf("multidataset");
    expect(lines(experiment, id!, "metrics", "epoch").map(([, , step]) => step)).toEqual(["49", "149"]);
  });

  test("names what is in the way", () => {
    writeFileSync(root, "a file");
    expect(() => mlflowFolderTracker(root, "x").start(run())).toThrow(`"${root}`);
  });
});
