/**
 * @file W&B runs without a connection: folders that `wandb sync` sends later (training specification, section 18).
 *
 * Every process writes a folder of its own, `wandb/offline-run-<time>-<id>` in the run's folder; those of a resumed run have
 * the same id.
 */
import { existsSync } from "node:fs";
import { cpus, hostname } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { writeFileAtomic } from "../formats/atomic.ts";
import { makeFolder } from "../formats/folder.ts";
import { Message } from "../formats/protobuf.ts";
import type { MetricRecord, TrackedRun, Tracker } from "../training/tracker.ts";
import { WandbLog } from "./wandb-log.ts";
import {
  EXIT_CODES,
  platform,
  STEP_METRIC,
  WANDB_FOLDER,
  WandbHistory,
  type WandbPlace,
  wandbJson,
} from "./wandb-run.ts";

// Field numbers of wandb_internal's messages.
const HEADER = { versionInfo: 1 } as const;
const VERSION_INFO = { producer: 1, minConsumer: 2 } as const;
const RUN = {
  id: 1,
  entity: 2,
  project: 3,
  config: 4,
  displayName: 8,
  host: 13,
  startingStep: 14,
  startTime: 17,
  resumed: 18,
  telemetry: 19,
  runtime: 20,
} as const;
const TIMESTAMP = { seconds: 1, nanoseconds: 2 } as const;
const TELEMETRY = { platform: 13 } as const;
/** ConfigRecord, SummaryRecord, HistoryRecord and FilesRecord hold their items in field 1. */
const ITEM = 1;
const KEY_VALUE = { key: 1, json: 16 } as const;
const NESTED_KEY = 2;
const HISTORY = { step: 2 } as const;
const STEP = { number: 1 } as const;
const FILE = { path: 1, type: 3, wandb: 1 } as const;
const METRIC = { name: 1, stepMetric: 4, options: 6 } as const;
const OPTIONS = { stepSync: 1, defined: 3 } as const;
const EXIT = { code: 1, runtime: 2 } as const;

/** W&B's oldest version that reads such files. */
const MIN_CONSUMER = "0.70.0";

/** A tracker that writes a folder for `wandb sync`. `onFinish` is told the folder. */
export function wandbOfflineTracker(
  place: WandbPlace,
  { onFinish }: { onFinish?: (folder: string) => void } = {},
): Tracker {
  let open: { history: WandbHistory; log: WandbLog; folder: string; known: Set<string> } | undefined;
  return {
    start(run) {
      const history = new WandbHistory(run, place);
      const folder = newFolder(run.directory, history.id);
      const files = { "config.yaml": configYaml(run), "wandb-metadata.json": metadata(history) };
      for (const [name, text] of Object.entries(files)) writeFileAtomic(join(folder, "files", name), text);

      const log = new WandbLog(join(folder, `run-${history.id}.wandb`));
      open = { history, log, folder, known: new Set() };
      const version = new Message()
        .string(VERSION_INFO.producer, "visioncore")
        .string(VERSION_INFO.minConsumer, MIN_CONSUMER);
      log.write("header", new Message().message(HEADER.versionInfo, version));
      log.write("run", runRecord(run, history));
      log.write("files", filesRecord(Object.keys(files)));
      log.write("metric", metricRecord(STEP_METRIC));
      if (history.earlier.length > 0) log.write("summary", items(history.summary));
    },
    log(record) {
      if (open === undefined) throw new Error("Cannot log metrics: the tracker was not started");
      const { history, log, known } = open;
      const row = history.add(record);
      for (const key of Object.keys(record)) {
        if (known.has(key) || key === STEP_METRIC) continue;
        log.write("metric", metricRecord(key, STEP_METRIC));
        known.add(key);
      }
      const step = new Message().int(STEP.number, row._step);
      log.write("history", items(row).message(HISTORY.step, step));
      log.write("summary", items(row));
    },
    finish(outcome) {
      if (open === undefined) return;
      const { history, log, folder } = open;
      open = undefined;
      const seconds = Math.floor(history.seconds);
      const runtime = new Message().string(NESTED_KEY, "_wandb").string(NESTED_KEY, "runtime");
      log.write("summary", new Message().message(ITEM, runtime.string(KEY_VALUE.json, String(seconds))));
      log.write("exit", new Message().int(EXIT.code, EXIT_CODES[outcome]).int(EXIT.runtime, seconds));
      log.close();
      writeFileAtomic(join(folder, "files", "wandb-summary.json"), wandbJson(history.summary));
      onFinish?.(folder);
    },
  };
}

/** A folder named by the time, as W&B does; the next free second, as a run may be resumed within one. */
function newFolder(directory: string, id: string): string {
  for (let time = Date.now(); ; time += 1000) {
    const folder = join(directory, WANDB_FOLDER, `offline-run-${timeStamp(new Date(time))}-${id}`);
    if (existsSync(folder)) continue;
    makeFolder(join(folder, "files"));
    makeFolder(join(folder, "logs"));
    return folder;
  }
}

/** Local time as `YYYYMMDD_HHMMSS`. */
function timeStamp(date: Date): string {
  const two = (number: number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())];
  return `${day.join("")}_${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join("")}`;
}

function runRecord({ name, config }: TrackedRun, history: WandbHistory): Message {
  const { project, entity } = history.place;
  const settings = new Message();
  for (const [key, value] of Object.entries(plain(config)))
    settings.message(ITEM, keyValue(key, JSON.stringify(value)));
  const start = Math.floor(history.startTime);
  const nanoseconds = Math.floor((history.startTime - start) * 1e9);
  const record = new Message().string(RUN.id, history.id);
  if (entity !== undefined) record.string(RUN.entity, entity);
  return record
    .string(RUN.project, project)
    .message(RUN.config, settings)
    .string(RUN.displayName, name)
    .string(RUN.host, hostname())
    .int(RUN.startingStep, history.step)
    .message(RUN.startTime, new Message().int(TIMESTAMP.seconds, start).int(TIMESTAMP.nanoseconds, nanoseconds))
    .int(RUN.resumed, history.earlier.length > 0)
    .message(RUN.telemetry, new Message().string(TELEMETRY.platform, platform()))
    .int(RUN.runtime, Math.floor(history.seconds));
}

function filesRecord(paths: readonly string[]): Message {
  const record = new Message();
  for (const path of paths) record.message(ITEM, new Message().string(FILE.path, path).int(FILE.type, FILE.wandb));
  return record;
}

/** Says that a metric exists and which axis its charts have. */
function metricRecord(name: string, axis?: string): Message {
  const options = new Message();
  if (axis !== undefined) options.int(OPTIONS.stepSync, true);
  const record = new Message().string(METRIC.name, name);
  if (axis !== undefined) record.string(METRIC.stepMetric, axis);
  return record.message(METRIC.options, options.int(OPTIONS.defined, true));
}

function items(row: MetricRecord): Message {
  const record = new Message();
  for (const [key, value] of Object.entries(row)) record.message(ITEM, keyValue(key, String(value)));
  return record;
}

function keyValue(key: string, json: string): Message {
  return new Message().string(KEY_VALUE.key, key).string(KEY_VALUE.json, json);
}

/** What JSON can hold of a configuration: without settings that are undefined. */
function plain(config: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(config)) as Record<string, unknown>;
}

function configYaml({ config }: TrackedRun): string {
  const entries = Object.entries(plain(config)).map(([key, value]) => [key, { value }]);
  return stringify({ wandb_version: 1, ...Object.fromEntries(entries) }, { version: "1.1" });
}

function metadata({ startTime }: WandbHistory): string {
  return JSON.stringify({
    os: platform(),
    host: hostname(),
    program: "visioncore train",
    startedAt: new Date(startTime * 1000).toISOString(),
    cpu_count: cpus().length,
  });
}
