import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { verifyData } from "./data.ts";

describe("verifyData()", () => {
  const results = verifyData(join(import.meta.dirname, "../../test/fixtures/data"));

  test("finds no difference from the reference", () => {
    expect(results.filter(({ status }) => status === "failed")).toEqual([]);
    expect(results.filter(({ status }) => status === "passed").length).toBeGreaterThanOrEqual(261);
  });

  test("skips only what this program leaves out, with a reason", () => {
    const skipped = results.filter(({ status }) => status === "skipped");
    expect(new Set(skipped.map(({ name }) => name.split("/").slice(0, 2).join("/")))).toEqual(
      new Set(["datafilters/legacy_general", "split/blockwise"]),
    );
    for (const { reason } of skipped) expect(reason).toMatch(/\w/);
  });

  test("gives every case a name of its own", () => {
    expect(new Set(results.map(({ name }) => name)).size).toBe(results.length);
  });
});
