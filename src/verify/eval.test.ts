import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { verifyEval } from "./eval.ts";

describe("verifyEval()", () => {
  const results = verifyEval(join(import.meta.dirname, "../../test/fixtures/eval"));

  test("finds no difference from the reference", () => {
    expect(results.filter(({ status }) => status !== "passed")).toEqual([]);
  });

  test("covers every golden case", async () => {
    const { default: index } = await import("../../test/fixtures/eval/index.json", { with: { type: "json" } });
    const covered = new Set(results.map(({ name }) => name.split("/")[0]));
    expect(index.cases.map((given) => given.case).filter((name) => !covered.has(name))).toEqual([]);
  });

  test("gives every case a name of its own", () => {
    expect(new Set(results.map(({ name }) => name)).size).toBe(results.length);
  });
});
