import { describe, expect, test } from "vitest";
import { PeerWatch, ProgressCount } from "./signs-of-life.ts";

/** What a watch says second by second about rank 1, whose text at a second is `text(second)`. */
function given(
  text: (second: number) => string | null,
  { exchange = () => 0, seconds = 60 }: { exchange?: (second: number) => number; seconds?: number } = {},
) {
  const watch = new PeerWatch([1], 15, 0);
  for (let second = 1; second <= seconds; second++) {
    if (watch.update([text(second)], exchange(second), 1000 * second).length > 0) return second;
  }
  return null;
}

describe("PeerWatch", () => {
  test("gives up a process whose beats stay away, whatever this one does", () => {
    const stopped = (second: number) => (second < 20 ? `${second} ${second}` : "19 19");
    expect(given(stopped)).toBe(34);
    expect(given(stopped, { exchange: (second) => second })).toBe(34);
  });

  test("gives up one that has not got on for as long as this one has waited", () => {
    const idle = (second: number) => `${second} ${Math.min(second, 20)}`;
    expect(given(idle)).toBeNull();
    expect(given(idle, { exchange: () => 7 })).toBe(35);
    expect(given(idle, { exchange: (second) => (second < 30 ? 0 : 8) })).toBe(45);
    // Every exchange ended.
    expect(given(idle, { exchange: (second) => second })).toBeNull();
  });

  test("waits for one that computes, and for one whose thread has not started", () => {
    expect(given((second) => `${second} ${second}`, { exchange: () => 7, seconds: 3600 })).toBeNull();
    expect(given((second) => (second < 20 ? null : `${second} ${second}`))).toBeNull();
    expect(given(() => null)).toBe(25);
  });

  test("blames nobody for the time that its own process was stopped", () => {
    const watch = new PeerWatch([1], 15, 0);
    watch.update(["1 1"], 0, 1000);
    expect(watch.update(["1 1"], 0, 3_600_000)).toEqual([]);
  });
});

describe("ProgressCount", () => {
  test("counts computing, turns and waiting, and not doing nothing", () => {
    const progress = new ProgressCount();
    const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    const counts = (turns: number, isWaiting: boolean) => {
      const before = progress.value;
      progress.count(turns, isWaiting);
      return progress.value - before;
    };
    for (const until = performance.now() + 200; performance.now() < until; );
    expect(counts(0, false)).toBe(1);
    pause();
    expect(counts(0, false)).toBe(0);
    pause();
    expect(counts(1, false)).toBe(1);
    pause();
    expect(counts(1, true)).toBe(1);
  });
});
