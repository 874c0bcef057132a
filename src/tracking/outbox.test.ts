import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { Outbox, type OutboxTimes } from "./outbox.ts";
import { RequestError } from "./request.ts";

const TIMES: OutboxTimes = { interval: 5, idle: 1e9, firstRetry: 5, slowestRetry: 20, answer: 1000, finish: 500 };
const passing = () => new RequestError("the server answers 503", { status: 503, isPassing: true });
const final = () => new RequestError("the server answers 401", { status: 401, isPassing: false });

/** An outbox to a list. `fail` is called before everything is received. */
function outboxTo(
  received: number[],
  fail: (call: number) => void | Promise<void> | undefined,
  times: Partial<OutboxTimes> = {},
) {
  const warnings: string[] = [];
  const counts = { open: 0, send: 0 };
  const first: number[] = [];
  const delivery = {
    name: "Board",
    async open() {
      counts.open++;
      await fail(0);
      return first;
    },
    async send(items: readonly number[], signal: AbortSignal) {
      const aborted = new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new RequestError("too slow", { isPassing: true })));
      });
      await Promise.race([fail(++counts.send), aborted]);
      received.push(...items);
    },
  };
  return {
    outbox: new Outbox<number>(delivery, (text) => warnings.push(text), { ...TIMES, ...times }),
    warnings,
    counts,
    first,
  };
}

describe("Outbox", () => {
  test("sends in the background, in order, and what is left at the end", async () => {
    const received: number[] = [];
    const { outbox, warnings } = outboxTo(received, () => {});
    await outbox.start();
    for (let i = 0; i < 1200; i++) outbox.push(i);
    expect(received).toEqual([]);
    await sleep(60);
    expect(received).toHaveLength(1200);
    outbox.push(1200);
    await outbox.close();
    expect(received).toEqual(Array.from({ length: 1201 }, (_, i) => i));
    expect(warnings).toEqual([]);
  });

  test("keeps what could not be sent, sends it again, and warns once", async () => {
    const received: number[] = [];
    const { outbox, warnings } = outboxTo(received, (call) => {
      if (call % 3 !== 0) throw passing();
    });
    await outbox.start();
    for (let i = 0; i < 5; i++) {
      outbox.push(i);
      await sleep(15);
    }
    await outbox.close();
    expect(received).toEqual([0, 1, 2, 3, 4]);
    expect(warnings).toEqual(["the server answers 503. Training goes on; metrics for Board are kept and sent later"]);
  });

  test("starts without a server, and says hello when it is there", async () => {
    const received: number[] = [];
    let isUp = false;
    const { outbox, warnings, counts } = outboxTo(received, () => {
      if (!isUp) throw passing();
    });
    await outbox.start();
    outbox.push(1);
    await sleep(30);
    expect(counts.open).toBeGreaterThan(1);
    expect(counts.send).toBe(0);
    isUp = true;
    await outbox.close();
    expect(received).toEqual([1]);
    expect(warnings).toHaveLength(1);
  });

  test("sends first what the hello brings up", async () => {
    const received: number[] = [];
    const { outbox, first } = outboxTo(received, () => {});
    first.push(1, 2);
    await outbox.start();
    outbox.push(3);
    await outbox.close();
    expect(received).toEqual([1, 2, 3]);
  });

  test("throws at the start when the server refuses", async () => {
    const { outbox } = outboxTo([], () => {
      throw final();
    });
    await expect(outbox.start()).rejects.toThrow(UserError);
    await expect(outbox.start()).rejects.toThrow("Cannot track the run with Board: the server answers 401");
    await outbox.close();
  });

  test("gives up with a warning when the server refuses later", async () => {
    const { outbox, warnings, counts } = outboxTo([], (call) => {
      if (call > 0) throw final();
    });
    await outbox.start();
    outbox.push(1);
    await sleep(40);
    outbox.push(2);
    await sleep(20);
    await outbox.close();
    expect(counts.send).toBe(1);
    expect(warnings).toEqual([
      "Board refuses the metrics: the server answers 401. Nothing more is sent; training goes on",
    ]);
  });

  test("ends in time when the server does not answer, and says what is lost", async () => {
    const hangs = (call: number) => (call > 0 ? new Promise<void>(() => {}) : undefined);
    const { outbox, warnings } = outboxTo([], hangs, { finish: 60 });
    await outbox.start();
    for (let i = 0; i < 3; i++) outbox.push(i);
    const begun = performance.now();
    await outbox.close();
    expect(performance.now() - begun).toBeLessThan(400);
    expect(warnings).toEqual(["3 records did not reach Board; metrics.jsonl has them"]);
  });

  test("gives up a request that takes too long, and repeats it", async () => {
    const received: number[] = [];
    const hangsOnce = (call: number) => (call === 1 ? new Promise<void>(() => {}) : undefined);
    const { outbox, counts, warnings } = outboxTo(received, hangsOnce, { answer: 60 });
    await outbox.start();
    outbox.push(1);
    await outbox.close();
    expect(received).toEqual([1]);
    expect(counts.send).toBe(2);
    expect(warnings).toHaveLength(1);
  });

  test("does not give up a request because training held up the event loop", async () => {
    const received: number[] = [];
    const { outbox, warnings } = outboxTo(received, (call) => (call === 1 ? sleep(20) : undefined), { answer: 60 });
    await outbox.start();
    outbox.push(1);
    await sleep(10);
    const end = performance.now() + 150;
    while (performance.now() < end);
    await outbox.close();
    expect(received).toEqual([1]);
    expect(warnings).toEqual([]);
  });

  test("gives signs of life", async () => {
    const { outbox, counts } = outboxTo([], () => {}, { idle: 20 });
    await outbox.start();
    await sleep(120);
    await outbox.close();
    expect(counts.send).toBeGreaterThanOrEqual(2);
    expect(counts.send).toBeLessThanOrEqual(7);
  });
});
