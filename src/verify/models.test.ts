import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { setNumThreads } from "../torch/index.ts";
import type { CaseResult } from "./golden.ts";
import { fnv1a, hashValue } from "./model-fullsize.ts";
import { verifyModels } from "./models.ts";

describe("verifyModels()", () => {
  let results: CaseResult[];
  beforeAll(() => {
    setNumThreads(2);
    results = verifyModels(join(import.meta.dirname, "../../test/fixtures/models"));
  });

  test("finds no difference from the reference", () => {
    expect(results.filter(({ status }) => status === "failed")).toEqual([]);
    expect(results.filter(({ status }) => status === "passed").length).toBeGreaterThanOrEqual(190);
  });

  test("covers the flagship, reduced and at full size, in both formulations", () => {
    const passed = results.filter(({ status }) => status === "passed").map(({ name }) => name);
    for (const formulation of ["fast", "reference"]) {
      expect(passed).toContain(`model_learned_resnet_none_convgru_gaussian (${formulation})`);
      expect(passed).toContain(`fullsize_learned_resnet_none_convgru_gaussian (${formulation})`);
    }
  });

  test("skips nothing but the filters that no configuration reaches", () => {
    const skipped = results.filter(({ status }) => status === "skipped");
    expect(skipped.map(({ name }) => name)).toEqual(["table_initial_values/steerable"]);
  });

  test("gives every case a name of its own", () => {
    expect(new Set(results.map(({ name }) => name)).size).toBe(results.length);
  });
});

describe("hashValue()", () => {
  test("gives the check values of the golden data", () => {
    expect(fnv1a("a")).toBe(3826002220);
    const name = fnv1a("state.readouts.0.mean");
    const values = [0, 1, 2].map((i) => hashValue(name, i, { base: 0, amp: 1.5 }));
    expect(values).toEqual([1.3510167470667511, 0.6997280821669847, 0.008284606039524078]);
  });
});
