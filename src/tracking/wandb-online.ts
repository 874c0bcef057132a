/**
 * @file W&B runs over the network (training specification, section 18): the run itself by GraphQL, its history by the file
 * stream, where lines are numbered, so that a line that is sent twice is stored once.
 *
 * A resumed run goes on in the same W&B run. Charts have `trainer/global_step` as their axis.
 */
import { hostname, totalmem } from "node:os";
import type { MetricRecord, TrackedRun, Tracker } from "../training/tracker.ts";
import { OUTBOX_TIMES, Outbox, type OutboxTimes } from "./outbox.ts";
import { RequestError, requestJson } from "./request.ts";
import { appUrl, type WandbAccount } from "./wandb-account.ts";
import {
  EXIT_CODES,
  platform,
  STEP_METRIC,
  WandbHistory,
  type WandbPlace,
  type WandbRow,
  wandbJson,
} from "./wandb-run.ts";

const UPSERT = `mutation UpsertBucket($name: String, $project: String, $entity: String, $displayName: String,
  $config: JSONString, $host: String, $program: String) {
  upsertBucket(input: {name: $name, modelName: $project, entityName: $entity, displayName: $displayName,
    config: $config, host: $host, jobProgram: $program}) {
    bucket { name historyLineCount eventsLineCount project { name entity { name } } }
  }
}`;

interface Bucket {
  name: string;
  historyLineCount?: number | null;
  eventsLineCount?: number | null;
  project: { name: string; entity: { name: string } };
}

/** A row of the history, or the run's end. */
type Item = { row: WandbRow } | { exitCode: number };

/** Options of {@link wandbOnlineTracker}. */
export interface WandbOnlineOptions extends WandbPlace {
  account: WandbAccount;
  warn: (message: string) => void;
  /** Is told the address of the run. */
  onOpen?: (url: string) => void;
  times?: OutboxTimes;
}

/** A tracker that sends in the background. */
export function wandbOnlineTracker(options: WandbOnlineOptions): Tracker {
  let open: { run: WandbRun; outbox: Outbox<Item> } | undefined;
  return {
    async start(run) {
      const history = new WandbHistory(run, options);
      const remote = new WandbRun(options, history, run);
      const outbox = new Outbox<Item>(remote, options.warn, options.times ?? OUTBOX_TIMES);
      open = { run: remote, outbox };
      await outbox.start();
    },
    log(record) {
      if (open === undefined) throw new Error("Cannot log metrics: the tracker was not started");
      open.outbox.push({ row: open.run.row(record) });
    },
    async finish(outcome) {
      open?.outbox.push({ exitCode: EXIT_CODES[outcome] });
      await open?.outbox.close();
      open = undefined;
    },
  };
}

/** A run on the server. */
class WandbRun {
  readonly name = "W&B";
  readonly #options: WandbOnlineOptions;
  readonly #history: WandbHistory;
  readonly #run: TrackedRun;
  readonly #metrics = new Set<string>();
  /** Metrics that the server knows of. */
  #declared = -1;
  /** By how much a row's line on the server is above its number. */
  #shift = 0;
  /** Lines of system events that the server has. */
  #events = 0;
  #streamUrl = "";

  constructor(options: WandbOnlineOptions, history: WandbHistory, run: TrackedRun) {
    this.#options = options;
    this.#history = history;
    this.#run = run;
    for (const key of Object.keys(history.summary)) this.#declare(key);
  }

  row(record: MetricRecord): WandbRow {
    for (const key of Object.keys(record)) this.#declare(key);
    return this.#history.add(record);
  }

  async open(signal: AbortSignal): Promise<readonly Item[]> {
    const { account, onOpen } = this.#options;
    const { name, project, historyLineCount, eventsLineCount } = await this.#upsert(signal);
    const path = [project.entity.name, project.name, name].map(encodeURIComponent);
    const { earlier } = this.#history;
    const lines = historyLineCount ?? 0;
    this.#shift = Math.max(0, lines - earlier.length);
    this.#events = eventsLineCount ?? 0;
    this.#streamUrl = `${account.baseUrl}/files/${path.join("/")}/file_stream`;
    onOpen?.(`${appUrl(account.baseUrl)}/${path[0]}/${path[1]}/runs/${path[2]}`);
    // What did not reach the server before an earlier process ended.
    return earlier.slice(lines).map((row) => ({ row }));
  }

  async send(items: readonly Item[], signal: AbortSignal): Promise<void> {
    if (this.#declared < this.#metrics.size) await this.#upsert(signal);
    const rows = items.flatMap((item) => ("row" in item ? [item.row] : []));
    const end = items.find((item) => "exitCode" in item);
    const files: Record<string, { offset: number; content: string[] }> = {
      "wandb-events.jsonl": { offset: this.#events, content: [this.#systemEvent()] },
    };
    if (rows.length > 0) {
      files["wandb-history.jsonl"] = { offset: rows[0]!._step + this.#shift, content: rows.map(wandbJson) };
      files["wandb-summary.json"] = { offset: 0, content: [this.#summary()] };
    }
    await this.#post(this.#streamUrl, { files, ...(end && { complete: true, exitcode: end.exitCode }) }, signal);
    this.#events++;
  }

  hint({ status }: RequestError): string | undefined {
    const { apiKey, baseUrl } = this.#options.account;
    if (status !== 401 && status !== 403) return undefined;
    return `The key ends in ${apiKey.slice(-4)}; keys are at ${appUrl(baseUrl)}/authorize. Or log to a folder: --wandb offline.`;
  }

  /** Makes the run, or brings its configuration up to date. */
  async #upsert(signal: AbortSignal): Promise<Bucket> {
    const { account } = this.#options;
    const size = this.#metrics.size;
    const variables = {
      name: this.#history.id,
      ...this.#history.place,
      displayName: this.#run.name,
      config: JSON.stringify(this.#configuration()),
      host: hostname(),
      program: "visioncore train",
    };
    const answer = await this.#post(`${account.baseUrl}/graphql`, { query: UPSERT, variables }, signal);
    const { data, errors } = answer as {
      data?: { upsertBucket?: { bucket?: Bucket } | null } | null;
      errors?: { message?: string }[];
    };
    const bucket = data?.upsertBucket?.bucket;
    if (bucket == null || errors !== undefined) {
      const message = errors?.[0]?.message ?? "its answer has no run";
      throw new RequestError(`${new URL(account.baseUrl).host} answers: ${message}`, { isPassing: false });
    }
    this.#declared = size;
    return bucket;
  }

  /** The configuration, and under `_wandb` what the server should know: the metrics with their axis, and the platform. */
  #configuration(): Record<string, { value: unknown }> {
    const entries = Object.entries(this.#run.config).map(([key, value]) => [key, { value }] as const);
    const metrics = [...this.#metrics].map((name) => ({ 1: name, 5: 1, 6: [1, 3], 7: [] }));
    const internal = { m: [{ 1: STEP_METRIC, 6: [3], 7: [] }, ...metrics], t: { 13: platform() } };
    return { ...Object.fromEntries(entries), _wandb: { value: internal } };
  }

  #declare(key: string): void {
    if (key !== STEP_METRIC && !key.startsWith("_")) this.#metrics.add(key);
  }

  #summary(): string {
    const runtime = Math.floor(this.#history.seconds);
    return `${wandbJson(this.#history.summary).slice(0, -1)},"_wandb":${JSON.stringify({ runtime })}}`;
  }

  #systemEvent(): string {
    const resident = process.memoryUsage.rss();
    return JSON.stringify({
      "system.proc.memory.rssMB": resident / 2 ** 20,
      "system.proc.memory.percent": (100 * resident) / totalmem(),
      _wandb: true,
      _timestamp: Date.now() / 1000,
      _runtime: this.#history.seconds,
    });
  }

  async #post(url: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const authorization = `Basic ${Buffer.from(`api:${this.#options.account.apiKey}`).toString("base64")}`;
    return requestJson(url, { headers: { authorization }, body, signal });
  }
}
