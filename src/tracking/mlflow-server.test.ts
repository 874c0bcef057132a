import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { type Answer, LoopbackServer, type Seen } from "./loopback.fake.ts";
import { mlflowServerTracker } from "./mlflow-server.ts";

const TIMES = { interval: 10, idle: 1e9, firstRetry: 5, slowestRetry: 20, answer: 300, finish: 2000 };

interface Entry {
  key: string;
  value: string | number;
  step?: number;
  timestamp?: number;
}
interface Run {
  experiment: string;
  name: string;
  status: string;
  params: Entry[];
  tags: Entry[];
  /** By all they say, as a database would. */
  metrics: Map<string, Entry>;
}

/** Experiments and runs as the server keeps them, with its limits. */
class FakeMlflow {
  readonly experiments = new Map<string, string>();
  readonly runs = new Map<string, Run>();
  #made = 0;

  answer = ({ method, path, body }: Seen): Answer => {
    const url = new URL(path, "http://localhost");
    const asked = (body ?? {}) as Record<string, never>;
    switch (`${method} ${url.pathname.replace("/api/2.0/mlflow", "")}`) {
      case "GET /experiments/get-by-name": {
        const id = this.experiments.get(url.searchParams.get("experiment_name")!);
        return id === undefined ? { status: 404, body: MISSING } : { body: { experiment: { experiment_id: id } } };
      }
      case "POST /experiments/create": {
        if (this.experiments.has(asked.name!)) return { status: 400, body: { error_code: "RESOURCE_ALREADY_EXISTS" } };
        this.experiments.set(asked.name!, String(this.experiments.size + 1));
        return { body: { experiment_id: this.experiments.get(asked.name!) } };
      }
      case "POST /runs/create": {
        const id = `run${this.#made++}`;
        const { experiment_id, run_name, tags } = asked;
        const run = { experiment: experiment_id!, name: run_name!, tags: tags!, status: "RUNNING", params: [] };
        this.runs.set(id, { ...run, metrics: new Map() });
        return { body: { run: { info: { run_id: id } } } };
      }
    }
    const run = this.runs.get(asked.run_id!);
    if (run === undefined) return { status: 404, body: MISSING };
    const {
      metrics = [],
      params = [],
      status = run.status,
    } = asked as { metrics?: Entry[]; params?: Entry[]; status?: string };
    if (metrics.length > 1000 || params.length > 100) return { status: 400, body: { message: "too many" } };
    run.params.push(...params);
    for (const metric of metrics) run.metrics.set(JSON.stringify(metric), metric);
    run.status = status;
    return { body: {} };
  };
}

const MISSING = { error_code: "RESOURCE_DOES_NOT_EXIST", message: "not there" };

let directory: string;
let mlflow: FakeMlflow;
let server: LoopbackServer;
let warnings: string[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "mlflow-server-"));
  mlflow = new FakeMlflow();
  server = await LoopbackServer.start(mlflow.answer);
  warnings = [];
});
afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

const tracker = ({ env = {}, uri = `${server.url}/` } = {}) =>
  mlflowServerTracker({ uri, experiment: "my lab", env, warn: (text) => warnings.push(text), times: TIMES });
const config = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`setting_${i}`, i]));
const run = (globalStep = 0) => ({ name: "my_run", directory, config, globalStep });
const metricsOf = (id = "run0") => [...mlflow.runs.get(id)!.metrics.values()];

describe("mlflowServerTracker()", () => {
  test("makes experiment and run, sends metrics while training goes on, and ends the run", async () => {
    const online = tracker();
    await online.start(run());
    expect(mlflow.experiments).toEqual(new Map([["my lab", "1"]]));
    expect(mlflow.runs.get("run0")).toMatchObject({ experiment: "1", name: "my_run", status: "RUNNING" });
    expect(mlflow.runs.get("run0")!.params).toHaveLength(150);
    expect(mlflow.runs.get("run0")!.tags).toContainEqual({ key: "mlflow.runName", value: "my_run" });
    online.log({ train_loss_step: 0.5, epoch: 0, "trainer/global_step": 49 });
    online.log({ val_loss: Number.NaN, "val_loss/A": Number.NEGATIVE_INFINITY, "trainer/global_step": 99 });
    await sleep(80);
    const timestamp = expect.closeTo(Date.now(), -5);
    expect(metricsOf()).toEqual([
      { key: "train_loss_step", value: 0.5, timestamp, step: 49 },
      { key: "epoch", value: 0, timestamp, step: 49 },
      { key: "val_loss", value: "NaN", timestamp, step: 99 },
      { key: "val_loss/A", value: "-Infinity", timestamp, step: 99 },
    ]);
    await online.finish("finished");
    expect(mlflow.runs.get("run0")!.status).toBe("FINISHED");
    expect(warnings).toEqual([]);
    expect(() => online.log({ "trainer/global_step": 0 })).toThrow("was not started");
  });

  test("keeps to the server's limits", async () => {
    const online = tracker();
    await online.start(run());
    const wide = Object.fromEntries(Array.from({ length: 700 }, (_, i) => [`val_bps/${i}`, i]));
    for (const step of [1, 2, 3]) online.log({ ...wide, "trainer/global_step": step });
    await online.finish("failed");
    expect(metricsOf()).toHaveLength(2100);
    expect(mlflow.runs.get("run0")!.status).toBe("FAILED");
  });

  test("shares an experiment with a run that makes it at the same time", async () => {
    mlflow.experiments.set("my lab", "9");
    server.next.push({ status: 404, body: MISSING });
    const online = tracker();
    await online.start(run());
    await online.finish("finished");
    expect(mlflow.runs.get("run0")!.experiment).toBe("9");
  });

  test("sends everything once when the server fails for a while", async () => {
    const online = tracker();
    await online.start(run());
    server.next.push({ status: 503 }, "nothing", { status: 500 });
    for (const step of [49, 99, 149]) {
      online.log({ epoch: 0, "trainer/global_step": step });
      await sleep(10);
    }
    await online.finish("interrupted");
    expect(metricsOf().map(({ step }) => step)).toEqual([49, 99, 149]);
    expect(mlflow.runs.get("run0")!.status).toBe("KILLED");
    expect(warnings).toHaveLength(1);
  });

  test("goes on in the same run when resumed, and in a new one when that was deleted", async () => {
    for (const globalStep of [0, 100]) {
      const online = tracker();
      await online.start(run(globalStep));
      online.log({ epoch: 0, "trainer/global_step": globalStep + 49 });
      await online.finish("finished");
    }
    expect(metricsOf().map(({ step }) => step)).toEqual([49, 149]);
    expect(mlflow.runs.get("run0")!.params).toHaveLength(150);
    mlflow.runs.delete("run0");
    const online = tracker();
    await online.start(run(100));
    await online.finish("finished");
    expect(mlflow.runs.get("run1")!.status).toBe("FINISHED");
  });

  test("says who it is", async () => {
    const env = { MLFLOW_TRACKING_USERNAME: "me", MLFLOW_TRACKING_PASSWORD: "secret", MLFLOW_TRACKING_TOKEN: "t" };
    await tracker({ env }).start(run());
    expect(server.seen.at(-1)!.authorization).toBe(`Basic ${Buffer.from("me:secret").toString("base64")}`);
    await tracker({ env: { MLFLOW_TRACKING_TOKEN: "t" } }).start(run());
    expect(server.seen.at(-1)!.authorization).toBe("Bearer t");
  });

  test("refuses to start when the server refuses", async () => {
    server.next.push({ status: 403, body: { message: "Permission denied" } });
    const start = tracker().start(run());
    await expect(start).rejects.toThrow(UserError);
    await expect(start).rejects.toMatchObject({
      message: expect.stringMatching(/^Cannot track the run with MLflow: .* answers 403: Permission denied$/),
      hint: expect.stringContaining("MLFLOW_TRACKING_TOKEN"),
    });
  });

  test("refuses to start with an address where there is no MLflow", async () => {
    await expect(tracker({ uri: `${server.url}/elsewhere` }).start(run())).rejects.toThrow("answers 404");
  });
});
