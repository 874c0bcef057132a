import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { jsonlTracker, readMetrics } from "./jsonl.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "jsonl-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const run = (globalStep = 0, folder = directory) => ({ name: "test", directory: folder, config: {}, globalStep });
const path = () => join(directory, "metrics.jsonl");
const record = (step: number) => ({ train_loss_step: step / 10, epoch: 0, "trainer/global_step": step });

describe("jsonlTracker()", () => {
  test("writes a line as soon as it is told something", () => {
    const tracker = jsonlTracker();
    tracker.start(run(0, join(directory, "made", "here")));
    tracker.log(record(49));
    const text = readFileSync(join(directory, "made", "here", "metrics.jsonl"), "utf8");
    expect(JSON.parse(text)).toEqual({
      ...record(49),
      time: expect.closeTo(Date.now() / 1000, -1),
      "process/memory_mb": expect.closeTo(process.memoryUsage.rss() / 2 ** 20, -2),
      "process/started": expect.closeTo(Date.now() / 1000 - process.uptime(), -1),
    });
    tracker.finish("finished");
    expect(() => tracker.log(record(50))).toThrow("was not started");
  });

  test("spells numbers that JSON does not have", () => {
    const tracker = jsonlTracker();
    tracker.start(run());
    tracker.log({ a: Number.NaN, b: Number.NEGATIVE_INFINITY, "trainer/global_step": 0 });
    expect(readFileSync(path(), "utf8")).toContain('{"a":"NaN","b":"-Infinity",');
    expect(readMetrics(path())[0]).toMatchObject({ a: Number.NaN, b: Number.NEGATIVE_INFINITY });
  });

  test("drops what lies beyond the step from which a run continues, and a line cut short", () => {
    const first = jsonlTracker();
    first.start(run());
    for (const step of [-1, 49, 99, 149]) first.log(record(step));
    appendFileSync(path(), '{"train_loss_st');
    const second = jsonlTracker();
    second.start(run(100));
    second.log(record(149));
    expect(readMetrics(path()).map((line) => line["trainer/global_step"])).toEqual([-1, 49, 99, 149]);
  });

  test("starts a new run with an empty file", () => {
    const first = jsonlTracker();
    first.start(run());
    first.log(record(-1));
    jsonlTracker().start(run());
    expect(readMetrics(path())).toEqual([]);
  });
});

test("log() says which file it cannot write", () => {
  const tracker = jsonlTracker();
  tracker.start(run());
  mkdirSync(path());
  expect(() => tracker.log(record(1))).toThrow(
    expect.objectContaining({ name: "UserError", message: `Cannot write "${path()}": it is a folder, not a file` }),
  );
});

describe("readMetrics()", () => {
  test("names a file that is not there", () => {
    expect(() => readMetrics(path())).toThrow(UserError);
  });
});
