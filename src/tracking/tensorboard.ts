/**
 * @file Metrics as TensorBoard event files, in `tensorboard/` of the run's folder (training specification, section 18).
 *
 * Every process writes a file of its own; TensorBoard reads all files of a folder as one run. The step axis is
 * `trainer/global_step`. Values are single precision there.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import { makeFolder } from "../formats/folder.ts";
import { Message } from "../formats/protobuf.ts";
import type { MetricRecord, TrackedRun, Tracker } from "../training/tracker.ts";
import { GrowingFile } from "./growing-file.ts";
import { frameRecord } from "./tfrecord.ts";

/** Name of the folder in a run's folder. */
const TENSORBOARD_FOLDER = "tensorboard";

// Field numbers of tensorflow.Event, Summary, Summary.Value and SessionLog.
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const SUMMARY_VALUE = 1;
const VALUE = { tag: 1, simpleValue: 2 } as const;
const SESSION_LOG = { status: 1, start: 1 } as const;

/** A tracker that writes an event file. */
export function tensorboardTracker(): Tracker {
  let file: GrowingFile | undefined;
  const write = (message: Message) => file!.append(frameRecord(message.bytes));
  return {
    start({ directory, globalStep }: TrackedRun) {
      const folder = join(directory, TENSORBOARD_FOLDER);
      makeFolder(folder);
      file = new GrowingFile(join(folder, eventFileName()));
      write(event().string(EVENT.fileVersion, "brain.Event:2"));
      // Makes TensorBoard forget what an earlier process logged beyond the step from which the run continues.
      const started = new Message().int(SESSION_LOG.status, SESSION_LOG.start);
      if (globalStep > 0) write(event().int(EVENT.step, globalStep).message(EVENT.sessionLog, started));
    },
    log(record) {
      if (file === undefined) throw new Error("Cannot log metrics: the tracker was not started");
      write(scalars(record));
    },
    finish() {
      file?.close();
      file = undefined;
    },
  };
}

function event(): Message {
  return new Message().double(EVENT.wallTime, Date.now() / 1000);
}

function scalars({ "trainer/global_step": step, ...values }: MetricRecord): Message {
  const summary = new Message();
  for (const [tag, value] of Object.entries(values)) {
    summary.message(SUMMARY_VALUE, new Message().string(VALUE.tag, tag).float(VALUE.simpleValue, value));
  }
  return event().int(EVENT.step, step!).message(EVENT.summary, summary);
}

/** TensorBoard goes by the first parts of the name, and reads files in the order of their names. */
function eventFileName(): string {
  const microseconds = String(Math.round((performance.timeOrigin + performance.now()) * 1000));
  return `events.out.tfevents.${microseconds.slice(0, -6)}.${hostname()}.${process.pid}.${microseconds.slice(-6)}`;
}
