/**
 * @file What is on its way to a server. Sending happens beside training, in turns of the event loop: nothing waits for it, and
 * nothing fails with it. What could not be sent is kept and sent later.
 */
import { UserError } from "../errors.ts";
import { RequestError } from "./request.ts";

/** How things reach a server. */
export interface Delivery<T> {
  /** Whom it is about, in messages. */
  name: string;
  /** Says hello. Called until it succeeds once, before anything is sent; gives what is to be sent before all else. */
  open(signal: AbortSignal): Promise<readonly T[]>;
  /** Sends everything, or fails; may be called again with the same items and more. Called without items as a sign of life. */
  send(items: readonly T[], signal: AbortSignal): Promise<void>;
  /** What to do when the server refuses at the start. */
  hint?(error: RequestError): string | undefined;
}

/** Times in milliseconds. */
export interface OutboxTimes {
  /** Between two sendings. */
  interval: number;
  /** Without anything to send, after which a sign of life is sent. */
  idle: number;
  /** Before the first repetition of what failed; then twice as long every time, up to `slowestRetry`. */
  firstRetry: number;
  slowestRetry: number;
  /** Until an answer. */
  answer: number;
  /** At the end of a run, for what was not sent yet. */
  finish: number;
}

/** Times that servers of trackers are used to. */
export const OUTBOX_TIMES: OutboxTimes = {
  interval: 15_000,
  idle: 30_000,
  firstRetry: 2_000,
  slowestRetry: 60_000,
  answer: 60_000,
  finish: 30_000,
};

/** A limit passes when this many parts of it did. */
const PARTS_OF_LIMIT = 30;

/** Items that are sent together. */
const BATCH = 500;

/** Things to send, in order. */
export class Outbox<T> {
  readonly #delivery: Delivery<T>;
  readonly #warn: (message: string) => void;
  readonly #times: OutboxTimes;
  readonly #items: T[] = [];
  readonly #stop = new AbortController();
  #isOpen = false;
  #isClosing = false;
  /** The server refused for good. */
  #isRefused = false;
  #hasWarned = false;
  #failures = 0;
  #sentAt = Date.now();
  #wake = () => {};
  #loop: Promise<void> | undefined;

  constructor(delivery: Delivery<T>, warn: (message: string) => void, times: OutboxTimes) {
    this.#delivery = delivery;
    this.#warn = warn;
    this.#times = times;
  }

  /**
   * Says hello and begins to send. A server that is out of reach is tried again later.
   *
   * @throws UserError when the server refuses
   */
  async start(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (!error.isPassing) {
        throw new UserError(`Cannot track the run with ${this.#delivery.name}: ${error.message}`, {
          hint: this.#delivery.hint?.(error) ?? "Training without it works: leave out the flag.",
          cause: error,
        });
      }
      this.#failed(error);
    }
    this.#loop = this.#run();
  }

  /** Adds something to send. Never fails. */
  push(item: T): void {
    if (!this.#isRefused) this.#items.push(item);
  }

  /** Sends what is left, within the time for that; what then remains is told and dropped. */
  async close(): Promise<void> {
    if (this.#loop === undefined) return;
    this.#isClosing = true;
    this.#wake();
    const timer = setTimeout(() => {
      this.#stop.abort();
      this.#wake();
    }, this.#times.finish);
    await this.#loop;
    clearTimeout(timer);
    this.#loop = undefined;
    if (this.#items.length > 0) {
      this.#warn(`${this.#items.length} records did not reach ${this.#delivery.name}; metrics.jsonl has them`);
    }
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (!this.#isClosing || this.#failures > 0) await this.#pause();
      try {
        await this.#open();
        await this.#send();
        this.#failures = 0;
        if (this.#isClosing && this.#items.length === 0) return;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof RequestError && error.isPassing) this.#failed(error);
        else return this.#refused(error as Error);
      }
    }
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return;
    this.#items.unshift(...(await this.#limited((signal) => this.#delivery.open(signal))));
    this.#isOpen = true;
  }

  async #send(): Promise<void> {
    const isIdle = Date.now() - this.#sentAt >= this.#times.idle;
    if (this.#items.length === 0 && !isIdle) return;
    do {
      const batch = this.#items.slice(0, BATCH);
      await this.#limited((signal) => this.#delivery.send(batch, signal));
      this.#items.splice(0, batch.length);
      this.#sentAt = Date.now();
    } while (this.#items.length > 0);
  }

  /**
   * Limits the time of a request. Counted in parts, as a step of training may hold up the event loop for longer than the limit,
   * and an answer that came meanwhile is read only after the timers that ran out.
   */
  async #limited<R>(request: (signal: AbortSignal) => Promise<R>): Promise<R> {
    const { answer } = this.#times;
    const limit = new AbortController();
    let passed = 0;
    const timer = setInterval(() => {
      if (++passed === PARTS_OF_LIMIT) limit.abort(new Error(`nothing within ${answer / 1000} s`));
    }, answer / PARTS_OF_LIMIT);
    try {
      return await request(AbortSignal.any([this.#stop.signal, limit.signal]));
    } finally {
      clearInterval(timer);
    }
  }

  #pause(): Promise<void> {
    const { interval, firstRetry, slowestRetry } = this.#times;
    const retry = Math.min(firstRetry * 2 ** (this.#failures - 1), slowestRetry);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#failures > 0 ? retry : interval);
      // A run that ends without closing its trackers must not be kept alive by them.
      if (!this.#isClosing) timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #failed(error: RequestError): void {
    this.#failures++;
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#warn(`${error.message}. Training goes on; metrics for ${this.#delivery.name} are kept and sent later`);
  }

  #refused(error: Error): void {
    this.#isRefused = true;
    this.#items.length = 0;
    this.#warn(`${this.#delivery.name} refuses the metrics: ${error.message}. Nothing more is sent; training goes on`);
  }
}
