import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readEvents, scalarsOf } from "./readers.fake.ts";
import { tensorboardTracker } from "./tensorboard.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tensorboard-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const run = (globalStep = 0) => ({ name: "test", directory, config: {}, globalStep });
const files = () => readdirSync(join(directory, "tensorboard")).sort();

test("readEvents() reads what TensorBoard's own writer wrote", () => {
  const events = readEvents("test/fixtures/tracking/writer.tfevents");
  expect(events.map(({ version, step }) => version ?? step)).toEqual([["brain.Event:2"], [100], [149]]);
  expect(events[1]!.session).toEqual([{ status: [1] }]);
  expect(scalarsOf(events[2]!)).toEqual({ train_loss_step: Math.fround(0.1), epoch: 0 });
});

describe("tensorboardTracker()", () => {
  test("writes every value under its key, at the step of its record", () => {
    const tracker = tensorboardTracker();
    tracker.start(run());
    tracker.log({ "lr-AdamW": 1e-4, "trainer/global_step": -1 });
    tracker.log({ "train_loss/Allen_2022-02-16_step": 0.1, epoch: 2, "trainer/global_step": 2 ** 40 });
    tracker.log({ val_loss: Number.NaN, epoch: 2, "trainer/global_step": 2 ** 40 });
    const [name] = files();
    expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
    // Readable before the end: what is written is in the file.
    const [first, ...events] = readEvents(join(directory, "tensorboard", name!));
    expect(first!.version).toEqual(["brain.Event:2"]);
    expect(first!.time![0]).toBeCloseTo(Date.now() / 1000, -1);
    expect(events.map(({ step }) => step![0])).toEqual([-1, 2 ** 40, 2 ** 40]);
    expect(events.map(scalarsOf)).toEqual([
      { "lr-AdamW": Math.fround(1e-4) },
      { "train_loss/Allen_2022-02-16_step": Math.fround(0.1), epoch: 2 },
      { val_loss: Number.NaN, epoch: 2 },
    ]);
    tracker.finish("finished");
    expect(() => tracker.log({ "trainer/global_step": 0 })).toThrow("was not started");
  });

  test("writes a second file for a resumed run, which takes back what lies beyond its first step", () => {
    for (const globalStep of [0, 100]) {
      const tracker = tensorboardTracker();
      tracker.start(run(globalStep));
      tracker.log({ train_loss_step: 0.5, "trainer/global_step": globalStep + 149 });
      tracker.finish("interrupted");
    }
    const [, second] = files().map((name) => readEvents(join(directory, "tensorboard", name)));
    expect(second!.map(({ step, session }) => ({ step, session }))).toEqual([
      { step: undefined, session: undefined },
      { step: [100], session: [{ status: [1] }] },
      { step: [249], session: undefined },
    ]);
  });
});
