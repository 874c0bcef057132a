import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import type { MetricRecord, Tracker } from "../training/tracker.ts";
import { type Answer, LoopbackServer, type Seen } from "./loopback.fake.ts";
import { wandbOnlineTracker } from "./wandb-online.ts";

const TIMES = { interval: 10, idle: 1e9, firstRetry: 5, slowestRetry: 20, answer: 300, finish: 2000 };
const KEY = "0123456789";

interface Stream {
  files?: Record<string, { offset: number; content: string[] }>;
  complete?: boolean;
  exitcode?: number;
}
interface Upsert {
  query: string;
  variables: Record<string, string> & { config: string };
}

/** Runs as the server keeps them: lines by number, so that one that is sent twice is stored once. */
class FakeWandb {
  readonly runs = new Map<
    string,
    { history: string[]; events: string[]; summary: string; exit?: number | undefined }
  >();
  readonly upserts: Upsert["variables"][] = [];

  answer = ({ path, body, authorization }: Seen): Answer => {
    const expected = `Basic ${Buffer.from(`api:${KEY}`).toString("base64")}`;
    if (authorization !== expected) return { status: 401, body: { errors: [{ message: "user is not logged in" }] } };
    return path === "/graphql" ? this.#upsert(body as Upsert) : this.#stream(path, body as Stream);
  };

  #upsert({ query, variables }: Upsert): Answer {
    if (!query.includes("upsertBucket(input:")) return { status: 400 };
    this.upserts.push(variables);
    const { name, project, entity = "me" } = variables;
    const run = this.runs.get(name!) ?? { history: [], events: [], summary: "" };
    this.runs.set(name!, run);
    const place = { name: project, entity: { name: entity } };
    const counts = { historyLineCount: run.history.length, eventsLineCount: run.events.length };
    return { body: { data: { upsertBucket: { bucket: { name, project: place, ...counts } } } } };
  }

  #stream(path: string, { files = {}, exitcode }: Stream): Answer {
    const [, id] = /^\/files\/lab\/multidataset\/(\w+)\/file_stream$/.exec(path) ?? [];
    const run = this.runs.get(id ?? "");
    if (run === undefined) return { status: 404 };
    for (const [lines, name] of [
      [run.history, "wandb-history.jsonl"],
      [run.events, "wandb-events.jsonl"],
    ] as const) {
      const { offset = 0, content = [] } = files[name] ?? {};
      if (offset > lines.length) return { status: 400, body: { error: `line ${offset} of ${lines.length}` } };
      content.forEach((line, i) => {
        lines[offset + i] = line;
      });
    }
    run.summary = files["wandb-summary.json"]?.content[0] ?? run.summary;
    run.exit = exitcode ?? run.exit;
    return { body: { exitcode: null, limits: {} } };
  }
}

let directory: string;
let wandb: FakeWandb;
let server: LoopbackServer;
let warnings: string[];
let urls: string[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "wandb-online-"));
  wandb = new FakeWandb();
  server = await LoopbackServer.start(wandb.answer);
  warnings = [];
  urls = [];
});
afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

const tracker = (apiKey = KEY, times = TIMES) =>
  wandbOnlineTracker({
    account: { baseUrl: server.url, apiKey },
    project: "multidataset",
    entity: "lab",
    warn: (text) => warnings.push(text),
    onOpen: (url) => urls.push(url),
    times,
  });
const run = (globalStep = 0) => ({
  name: "my_run",
  directory,
  config: { learningRate: 1e-4, sessions: ["A"] },
  globalStep,
});
const step = (globalStep: number) => ({
  train_loss_step: globalStep / 100,
  epoch: 0,
  "trainer/global_step": globalStep,
});
const theRun = () => [...wandb.runs.values()][0]!;
const steps = () => theRun().history.map((line) => JSON.parse(line)["trainer/global_step"]);

async function logAll(to: Tracker, records: MetricRecord[]): Promise<void> {
  for (const record of records) {
    to.log(record);
    await sleep(5);
  }
}

describe("wandbOnlineTracker()", () => {
  test("makes the run, sends rows, summary and events while training goes on, and completes it", async () => {
    const online = tracker();
    await online.start(run());
    const [id] = [...wandb.runs.keys()];
    expect(urls).toEqual([`${server.url}/lab/multidataset/runs/${id}`]);
    expect(wandb.upserts[0]).toMatchObject({ name: id, project: "multidataset", entity: "lab", displayName: "my_run" });
    expect(JSON.parse(wandb.upserts[0]!.config)).toMatchObject({
      learningRate: { value: 1e-4 },
      sessions: { value: ["A"] },
      _wandb: { value: { t: expect.anything() } },
    });
    online.log(step(49));
    online.log({
      "val_loss/A": Number.NaN,
      val_bps_overall: Number.NEGATIVE_INFINITY,
      epoch: 0,
      "trainer/global_step": 99,
    });
    await sleep(100);
    expect(theRun().history).toHaveLength(2);
    expect(theRun().exit).toBeUndefined();
    await online.finish("finished");

    const [first, second] = theRun().history;
    expect(JSON.parse(first!)).toMatchObject({ train_loss_step: 0.49, epoch: 0, "trainer/global_step": 49, _step: 0 });
    expect(second).toMatch(
      /^\{"val_loss\/A":NaN,"val_bps_overall":-Infinity,"epoch":0,"trainer\/global_step":99,"_step":1,/,
    );
    expect(theRun().summary).toMatch(/"train_loss_step":0.49.*"val_loss\/A":NaN.*"_wandb":\{"runtime":0\}\}$/);
    expect(JSON.parse(theRun().events[0]!)).toMatchObject({
      "system.proc.memory.rssMB": expect.any(Number),
      _wandb: true,
    });
    expect(theRun().exit).toBe(0);
    expect(warnings).toEqual([]);
    expect(() => online.log(step(149))).toThrow("was not started");
  });

  test("makes the optimiser step the axis of every metric", async () => {
    const online = tracker();
    await online.start(run());
    online.log(step(49));
    await online.finish("finished");
    const { m } = JSON.parse(wandb.upserts.at(-1)!.config)._wandb.value;
    expect(m[0]).toMatchObject({ 1: "trainer/global_step" });
    expect(m.slice(1).map((metric: Record<string, unknown>) => [metric[1], metric[5]])).toEqual([
      ["train_loss_step", 1],
      ["epoch", 1],
    ]);
  });

  test.each([
    ["busy", { status: 500 }],
    ["limiting", { status: 429, body: { error: "rate limit exceeded" } }],
    ["silent", "nothing"],
  ] as const)("sends everything once when the server is %s for a while", async (_, failure) => {
    const online = tracker();
    await online.start(run());
    server.next.push(failure, failure);
    await logAll(online, [49, 99, 149, 199].map(step));
    await online.finish("finished");
    expect(steps()).toEqual([49, 99, 149, 199]);
    expect(theRun().exit).toBe(0);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /^127\.0\.0\.1:\d+ (answers 500|answers 429: rate limit|does not answer: nothing within)/,
    );
  });

  test("stores a line once whose answer was lost", async () => {
    const online = tracker();
    await online.start(run());
    online.log(step(49));
    const { port } = server;
    // The server takes the line, but its answer does not arrive.
    const answer = wandb.answer;
    await server.close();
    let isLost = true;
    server = await LoopbackServer.start((seen) => {
      const answered = answer(seen);
      const loses = isLost && seen.path !== "/graphql";
      if (loses) isLost = false;
      return loses ? "nothing" : answered;
    }, port);
    await sleep(50);
    online.log(step(99));
    await online.finish("finished");
    expect(isLost).toBe(false);
    expect(steps()).toEqual([49, 99]);
  });

  test("starts without a connection and sends later", async () => {
    const { port } = server;
    await server.close();
    const online = tracker();
    await online.start(run());
    expect(warnings).toEqual([expect.stringContaining("does not answer: ECONNREFUSED. Training goes on")]);
    await logAll(online, [49, 99].map(step));
    server = await LoopbackServer.start(wandb.answer, port);
    await online.finish("interrupted");
    expect(steps()).toEqual([49, 99]);
    expect(theRun().exit).toBe(255);
    expect(warnings).toHaveLength(1);
  });

  test("ends in time when there is no connection at all", async () => {
    await server.close();
    const online = tracker(KEY, { ...TIMES, finish: 80 });
    await online.start(run());
    online.log(step(49));
    await online.finish("finished");
    expect(warnings[1]).toBe("2 records did not reach W&B; metrics.jsonl has them");
    server = await LoopbackServer.start(wandb.answer);
  });

  test("refuses to start with a bad key, and does not tell it", async () => {
    const start = tracker("wrong-key-9999").start(run());
    await expect(start).rejects.toThrow(UserError);
    await expect(start).rejects.toMatchObject({
      message: expect.stringMatching(/^Cannot track the run with W&B: .* answers 401: user is not logged in$/),
      hint: expect.stringContaining("The key ends in 9999"),
    });
    await expect(start).rejects.not.toMatchObject({ hint: expect.stringContaining("wrong-key") });
  });

  test("refuses to start when the server knows no such entity", async () => {
    server.next.push({ body: { data: { upsertBucket: null }, errors: [{ message: "entity lab not found" }] } });
    await expect(tracker().start(run())).rejects.toThrow("answers: entity lab not found");
  });

  test("stops sending, not training, when the run is deleted", async () => {
    const online = tracker();
    await online.start(run());
    server.next.push({ status: 410, body: { error: "run was deleted" } });
    online.log(step(49));
    await sleep(80);
    online.log(step(99));
    await online.finish("finished");
    expect(warnings).toEqual([
      expect.stringMatching(/^W&B refuses the metrics: .*410: run was deleted\. Nothing more is sent/),
    ]);
  });

  test("goes on in the same run when resumed, after the lines that are there", async () => {
    const first = tracker();
    await first.start(run());
    await logAll(first, [49, 99, 149].map(step));
    await first.finish("interrupted");
    const second = tracker();
    await second.start(run(100));
    second.log({ val_loss: 1, epoch: 1, "trainer/global_step": 199 });
    await second.finish("finished");
    expect(wandb.runs.size).toBe(1);
    expect(steps()).toEqual([49, 99, 149, 199]);
    expect(theRun().history.map((line) => JSON.parse(line)._step)).toEqual([0, 1, 2, 3]);
    expect(JSON.parse(theRun().summary)).toMatchObject({ train_loss_step: 1.49, val_loss: 1 });
    expect(theRun().exit).toBe(0);
  });

  test("sends when resumed what had not reached the server, as when the process before was killed", async () => {
    const first = tracker(KEY, { ...TIMES, interval: 20 });
    await first.start(run());
    first.log(step(49));
    await sleep(60);
    expect(steps()).toEqual([49]);
    // The second takes over before the first sends again.
    for (const globalStep of [99, 149]) first.log(step(globalStep));
    const second = tracker();
    await second.start(run(150));
    second.log(step(199));
    await second.finish("finished");
    expect(steps()).toEqual([49, 99, 149, 199]);
    await first.finish("finished");
    expect(steps()).toEqual([49, 99, 149, 199]);
  });

  test("appends to lines of the server that it does not know", async () => {
    const first = tracker();
    await first.start(run());
    await logAll(first, [49, 99].map(step));
    await first.finish("interrupted");
    rmSync(join(directory, "wandb", "history.jsonl"));
    const second = tracker();
    await second.start(run(100));
    second.log(step(149));
    await second.finish("finished");
    expect(steps()).toEqual([49, 99, 149]);
  });

  test("does not wait for the server when it logs", async () => {
    const online = tracker();
    await online.start(run());
    for (let i = 0; i < 20; i++) server.next.push("nothing");
    await sleep(30);
    const begun = performance.now();
    for (let i = 0; i < 50; i++) online.log(step(i));
    expect(performance.now() - begun).toBeLessThan(250);
    server.next.length = 0;
    await online.finish("finished");
    expect(steps()).toHaveLength(50);
  });
});
