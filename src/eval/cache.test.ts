import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ResultCache, type ResultKey } from "./cache.ts";

const folder = mkdtempSync(join(tmpdir(), "cache-"));
afterAll(() => rmSync(folder, { recursive: true }));

const cache = new ResultCache(join(folder, "made"));
const place = { experiment: "run", session: 2, analysis: "ccnorm_rescaled" };
const key: ResultKey = { checkpoint: "a", data: "b", options: { splits: 500, files: [null] }, version: 1 };

describe("ResultCache", () => {
  test("has nothing before something is written", () => {
    expect(cache.read(place, key)).toEqual({ stale: null });
  });

  test("gives back what was written under the same key", () => {
    cache.write(place, key, { values: Float64Array.of(1, Number.NaN) });
    expect(cache.read(place, key)).toEqual({ result: { values: Float64Array.of(1, Number.NaN) } });
    expect(cache.path(place)).toBe(join(folder, "made", "run", "run_dataset2_ccnorm_rescaled_cache.safetensors"));
  });

  test.each([
    ["is from another checkpoint", { ...key, checkpoint: "other" }],
    ["is from other data", { ...key, data: "other" }],
    ["has other options", { ...key, options: { splits: 50, files: [null] } }],
    ["is of another version", { ...key, version: 2 }],
  ])("gives nothing when what was kept %s, and says so", (what, other) => {
    expect(cache.read(place, other)).toEqual({ stale: what });
  });

  test("gives nothing for a damaged file, which can be written again", () => {
    truncateSync(cache.path(place), 40);
    expect(cache.read(place, key)).toEqual({ stale: "is damaged" });
    cache.write(place, key, 7);
    expect(cache.read(place, key)).toEqual({ result: 7 });
  });
});
