import { join } from "node:path";
import { expect, test } from "vitest";
import { verifyEvalStatistics } from "./eval-statistics.ts";

test("verifyEvalStatistics() passes every golden case", () => {
  const results = verifyEvalStatistics(join(import.meta.dirname, "../../test/fixtures/eval"));
  expect(results).toHaveLength(3);
  expect(results.filter(({ status }) => status !== "passed")).toEqual([]);
});
