import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunEvent } from "../training/events.ts";
import { readMetrics } from "./jsonl.ts";
import { makeTrackers, steadfast } from "./trackers.ts";

let directory: string;
let told: RunEvent[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "trackers-"));
  told = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

const tell = (event: RunEvent) => told.push(event);
const run = () => ({ name: "r", directory, config: {}, globalStep: 0 });
const NO_ACCOUNT = { NETRC: "/missing" };

describe("makeTrackers()", () => {
  test("always writes metrics.jsonl", async () => {
    const trackers = makeTrackers({}, tell, NO_ACCOUNT);
    expect(trackers).toHaveLength(1);
    await trackers[0]!.start(run());
    trackers[0]!.log({ a: 1, "trainer/global_step": 0 });
    expect(readMetrics(join(directory, "metrics.jsonl"))).toHaveLength(1);
  });

  test("makes all that was asked for, at once", async () => {
    const mlflow = join(directory, "mlruns");
    const trackers = makeTrackers({ wandb: "offline", tensorboard: true, mlflow }, tell, NO_ACCOUNT);
    for (const tracker of trackers) await tracker.start(run());
    for (const tracker of trackers) tracker.log({ a: 1, "trainer/global_step": 0 });
    for (const tracker of trackers) await tracker.finish("finished");
    expect(readdirSync(directory).sort()).toEqual(["metrics.jsonl", "mlflow.json", "mlruns", "tensorboard", "wandb"]);
    expect(told).toEqual([
      { type: "note", message: expect.stringMatching(/^Send to W&B with: wandb sync .*offline-run-/) },
    ]);
  });

  test("takes a folder for MLflow as a path or an address", async () => {
    const mlflow = pathToFileURL(join(directory, "ml runs")).href;
    for (const tracker of makeTrackers({ mlflow }, tell, NO_ACCOUNT)) await tracker.start(run());
    expect(existsSync(join(directory, "ml runs", "0", "meta.yaml"))).toBe(true);
  });

  test("refuses before training what cannot work", () => {
    const made = (options: Parameters<typeof makeTrackers>[0]) => () => makeTrackers(options, tell, NO_ACCOUNT);
    expect(made({ wandb: "online" })).toThrow("no API key for api.wandb.ai");
    expect(made({ mlflow: "sqlite:///mlflow.db" })).toThrow('"sqlite:///mlflow.db" is neither a folder nor an address');
    expect(made({ mlflow: "http://" })).toThrow('"http://" is not an address');
  });
});

describe("steadfast()", () => {
  test("tells the first failure and goes on", async () => {
    const logged: number[] = [];
    const failing = {
      start() {},
      log(record: Record<string, number>) {
        if (record.a! < 3) throw new Error("no space left on the disk");
        logged.push(record.a!);
      },
      async finish() {
        throw new Error("gone");
      },
    };
    const warnings: string[] = [];
    const tracker = steadfast("Board", failing, (text) => warnings.push(text));
    await tracker.start(run());
    for (const a of [1, 2, 3]) tracker.log({ a });
    await tracker.finish("finished");
    expect(logged).toEqual([3]);
    expect(warnings).toEqual(["no space left on the disk. Training goes on; what Board cannot take is lost there"]);
  });

  test("lets failures at the start through", async () => {
    const broken = {
      start() {
        throw new Error("no folder");
      },
      log() {},
      finish() {},
    };
    expect(() => steadfast("Board", broken, () => {}).start(run())).toThrow("no folder");
  });
});
