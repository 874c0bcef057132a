/** @file The trackers of a run, by what its user asked for. */
import { fileURLToPath } from "node:url";
import { UserError } from "../errors.ts";
import type { RunEvent } from "../training/events.ts";
import type { Tracker } from "../training/tracker.ts";
import { jsonlTracker } from "./jsonl.ts";
import { mlflowFolderTracker } from "./mlflow-folder.ts";
import { mlflowServerTracker } from "./mlflow-server.ts";
import { tensorboardTracker } from "./tensorboard.ts";
import { wandbAccount } from "./wandb-account.ts";
import { wandbOfflineTracker } from "./wandb-offline.ts";
import { wandbOnlineTracker } from "./wandb-online.ts";
import type { WANDB_MODES } from "./wandb-run.ts";

/** Where metrics go besides `metrics.jsonl`. */
export interface TrackingOptions {
  wandb?: (typeof WANDB_MODES)[number] | undefined;
  tensorboard?: boolean | undefined;
  /** Folder, or address of a server. */
  mlflow?: string | undefined;
  /** Project on W&B, experiment in MLflow; `multidataset` when undefined. */
  projectName?: string | undefined;
}

/**
 * `metrics.jsonl` and what was asked for. Once training has begun, none of them stops it: the first failure of each is told as
 * a warning.
 *
 * @param env where accounts are looked for
 * @throws UserError when W&B is asked for and there is no account, or the address of MLflow is none
 */
export function makeTrackers(
  { wandb, tensorboard, mlflow, projectName = "multidataset" }: TrackingOptions,
  tell: (event: RunEvent) => void,
  env: NodeJS.ProcessEnv = process.env,
): Tracker[] {
  const warn = (message: string) => tell({ type: "warning", message });
  const note = (message: string) => tell({ type: "note", message });
  const place = { project: projectName, entity: env.WANDB_ENTITY || undefined };
  const trackers: Record<string, Tracker | undefined> = {
    "metrics.jsonl": jsonlTracker(),
    TensorBoard: tensorboard ? tensorboardTracker() : undefined,
    "W&B":
      wandb === "online"
        ? wandbOnlineTracker({ ...place, account: wandbAccount(env), warn, onOpen: (url) => note(`W&B run: ${url}`) })
        : wandb === "offline"
          ? wandbOfflineTracker(place, { onFinish: (folder) => note(`Send to W&B with: wandb sync ${folder}`) })
          : undefined,
    MLflow: mlflow === undefined ? undefined : mlflowTracker(mlflow, projectName, env, warn, note),
  };
  return Object.entries(trackers).flatMap(([name, tracker]) => (tracker ? [steadfast(name, tracker, warn)] : []));
}

function mlflowTracker(
  target: string,
  experiment: string,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void,
  note: (message: string) => void,
): Tracker {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(target)?.[1]?.toLowerCase();
  if (scheme === "http" || scheme === "https") {
    if (!URL.canParse(target)) throw new UserError(`Cannot log to MLflow: "${target}" is not an address`);
    return mlflowServerTracker({ uri: target, experiment, env, warn, onOpen: (url) => note(`MLflow run: ${url}`) });
  }
  if (scheme === "file") return mlflowFolderTracker(fileURLToPath(target), experiment);
  if (scheme !== undefined) {
    throw new UserError(
      `Cannot log to MLflow: "${target}" is neither a folder nor an address with http:// or https://`,
      {
        hint: `Start a server for it: mlflow server --backend-store-uri ${target}, and name that: --mlflow http://127.0.0.1:5000.`,
      },
    );
  }
  return mlflowFolderTracker(target, experiment);
}

/** A tracker that cannot fail once it was started; its first failure is told. */
export function steadfast(name: string, tracker: Tracker, warn: (message: string) => void): Tracker {
  let hasFailed = false;
  const failed = (error: unknown) => {
    if (hasFailed) return;
    hasFailed = true;
    const message = error instanceof Error ? error.message : String(error);
    warn(`${message}. Training goes on; what ${name} cannot take is lost there`);
  };
  return {
    start: (run) => tracker.start(run),
    log(record) {
      try {
        tracker.log(record);
      } catch (error) {
        failed(error);
      }
    },
    async finish(outcome) {
      try {
        await tracker.finish(outcome);
      } catch (error) {
        failed(error);
      }
    },
  };
}
