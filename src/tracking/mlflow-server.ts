/**
 * @file MLflow runs on a tracking server (training specification, section 18), by its REST interface, version 2.0.
 *
 * The same metric at the same step and time is stored once there, so that what is sent twice does no harm.
 */
import type { MetricRecord, TrackedRun, Tracker } from "../training/tracker.ts";
import {
  earlierPlace,
  mlflowName,
  mlflowParams,
  mlflowTags,
  type Outcome,
  rememberPlace,
  STATUSES,
  userName,
} from "./mlflow-run.ts";
import { OUTBOX_TIMES, Outbox, type OutboxTimes } from "./outbox.ts";
import { RequestError, requestJson } from "./request.ts";

/** The most that a server takes at once. */
const METRICS_PER_REQUEST = 1000;
const PARAMS_PER_REQUEST = 100;

interface Metric {
  key: string;
  /** Numbers that JSON does not have are strings. */
  value: number | string;
  /** Milliseconds of Unix time. */
  timestamp: number;
  step: number;
}

/** Metrics of a record, or the run's end. */
type Item = { metrics: Metric[] } | { status: string; endTime: number };

/** Options of {@link mlflowServerTracker}. */
export interface MlflowServerOptions {
  /** Address of the server. */
  uri: string;
  /** Name of the experiment; it is made when it is not there. */
  experiment: string;
  /** Where the server's password or token is: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD. */
  env: NodeJS.ProcessEnv;
  warn: (message: string) => void;
  /** Is told the address of the run. */
  onOpen?: (url: string) => void;
  times?: OutboxTimes;
}

/** A tracker that sends in the background. */
export function mlflowServerTracker(options: MlflowServerOptions): Tracker {
  let outbox: Outbox<Item> | undefined;
  return {
    async start(run) {
      const times = { ...(options.times ?? OUTBOX_TIMES), idle: Number.POSITIVE_INFINITY };
      outbox = new Outbox<Item>(new MlflowRun(options, run), options.warn, times);
      await outbox.start();
    },
    log(record) {
      if (outbox === undefined) throw new Error("Cannot log metrics: the tracker was not started");
      outbox.push({ metrics: metricsOf(record) });
    },
    async finish(outcome: Outcome) {
      outbox?.push({ status: STATUSES[outcome], endTime: Date.now() });
      await outbox?.close();
      outbox = undefined;
    },
  };
}

function metricsOf({ "trainer/global_step": step, ...values }: MetricRecord): Metric[] {
  const timestamp = Date.now();
  return Object.entries(values).map(([name, value]) => ({
    key: mlflowName(name),
    value: Number.isFinite(value) ? value : String(value),
    timestamp,
    step: step!,
  }));
}

/** A run on the server. */
class MlflowRun {
  readonly name = "MLflow";
  readonly #options: MlflowServerOptions;
  readonly #run: TrackedRun;
  readonly #base: string;
  readonly #startTime = Date.now();
  #runId = "";

  constructor(options: MlflowServerOptions, run: TrackedRun) {
    this.#options = options;
    this.#run = run;
    this.#base = options.uri.replace(/\/+$/, "");
  }

  async open(signal: AbortSignal): Promise<readonly Item[]> {
    const earlier = earlierPlace(this.#run, this.#base);
    const isContinued = earlier !== undefined && (await this.#continue(earlier.runId, signal));
    const experimentId = isContinued ? earlier.experimentId : await this.#experiment(signal);
    this.#runId = isContinued ? earlier.runId : await this.#create(experimentId, signal);
    rememberPlace(this.#run, { target: this.#base, experimentId, runId: this.#runId });
    this.#options.onOpen?.(`${this.#base}/#/experiments/${experimentId}/runs/${this.#runId}`);
    return [];
  }

  async send(items: readonly Item[], signal: AbortSignal): Promise<void> {
    const metrics = items.flatMap((item) => ("metrics" in item ? item.metrics : []));
    for (const part of parts(metrics, METRICS_PER_REQUEST)) {
      await this.#post("runs/log-batch", { run_id: this.#runId, metrics: part }, signal);
    }
    const end = items.find((item) => "status" in item);
    if (end === undefined) return;
    await this.#post("runs/update", { run_id: this.#runId, status: end.status, end_time: end.endTime }, signal);
  }

  hint({ status }: RequestError): string | undefined {
    return status === 401 || status === 403
      ? "Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD. Or log to a folder: --mlflow mlruns."
      : undefined;
  }

  /** False when the run is not there any more. */
  async #continue(runId: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#post("runs/update", { run_id: runId, status: "RUNNING" }, signal);
      return true;
    } catch (error) {
      if (isRefusal(error, 404)) return false;
      throw error;
    }
  }

  async #experiment(signal: AbortSignal): Promise<string> {
    const { experiment } = this.#options;
    const found = await this.#experimentNamed(experiment, signal);
    if (found !== undefined) return found;
    try {
      const made = await this.#post("experiments/create", { name: experiment }, signal);
      return (made as { experiment_id: string }).experiment_id;
    } catch (error) {
      // Another run that starts at the same time may have made it.
      const other = isRefusal(error, 400) ? await this.#experimentNamed(experiment, signal) : undefined;
      if (other === undefined) throw error;
      return other;
    }
  }

  async #experimentNamed(name: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      const path = `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
      const found = await this.#request("GET", path, undefined, signal);
      return (found as { experiment: { experiment_id: string } }).experiment.experiment_id;
    } catch (error) {
      if (isRefusal(error, 404)) return undefined;
      throw error;
    }
  }

  async #create(experimentId: string, signal: AbortSignal): Promise<string> {
    const tags = mlflowTags(this.#run).map(([key, value]) => ({ key, value }));
    const run = {
      experiment_id: experimentId,
      user_id: userName(),
      run_name: this.#run.name,
      start_time: this.#startTime,
    };
    const made = (await this.#post("runs/create", { ...run, tags }, signal)) as { run: { info: { run_id: string } } };
    const { run_id } = made.run.info;
    const params = mlflowParams(this.#run.config).map(([key, value]) => ({ key, value }));
    for (const part of parts(params, PARAMS_PER_REQUEST))
      await this.#post("runs/log-batch", { run_id, params: part }, signal);
    return run_id;
  }

  #post(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    return this.#request("POST", path, body, signal);
  }

  #request(method: "GET" | "POST", path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const headers = authorization(this.#options.env);
    return requestJson(`${this.#base}/api/2.0/mlflow/${path}`, { method, headers, body, signal });
  }
}

function authorization(env: NodeJS.ProcessEnv): Record<string, string> {
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password } = env;
  if (user && password) return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
  return token ? { authorization: `Bearer ${token}` } : {};
}

function isRefusal(error: unknown, status: number): boolean {
  return error instanceof RequestError && error.status === status;
}

function parts<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
