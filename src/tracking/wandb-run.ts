/**
 * @file A W&B run, whichever way it gets there. `wandb/run.json` of the run's folder has its id and place, and
 * `wandb/history.jsonl` the rows of its history, so that a resumed run goes on where it was.
 */
import { randomInt } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { makeFolder } from "../formats/folder.ts";
import type { MetricRecord, TrackedRun } from "../training/tracker.ts";
import { appendMetrics, metricsLine, readMetrics } from "./jsonl.ts";

/** Name of the folder in a run's folder. */
export const WANDB_FOLDER = "wandb";

/** The step axis of all charts. */
export const STEP_METRIC = "trainer/global_step";

/** Ways to W&B. */
export const WANDB_MODES = ["offline", "online"] as const;

/** Exit codes by outcome: W&B shows 255 as killed. */
export const EXIT_CODES = { finished: 0, failed: 1, interrupted: 255 } as const;

/** Where a run belongs on W&B. */
export interface WandbPlace {
  project: string;
  /** User or team; the account's default when undefined. */
  entity?: string | undefined;
}

const RUN_FILE = "run.json";
const HISTORY_FILE = "history.jsonl";
const ID_LENGTH = 8;

/** A row of the history: a record and what W&B wants to know about every row. */
export interface WandbRow extends MetricRecord {
  /** Number of the row, from 0. */
  _step: number;
  /** Seconds of the run, without the time between its processes. */
  _runtime: number;
  /** Seconds of Unix time. */
  _timestamp: number;
}

/** The rows of a run's history. */
export class WandbHistory {
  readonly id: string;
  /** That of the first process. */
  readonly place: WandbPlace;
  /** Rows of earlier processes. */
  readonly earlier: readonly WandbRow[];
  /** When the run started, moved by the time between its processes; seconds of Unix time. */
  readonly startTime: number;
  /** The latest value of every metric. */
  readonly summary: MetricRecord = {};
  readonly #path: string;
  #step: number;

  /** @throws UserError when the files of earlier processes cannot be read or files cannot be written */
  constructor({ directory, globalStep }: TrackedRun, place: WandbPlace) {
    const folder = join(directory, WANDB_FOLDER);
    const runPath = join(folder, RUN_FILE);
    makeFolder(folder);
    this.#path = join(folder, HISTORY_FILE);
    const stored = globalStep > 0 && existsSync(runPath) ? readRun(runPath) : undefined;
    this.id = stored?.id ?? newId();
    this.place = stored?.place ?? { project: place.project, entity: place.entity };
    this.earlier = stored !== undefined && existsSync(this.#path) ? (readMetrics(this.#path) as WandbRow[]) : [];
    Object.assign(this.summary, ...this.earlier);
    this.startTime = Date.now() / 1000 - (this.summary._runtime ?? 0);
    this.#step = (this.summary._step ?? -1) + 1;
    writeFileAtomic(this.#path, this.earlier.map(metricsLine).join(""));
    if (stored === undefined) writeFileAtomic(runPath, `${JSON.stringify({ id: this.id, ...this.place })}\n`);
  }

  /** Number of rows so far, those of earlier processes included. */
  get step(): number {
    return this.#step;
  }

  /** Seconds of the run so far, without the time between its processes. */
  get seconds(): number {
    return Date.now() / 1000 - this.startTime;
  }

  /**
   * The row for a record.
   *
   * @throws UserError when the disk is full and the like
   */
  add(record: MetricRecord): WandbRow {
    const row = { ...record, _step: this.#step, _runtime: this.seconds, _timestamp: Date.now() / 1000 };
    appendMetrics(this.#path, row);
    Object.assign(this.summary, row);
    this.#step++;
    return row;
  }
}

function readRun(path: string): { id: string; place: WandbPlace } {
  try {
    const { id, project, entity } = JSON.parse(readFileSync(path, "utf8")) as WandbPlace & { id: string };
    if (!/^\w+$/.test(id) || typeof project !== "string") throw new Error("expected id and project");
    return { id, place: { project, entity } };
  } catch (cause) {
    throw new UserError(`Cannot continue the W&B run of "${path}": ${(cause as Error).message}`, {
      hint: "Remove the file to go on in a new W&B run.",
      cause,
    });
  }
}

function newId(): string {
  return Array.from({ length: ID_LENGTH }, () => randomInt(36).toString(36)).join("");
}

/** JSON as W&B reads and writes it: with the bare words NaN, Infinity and -Infinity. */
export function wandbJson(row: MetricRecord): string {
  return `{${Object.entries(row)
    .map(([key, value]) => `${JSON.stringify(key)}:${value}`)
    .join(",")}}`;
}

/** Operating system and processor, as W&B spells them. */
export function platform(): string {
  return `${process.platform}-${process.arch === "x64" ? "x86_64" : process.arch}`;
}
