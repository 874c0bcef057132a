import { join } from "node:path";
import { expect, test } from "vitest";
import { verifyEvalCovariance } from "./eval-covariance.ts";

test("verifyEvalCovariance() passes every golden case", () => {
  const results = verifyEvalCovariance(join(import.meta.dirname, "../../test/fixtures/eval"));
  expect(results).toHaveLength(4);
  expect(results.filter(({ status }) => status !== "passed")).toEqual([]);
});
