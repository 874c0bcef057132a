/**
 * @file What both ways to MLflow share: names, parameters, statuses, and `mlflow.json` in the run's folder, by which a resumed
 * run finds its MLflow run again.
 */
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { makeFolder } from "../formats/folder.ts";
import type { TrackedRun, Tracker } from "../training/tracker.ts";

/** How MLflow calls the outcomes of a run. */
export const STATUSES = { finished: "FINISHED", failed: "FAILED", interrupted: "KILLED" } as const;

/** An outcome, as trackers are told. */
export type Outcome = Parameters<Tracker["finish"]>[0];

/** Older servers take no longer values of parameters. */
const LONGEST_VALUE = 500;

const STATE_FILE = "mlflow.json";

/** Where a run is in MLflow. */
export interface MlflowPlace {
  /** Folder or address. */
  target: string;
  experimentId: string;
  runId: string;
}

/**
 * Where earlier processes logged the run, or undefined when this one is the first, or the others logged elsewhere.
 *
 * @throws UserError when `mlflow.json` is damaged
 */
export function earlierPlace({ directory, globalStep }: TrackedRun, target: string): MlflowPlace | undefined {
  const path = join(directory, STATE_FILE);
  if (globalStep === 0 || !existsSync(path)) return undefined;
  try {
    const place = JSON.parse(readFileSync(path, "utf8")) as MlflowPlace;
    if (![place.target, place.experimentId, place.runId].every((part) => typeof part === "string")) {
      throw new Error("expected target, experimentId and runId");
    }
    return place.target === target ? place : undefined;
  } catch (cause) {
    throw new UserError(`Cannot continue the MLflow run of "${path}": ${(cause as Error).message}`, {
      hint: "Remove the file to go on in a new MLflow run.",
      cause,
    });
  }
}

/** Remembers where a run is. */
export function rememberPlace({ directory }: TrackedRun, place: MlflowPlace): void {
  makeFolder(directory);
  writeFileAtomic(join(directory, STATE_FILE), `${JSON.stringify(place, null, 2)}\n`);
}

/** A name as MLflow takes it: letters, digits and `_ - . / :` and spaces; no part of it may be empty or dots alone. */
export function mlflowName(name: string): string {
  return name
    .replace(/[^\w\-./: ]/g, "_")
    .split("/")
    .map((part) => (/^\.*$/.test(part) ? "_".repeat(Math.max(1, part.length)) : part))
    .join("/");
}

/**
 * A configuration as MLflow's parameters: nested keys with points between, lists as JSON, values cut after 500 characters. Of
 * `sessions` only the numbers of units, as `sessions.<name>`.
 */
export function mlflowParams({ sessions, ...config }: Record<string, unknown>): [name: string, value: string][] {
  const params: [string, string][] = [];
  const add = (name: string, value: unknown) => {
    if (value === undefined) return;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [key, part] of Object.entries(value)) add(name === "" ? key : `${name}.${key}`, part);
      return;
    }
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const isLong = text.length > LONGEST_VALUE;
    params.push([mlflowName(name), isLong ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text]);
  };
  add("", config);
  for (const { name, nUnits } of (sessions ?? []) as { name: string; nUnits: number }[])
    add(`sessions.${name}`, nUnits);
  return params;
}

/** What MLflow's own clients say about every run. */
export function mlflowTags({ name }: TrackedRun): [name: string, value: string][] {
  return [
    ["mlflow.runName", name],
    ["mlflow.user", userName()],
    ["mlflow.source.name", "visioncore train"],
    ["mlflow.source.type", "LOCAL"],
  ];
}

/** The user's name; containers may run under a number that has none. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "unknown";
  }
}
