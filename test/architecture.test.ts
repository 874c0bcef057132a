/** @file The floors of the house: imports go downward only, and files stay small enough to read. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const SRC = resolve(import.meta.dirname, "../src");

// Lower floors first. Floors on one line do not import each other.
const FLOORS = [
  ["formats", "signal"],
  ["torch"],
  ["config"],
  ["data", "models"],
  ["training"],
  ["interop"],
  ["eval"],
  ["report", "tracking"],
  ["verify"],
  ["cli"],
];

function floorOf(name: string): number {
  return FLOORS.findIndex((floor) => floor.includes(name));
}

function sources(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map((path) => join(SRC, path));
}

test("imports go downward only", () => {
  const wrong: string[] = [];
  for (const path of sources()) {
    const from = relative(SRC, path).split("/")[0]!;
    if (from.endsWith(".ts")) continue; // errors.ts lies below every floor, index.ts above all
    expect(floorOf(from), `src/${from} has no floor`).toBeGreaterThanOrEqual(0);
    for (const [, specifier] of readFileSync(path, "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const target = relative(SRC, resolve(dirname(path), specifier!)).split("/")[0]!;
      if (target === from || target === "errors.ts") continue;
      const downward = floorOf(target) < floorOf(from) && floorOf(target) >= 0;
      if (!downward) wrong.push(`${relative(SRC, path)} imports ${specifier}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("the torch floor and what is below import without the addon", async () => {
  // A missing libtorch must not keep help, schemas or configuration errors from working.
  for (const path of sources().filter((p) => /src\/(formats|signal|config)\//.test(p))) {
    for (const [, specifier] of readFileSync(path, "utf8").matchAll(/from\s*"(\.[^"]+)"/g)) {
      expect(resolve(dirname(path), specifier!), `${path} must not need libtorch`).not.toContain("/src/torch/");
    }
  }
});

test("files stay below 500 lines", () => {
  const long = sources()
    .filter((path) => !path.includes(".generated."))
    .map((path) => ({ path: relative(SRC, path), lines: readFileSync(path, "utf8").split("\n").length }))
    .filter(({ lines }) => lines > 500);
  expect(long).toEqual([]);
});
