/**
 * @file docs/data.md names everything a dataset file may say.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { ParentFileSchema } from "../config/dataset.ts";
import { DOUBTS, parseSessionConfig } from "../config/session.ts";
import { DATAFILTERS } from "./datafilters.ts";
import { TRANSFORMS } from "./transforms.ts";

const page = readFileSync(new URL("../../docs/data.md", import.meta.url), "utf8");
const isNamed = (word: string) => page.includes(`\`${word}\``);

test.each([
  ["key", Object.keys(ParentFileSchema.def.shape)],
  ["transform", Object.keys(TRANSFORMS)],
  ["datafilter", Object.keys(DATAFILTERS)],
  ["doubt", [...DOUBTS]],
])("docs/data.md names every %s", (_, words) => {
  expect(words.filter((word) => !isNamed(word))).toEqual([]);
});

test("docs/data.md lists the faults of the reference from 1 to 40", () => {
  const section = page.slice(page.indexOf("## What the reference does"));
  const numbers = [...section.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, cell]) => cell!.split(",").map(Number));
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
});

test("the dataset file in docs/data.md is a valid one", () => {
  const example = page.match(/```yaml\n(.*?)```/s)![1]!;
  const { session_dir, sessions, ...shared } = parse(example) as Record<string, unknown>;
  expect(ParentFileSchema.safeParse({ session_dir, sessions }).success).toBe(true);
  const config = parseSessionConfig({ ...shared, session: "Allen_2022-02-16", cids: [0, 2, 3, 5] });
  expect(Object.keys(config.transforms)).toEqual(["stim", "gaze"]);
});
