import { expect, test } from "vitest";
import { formatBytes, formatDuration } from "./quantities.ts";

test("formatDuration() counts seconds, then minutes, hours and days", () => {
  expect([0, 59.4, 59.6, 125, 3725, 273_600].map(formatDuration)).toEqual([
    "0 s",
    "59 s",
    "1:00",
    "2:05",
    "1:02:05",
    "3 d 4:00:00",
  ]);
});

test("formatBytes() uses powers of ten", () => {
  expect([0, 999, 1000, 1_234_567, 4.2e9].map(formatBytes)).toEqual(["0 B", "999 B", "1.0 kB", "1.2 MB", "4.2 GB"]);
});
