import { describe, expect, test } from "vitest";
import { tensor, tensorStats } from "../torch/index.ts";
import { Reading, readTogether } from "./reading.ts";

describe("readTogether()", () => {
  test("gives each reading its own numbers, and frees them", () => {
    const { live } = tensorStats();
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const readings = [[1], [2, 3], [], [4, 5, 6]].map((values) => new Reading(tensor(values), sum));
    const finished = Reading.of(7);
    readTogether([...readings, finished]);
    expect([...readings, finished].map(({ report }) => report)).toEqual([1, 5, 0, 15, 7]);
    expect(tensorStats().live).toBe(live);
    readTogether(readings);
    expect(readings[1]!.report).toBe(5);
  });

  test("leaves out what was read already", () => {
    const first = new Reading(tensor([1]), ([value]) => value);
    expect(first.read()).toBe(1);
    const second = new Reading(tensor([2]), ([value]) => value);
    readTogether([first, second]);
    expect([first.report, second.report]).toEqual([1, 2]);
  });
});

test("Reading.report is not there before it was read", () => {
  const reading = new Reading(tensor([1]), ([value]) => value);
  expect(() => reading.report).toThrow("still on the device");
  reading.dispose();
});
