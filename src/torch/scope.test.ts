import { describe, expect, test } from "vitest";
import { releaseMemory } from "./runtime.ts";
import { scope, tensorScope, tensorStats } from "./scope.ts";
import { type Tensor, zeros } from "./tensor.ts";

describe("scope()", () => {
  test("frees what is not returned", () => {
    const before = tensorStats().live;
    const kept = scope(() => {
      for (let i = 0; i < 10; i++) zeros([3]).add(1);
      return { list: [zeros([2])], map: new Map([["a", zeros([1])]]) };
    });
    expect(tensorStats().live).toBe(before + 2);
    expect(kept.list[0]!.isAlive && kept.map.get("a")!.isAlive).toBe(true);
    kept.list[0]!.dispose();
    kept.map.get("a")!.dispose();
    expect(tensorStats().live).toBe(before);
  });

  test("returned tensors belong to the surrounding scope", () => {
    let inner: Tensor | undefined;
    scope(() => {
      inner = scope(() => zeros([1]));
      expect(inner.isAlive).toBe(true);
    });
    expect(inner!.isAlive).toBe(false);
  });

  test("keep() exempts a tensor", () => {
    const t = scope(() => {
      const made = zeros([1]).keep();
      return () => made;
    })();
    expect(t.isAlive).toBe(true);
    t.dispose();
  });

  test("frees everything when the body throws", () => {
    const before = tensorStats().live;
    expect(() =>
      scope(() => {
        zeros([1]);
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(tensorStats().live).toBe(before);
  });

  test("a scope that ends out of order is refused", () => {
    const outer = tensorScope();
    const inner = tensorScope();
    expect(() => outer[Symbol.dispose]()).toThrow(/reverse order/);
    inner[Symbol.dispose]();
    outer[Symbol.dispose]();
  });

  test("stale handles stay stale through many reuses of their slot", () => {
    const stale = zeros([1]);
    stale.dispose();
    for (let i = 0; i < 2000; i++) zeros([1]).dispose();
    expect(stale.isAlive).toBe(false);
  });
});

describe("tensorStats()", () => {
  test("counts a storage once however many views it has", () => {
    scope(() => {
      const before = tensorStats().bytes;
      const t = zeros([1000]);
      t.slice(0, 1);
      t.reshape([10, 100]);
      expect(tensorStats().bytes - before).toBe(4000);
    });
  });

  test("memory of tensors made without a scope returns through the finalizer", async () => {
    const before = tensorStats().live;
    for (let i = 0; i < 200; i++) {
      zeros([1 << 18]);
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    // 200 MB were made; V8 collects because the addon reports external memory
    for (let i = 0; i < 50 && tensorStats().live - before > 150; i++) {
      new Array(1e5).fill(i);
      zeros([1 << 18]);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(tensorStats().live - before).toBeLessThan(200);
  });
});

describe("releaseMemory()", () => {
  const megabytes = () => process.memoryUsage.rss() / 1e6;

  test("freed blocks are kept for the next step, and given back when asked", () => {
    releaseMemory();
    const before = megabytes();
    const step = () => scope(() => void zeros([50e6]).fill_(1)); // 200 MB
    step();
    const after = megabytes();
    expect(after - before).toBeGreaterThan(150);
    for (let i = 0; i < 20; i++) step();
    expect(megabytes() - after).toBeLessThan(30);
    releaseMemory();
    expect(megabytes() - before).toBeLessThan(50);
  });
});
