import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { GrowingFile } from "./growing-file.ts";

const folder = mkdtempSync(join(tmpdir(), "growing-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("GrowingFile holds whole records and cuts off the rest at the end", () => {
  const path = join(folder, "whole");
  const file = new GrowingFile(path);
  file.append(Buffer.from("one,"));
  // As a write leaves it that fails half-way.
  writeFileSync(path, "one,tw");
  expect(file.size).toBe(4);
  file.append(Buffer.from("2,"));
  expect(readFileSync(path, "utf8")).toBe("one,2,");
  writeFileSync(path, "one,2,thr");
  file.close();
  expect(readFileSync(path, "utf8")).toBe("one,2,");
});

test("GrowingFile does not overwrite files, and names those it cannot make", () => {
  const path = join(folder, "there");
  writeFileSync(path, "kept");
  expect(() => new GrowingFile(path)).toThrow(`Cannot write "${path}": a file of that name is in the way`);
  expect(() => new GrowingFile(join(path, "x"))).toThrow(UserError);
  expect(readFileSync(path, "utf8")).toBe("kept");
});
