/**
 * @file Metrics as lines of JSON in `metrics.jsonl` beside the checkpoints: the record that is always there.
 *
 * A line holds one record with the keys of the training specification, section 18, the Unix time in seconds as `time`, and
 * about the process that wrote it {@link MEMORY_KEY} and {@link STARTED_KEY}. Numbers that JSON does not have are the
 * strings "NaN", "Infinity" and "-Infinity".
 */

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { makeFolder } from "../formats/folder.ts";
import type { MetricRecord, TrackedRun, Tracker } from "../training/tracker.ts";
import { attemptWrite } from "./attempt-write.ts";

/** Name of the file in a run's folder. */
export const METRICS_FILE = "metrics.jsonl";

/** Memory that the process holds, in MiB. */
export const MEMORY_KEY = "process/memory_mb";

/** Unix time in seconds when the process started: another value means that the run was resumed. */
export const STARTED_KEY = "process/started";

const STEP_KEY = "trainer/global_step";

/** A tracker that appends to `metrics.jsonl` in the run's folder, a line at a time, so that a crash loses nothing. */
export function jsonlTracker(): Tracker {
  let path: string | undefined;
  return {
    start({ directory, globalStep }: TrackedRun) {
      makeFolder(directory);
      path = join(directory, METRICS_FILE);
      if (existsSync(path)) keepUpTo(path, globalStep);
    },
    log(record) {
      if (path === undefined) throw new Error("Cannot log metrics: the tracker was not started");
      appendMetrics(path, { ...record, time: Date.now() / 1000, ...processRecord() });
    },
    finish() {
      path = undefined;
    },
  };
}

function processRecord(): MetricRecord {
  return {
    [MEMORY_KEY]: Math.round(process.memoryUsage.rss() / 2 ** 20),
    [STARTED_KEY]: Math.round(performance.timeOrigin / 1000),
  };
}

/**
 * Appends a record to a metrics file.
 *
 * @throws UserError when the disk is full and the like
 */
export function appendMetrics(path: string, record: MetricRecord): void {
  attemptWrite(path, () => appendFileSync(path, metricsLine(record)));
}

/** A record as a line of a metrics file. */
export function metricsLine(record: MetricRecord): string {
  return `${JSON.stringify(record, spellNonFinite)}\n`;
}

/** Removes what an earlier process logged beyond the step from which the run continues. */
function keepUpTo(path: string, globalStep: number): void {
  const lines = globalStep === 0 ? [] : readFileSync(path, "utf8").split("\n");
  const kept = lines.filter((line) => (parseLine(line)?.[STEP_KEY] ?? globalStep) < globalStep);
  writeFileAtomic(path, kept.map((line) => `${line}\n`).join(""));
}

/**
 * Reads a metrics file. A last line that was cut short by a crash is left out.
 *
 * @throws UserError when the file cannot be read
 */
export function readMetrics(path: string): MetricRecord[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UserError(`Cannot read metrics "${path}": ${(cause as Error).message}`, { cause });
  }
  return text
    .split("\n")
    .map(parseLine)
    .filter((record) => record !== undefined);
}

function parseLine(line: string): MetricRecord | undefined {
  try {
    return JSON.parse(line, (_, value) => (typeof value === "string" ? Number(value) : value)) as MetricRecord;
  } catch {
    return undefined;
  }
}

function spellNonFinite(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
