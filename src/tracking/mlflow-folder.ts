/**
 * @file MLflow runs in a folder (training specification, section 18), which `mlflow ui --backend-store-uri <folder>` shows:
 *
 * `<folder>/<experiment>/<run>/` with `meta.yaml`, a file for every parameter in `params/`, for every tag in `tags/`, and for
 * every metric in `metrics/`, with lines of time (milliseconds), value and step. The complete configuration is in
 * `artifacts/config.json`.
 */
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parse, stringify } from "yaml";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { makeFolder } from "../formats/folder.ts";
import type { MetricRecord, TrackedRun, Tracker } from "../training/tracker.ts";
import { attemptWrite } from "./attempt-write.ts";
import {
  earlierPlace,
  type MlflowPlace,
  mlflowName,
  mlflowParams,
  mlflowTags,
  type Outcome,
  rememberPlace,
  userName,
} from "./mlflow-run.ts";

const META_FILE = "meta.yaml";
const RUNNING = 1;
const STATUS_NUMBERS = { finished: 3, failed: 4, interrupted: 5 } as const;
const SOURCE_TYPE_LOCAL = 4;

/** A tracker that writes to a folder. `experiment` is the experiment's name; it is made when it is not there. */
export function mlflowFolderTracker(folder: string, experiment: string): Tracker {
  let runFolder: string | undefined;
  return {
    start(run) {
      const root = resolve(folder);
      const earlier = earlierPlace(run, root);
      const place = earlier ?? newPlace(root, experiment);
      runFolder = join(root, place.experimentId, place.runId);
      if (existsSync(join(runFolder, META_FILE))) updateRun(runFolder, { status: RUNNING, end_time: null });
      else makeRun(runFolder, run, place);
      rememberPlace(run, place);
    },
    log(record) {
      if (runFolder === undefined) throw new Error("Cannot log metrics: the tracker was not started");
      logMetrics(join(runFolder, "metrics"), record);
    },
    finish(outcome: Outcome) {
      if (runFolder === undefined) return;
      updateRun(runFolder, { status: STATUS_NUMBERS[outcome], end_time: Date.now() });
      runFolder = undefined;
    },
  };
}

function newPlace(root: string, experiment: string): MlflowPlace {
  const experimentId =
    experimentNamed(root, experiment) ?? makeExperiment(root, experiment, experimentIdOf(experiment));
  return { target: root, experimentId, runId: randomBytes(16).toString("hex") };
}

function experimentNamed(root: string, name: string): string | undefined {
  if (!existsSync(root)) {
    // MLflow expects that a folder has this one.
    makeExperiment(root, "Default", "0");
    return undefined;
  }
  return attemptWrite(root, () => readdirSync(root)).find((id) => {
    const path = join(root, id, META_FILE);
    return existsSync(path) && readMeta(path).name === name;
  });
}

function makeExperiment(root: string, name: string, id: string): string {
  makeFolder(join(root, id));
  writeMeta(join(root, id, META_FILE), {
    artifact_location: pathToFileURL(join(root, id)).href,
    creation_time: Date.now(),
    experiment_id: id,
    last_update_time: Date.now(),
    lifecycle_stage: "active",
    name,
  });
  return id;
}

/** From the name, so that runs which start at the same time agree; a number like MLflow's own. */
function experimentIdOf(name: string): string {
  const digest = createHash("sha256").update(name).digest();
  return String(10n ** 17n + (digest.readBigUInt64LE() % (9n * 10n ** 17n)));
}

function makeRun(folder: string, run: TrackedRun, { experimentId, runId }: MlflowPlace): void {
  for (const part of ["metrics", "params", "tags", "artifacts"]) makeFolder(join(folder, part));
  for (const [name, value] of mlflowParams(run.config)) writeValue(join(folder, "params", name), value);
  for (const [name, value] of mlflowTags(run)) writeValue(join(folder, "tags", name), value);
  writeFileAtomic(join(folder, "artifacts", "config.json"), JSON.stringify(run.config, null, 2));
  // Last, as a folder without it is no run yet.
  writeMeta(join(folder, META_FILE), {
    artifact_uri: pathToFileURL(join(folder, "artifacts")).href,
    deleted_time: null,
    end_time: null,
    entry_point_name: "",
    experiment_id: experimentId,
    lifecycle_stage: "active",
    run_id: runId,
    run_name: run.name,
    run_uuid: runId,
    source_name: "",
    source_type: SOURCE_TYPE_LOCAL,
    source_version: "",
    start_time: Date.now(),
    status: RUNNING,
    tags: [],
    user_id: userName(),
  });
}

function updateRun(folder: string, changes: Record<string, unknown>): void {
  const path = join(folder, META_FILE);
  writeMeta(path, { ...readMeta(path), ...changes });
}

function readMeta(path: string): Record<string, unknown> {
  try {
    return parse(readFileSync(path, "utf8"), { version: "1.1" }) as Record<string, unknown>;
  } catch (cause) {
    throw new UserError(`Cannot read "${path}": ${(cause as Error).message}`, { cause });
  }
}

/** Strings in quotes, so that an id of digits stays a string in every reader. */
function writeMeta(path: string, meta: Record<string, unknown>): void {
  writeFileAtomic(path, stringify(meta, { defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" }));
}

function writeValue(path: string, value: string): void {
  makeFolder(dirname(path));
  attemptWrite(path, () => writeFileSync(path, value));
}

/** A metric whose name is the folder of others, `val_loss` beside `val_loss/<session>`, is stored as `val_loss_overall`. */
function logMetrics(folder: string, { "trainer/global_step": step, ...values }: MetricRecord): void {
  const names = Object.keys(values);
  for (const [name, value] of Object.entries(values)) {
    const isFolder = names.some((other) => other.startsWith(`${name}/`));
    const path = join(folder, mlflowName(isFolder ? `${name}_overall` : name));
    makeFolder(dirname(path));
    attemptWrite(path, () => appendFileSync(path, `${Date.now()} ${pythonNumber(value)} ${step}\n`));
  }
}

function pythonNumber(value: number): string {
  return Number.isFinite(value) ? String(value) : String(value).toLowerCase().replace("infinity", "inf");
}
