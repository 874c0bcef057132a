import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { ReadMessage } from "../formats/protobuf-reader.fake.ts";
import type { MetricRecord } from "../training/tracker.ts";
import { jsonItems, readWandbLog } from "./readers.fake.ts";
import { wandbOfflineTracker } from "./wandb-offline.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "wandb-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const config = { learningRate: 1e-4, left_out: undefined, model_config: { channels: [8, 16], date: "2022-02-16" } };
const run = (globalStep = 0) => ({ name: "my_run", directory, config, globalStep });

/** Logs as one process does, and gives the folder it made. */
function track(records: MetricRecord[], globalStep = 0, outcome: "finished" | "interrupted" = "finished"): string {
  let made = "";
  const tracker = wandbOfflineTracker(
    { project: "multidataset", entity: "lab" },
    {
      onFinish: (folder) => {
        made = folder;
      },
    },
  );
  tracker.start(run(globalStep));
  for (const record of records) tracker.log(record);
  tracker.finish(outcome);
  return made;
}

const recordsIn = (folder: string) => {
  const log = readdirSync(folder).find((name) => name.endsWith(".wandb"));
  return readWandbLog(join(folder, log!));
};
const all = (records: ReadMessage[], kind: string) => records.flatMap((record) => record[kind] ?? []) as ReadMessage[];
const step = (globalStep: number, loss = 0.5) => ({
  train_loss_step: loss,
  epoch: 0,
  "trainer/global_step": globalStep,
});

test("readWandbLog() reads what W&B's own client wrote", () => {
  const records = readWandbLog("test/fixtures/tracking/client.wandb");
  expect(records.map(({ num }) => num![0])).toEqual(records.map((_, i) => i + 1));
  const rows = all(records, "history").map(jsonItems);
  expect(rows.map((row) => row._step)).toEqual(["0", "1", "2"]);
  expect(rows[1]).toMatchObject({ "val_loss/A": "NaN", val_bps_overall: "Infinity", "trainer/global_step": "99" });
  expect(rows[2]!.text!.length).toBe(33_002);
  expect(all(records, "exit")).toHaveLength(1);
});

describe("wandbOfflineTracker()", () => {
  test("writes the kinds of records that the client writes, in its order", () => {
    const records = recordsIn(track([step(49), { "val_loss/A": Number.NaN, epoch: 0, "trainer/global_step": 99 }]));
    expect(records.map(({ num }) => num![0])).toEqual(records.map((_, i) => i + 1));
    const kinds = records.map((record) => Object.keys(record).find((key) => key !== "num"));
    expect(kinds.slice(0, 3)).toEqual(["header", "run", "files"]);
    expect(kinds.at(-1)).toBe("exit");
    const client = readWandbLog("test/fixtures/tracking/client.wandb").flatMap((record) => Object.keys(record));
    expect(client).toEqual(expect.arrayContaining([...new Set(kinds)]));
    expect(all(records, "run")[0]).toMatchObject({
      id: [expect.stringMatching(/^[a-z0-9]{8}$/)],
      entity: ["lab"],
      project: ["multidataset"],
      name: ["my_run"],
      resumed: [0],
    });
    expect(jsonItems(all(records, "run")[0]!.config![0] as ReadMessage)).toEqual({
      learningRate: "0.0001",
      model_config: '{"channels":[8,16],"date":"2022-02-16"}',
    });
  });

  test("keeps keys and values, and makes the optimiser step the axis", () => {
    const records = recordsIn(track([step(49), { "val_loss/A": Number.NaN, epoch: 0, "trainer/global_step": 99 }]));
    const rows = all(records, "history").map(jsonItems);
    expect(rows).toMatchObject([
      { train_loss_step: "0.5", epoch: "0", "trainer/global_step": "49", _step: "0" },
      { "val_loss/A": "NaN", epoch: "0", "trainer/global_step": "99", _step: "1" },
    ]);
    expect(Number(rows[0]!._timestamp)).toBeCloseTo(Date.now() / 1000, -1);
    expect(all(records, "metric").map(({ name, axis }) => [name![0], axis?.[0]])).toEqual([
      ["trainer/global_step", undefined],
      ["train_loss_step", "trainer/global_step"],
      ["epoch", "trainer/global_step"],
      ["val_loss/A", "trainer/global_step"],
    ]);
  });

  test("says how the run ended", () => {
    const codes = (["finished", "interrupted"] as const).map(
      (outcome) => all(recordsIn(track([], 0, outcome)), "exit")[0],
    );
    expect(codes.map((exit) => exit!.code)).toEqual([[0], [255]]);
  });

  test("writes the files that the client writes", () => {
    const folder = track([step(49), { val_loss: Number.POSITIVE_INFINITY, "trainer/global_step": 99 }]);
    const read = (name: string) => readFileSync(join(folder, "files", name), "utf8");
    expect(basename(folder)).toMatch(/^offline-run-\d{8}_\d{6}-[a-z0-9]{8}$/);
    expect(parse(read("config.yaml"), { version: "1.1" })).toEqual({
      wandb_version: 1,
      learningRate: { value: 1e-4 },
      model_config: { value: { channels: [8, 16], date: "2022-02-16" } },
    });
    expect(JSON.parse(read("wandb-metadata.json"))).toMatchObject({ program: "visioncore train" });
    expect(read("wandb-summary.json")).toContain('"val_loss":Infinity');
    expect(read("wandb-summary.json")).toContain('"train_loss_step":0.5');
    expect(all(recordsIn(folder), "files")[0]).toEqual({
      file: [{ path: ["config.yaml"] }, { path: ["wandb-metadata.json"] }],
    });
  });

  test("goes on in the same W&B run when resumed, with rows numbered on", () => {
    const first = track([step(49), { val_loss: Number.NaN, "trainer/global_step": 99 }, step(149)], 0, "interrupted");
    const second = track([step(149, 0.4)], 100);
    expect(second).not.toBe(first);
    expect(second.slice(-8)).toBe(first.slice(-8));
    const records = recordsIn(second);
    expect(all(records, "run")[0]!.resumed).toEqual([1]);
    expect(all(records, "history").map(jsonItems)).toMatchObject([{ _step: "3", train_loss_step: "0.4" }]);
    expect(jsonItems(all(records, "summary")[0]!)).toMatchObject({ val_loss: "NaN", train_loss_step: "0.5" });
  });

  test("starts another W&B run when the run starts anew", () => {
    expect(track([step(49)]).slice(-8)).not.toBe(track([step(49)]).slice(-8));
  });

  test("leaves a readable log when the process is killed", () => {
    const tracker = wandbOfflineTracker({ project: "multidataset" });
    tracker.start(run());
    tracker.log(step(49));
    const [folder] = readdirSync(join(directory, "wandb")).filter((name) => name.startsWith("offline-run"));
    expect(all(recordsIn(join(directory, "wandb", folder!)), "history")).toHaveLength(1);
    expect(all(recordsIn(join(directory, "wandb", folder!)), "exit")).toHaveLength(0);
  });

  test("goes on after a row that was cut short", () => {
    track([step(49)]);
    appendFileSync(join(directory, "wandb", "history.jsonl"), '{"epoch":0,"_st');
    expect(all(recordsIn(track([step(149)], 100)), "history").map(jsonItems)).toMatchObject([{ _step: "1" }]);
    expect(all(recordsIn(track([step(249)], 200)), "history").map(jsonItems)).toMatchObject([{ _step: "2" }]);
  });

  test("says which file is damaged when it cannot go on", () => {
    track([step(49)]);
    const path = join(directory, "wandb", "run.json");
    for (const text of ["{", "{}", '{"id":"../x","project":"p"}']) {
      writeFileSync(path, text);
      expect(() => track([], 100)).toThrow(`Cannot continue the W&B run of "${path}"`);
    }
  });
});
