import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { verifyGolden } from "./verify-folders.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "verify-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("verifyGolden()", () => {
  test("refuses a folder without golden data", () => {
    expect(() => [...verifyGolden(folder)]).toThrow("holds none of the folders");
    expect(() => [...verifyGolden(join(folder, "none"))]).toThrow("no such folder");
  });

  test("reports golden files that are damaged", () => {
    mkdirSync(join(folder, "models"));
    writeFileSync(join(folder, "models", "broken.json"), "{");
    expect(() => [...verifyGolden(folder)]).toThrow("broken.json");
  });

  test("computes models on the device it is given", () => {
    const fixtures = join(import.meta.dirname, "../../test/fixtures/models");
    mkdirSync(join(folder, "models"));
    for (const name of ["adapter_affine_5d.json", "adapter_affine_5d.safetensors"]) {
      copyFileSync(join(fixtures, name), join(folder, "models", name));
    }
    const statuses = (device?: string) =>
      [...verifyGolden(folder, { device })].flatMap(({ results }) => results.map(({ status }) => status));
    expect(statuses()).toEqual(["passed", "passed"]);
    // No machine has that many.
    expect(statuses("cuda:99")).toEqual(["failed", "failed"]);
  });

  test("names the areas it goes through", () => {
    mkdirSync(join(folder, "models"));
    const told: string[] = [];
    const results = [...verifyGolden(folder, { tell: (line) => told.push(line) })];
    expect(told).toEqual(["models ..."]);
    expect(results).toEqual([{ area: "models", results: [] }]);
    expect([...verifyGolden(join(folder, "models"))]).toEqual(results);
  });
});
