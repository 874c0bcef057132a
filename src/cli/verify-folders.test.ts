import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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

  test("names the areas it goes through", () => {
    mkdirSync(join(folder, "models"));
    const told: string[] = [];
    const results = [...verifyGolden(folder, (line) => told.push(line))];
    expect(told).toEqual(["models ..."]);
    expect(results).toEqual([{ area: "models", results: [] }]);
    expect([...verifyGolden(join(folder, "models"))]).toEqual(results);
  });
});
