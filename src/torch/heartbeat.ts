/**
 * @file Tells a process that hangs from one that takes long. In every process of a group a second thread tells the store how
 * its process is, and looks how the others are, whatever the first thread is doing; see heartbeat-thread.ts.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** What the threads of a process share, by place. */
export const SHARED = {
  /** How often the main thread has been seen at work between two exchanges. */
  turns: 0,
  /** Number of the exchange that the main thread waits in, 0 for none. */
  waiting: 1,
  /** 1 as soon as the second thread may end the process no more. */
  stopped: 2,
} as const;

/** What the second thread has to know. */
export interface HeartbeatOptions {
  address: string;
  port: number;
  run: string;
  rank: number;
  /** Every rank as messages name it. */
  names: readonly string[];
  /** Seconds without a sign of life after which a process is given up. */
  limit: number;
  /** Open file that the reason is written to when this process is ended; 2, the standard error, is for people. */
  reasonFile: number;
}

export interface HeartbeatData extends HeartbeatOptions {
  shared: Int32Array;
}

const TURN_MS = 1000;

/** How long rank 0, which serves the store, stays for the others to read there why they end. */
export const FAREWELL_MS = 2000;

/** The second thread, as the main thread sees it. */
export class Heartbeat {
  private readonly shared = new Int32Array(new SharedArrayBuffer(4 * Object.keys(SHARED).length));
  private readonly worker: Worker;
  private readonly timer: NodeJS.Timeout;
  private exchanges = 0;

  private constructor(options: HeartbeatOptions) {
    this.worker = startThread({ ...options, shared: this.shared });
    this.timer = setInterval(() => this.turn(), TURN_MS).unref();
  }

  /** Resolves after the first beat: a thread cannot start while the main thread blocks. */
  static async start(options: HeartbeatOptions): Promise<Heartbeat> {
    const heartbeat = new Heartbeat(options);
    await once(heartbeat.worker, "message");
    heartbeat.worker.unref();
    return heartbeat;
  }

  /** Says that the main thread is at work. It need not be said while it computes or the event loop turns. */
  turn(): void {
    Atomics.add(this.shared, SHARED.turns, 1);
  }

  /** Runs what waits for the other processes. */
  whileWaiting<Result>(body: () => Result): Result {
    this.exchanges = (this.exchanges % 2 ** 30) + 1;
    Atomics.store(this.shared, SHARED.waiting, this.exchanges);
    try {
      return body();
    } finally {
      Atomics.store(this.shared, SHARED.waiting, 0);
    }
  }

  /** From here on this process ends by itself. */
  stop(): void {
    Atomics.store(this.shared, SHARED.stopped, 1);
    clearInterval(this.timer);
    void this.worker.terminate();
  }
}

/** What is built is JavaScript. The sources are TypeScript, which a thread must be taught to read. */
function startThread(workerData: HeartbeatData): Worker {
  if (!import.meta.url.endsWith(".ts")) {
    return new Worker(new URL("./heartbeat-thread.js", import.meta.url), { workerData });
  }
  const loader = `import { register } from "${import.meta.resolve("tsx/esm/api")}"; register();`;
  const execArgv = ["--import", `data:text/javascript,${encodeURIComponent(loader)}`];
  return new Worker(new URL("./heartbeat-thread.ts", import.meta.url), { workerData, execArgv });
}
