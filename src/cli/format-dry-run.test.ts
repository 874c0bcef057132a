import { expect, test } from "vitest";
import type { DryRun } from "../training/dry-run.ts";
import { formatDryRun } from "./format-dry-run.ts";

const found: DryRun = {
  name: "demo_ddp",
  sessions: 2,
  units: 12,
  samples: { train: 5660, val: 2166 },
  parameters: { all: 2368, trainable: 2366 },
  epochs: 4,
  batchesPerEpoch: 7,
  steps: 16,
  memory: { parameters: 37_900, activations: 2_800_000, data: 3_300_000 },
  peak: 302e6,
  samplesPerSecond: 208.4,
  seconds: { epoch: 27, validation: 4, total: 124 },
  warnings: ["something is odd"],
  notes: [],
};

test("formatDryRun() tells what would run, what it needs and when it would end", () => {
  expect(formatDryRun(found, new Date("2026-01-01T00:00:00Z")).split("\n")).toEqual([
    "warning: something is odd",
    "run         demo_ddp",
    "data        2 sessions, 12 units, 5,660 training and 2,166 validation samples",
    "parameters  2,368, 2,366 of them train",
    "steps       4 epochs of 7 batches, 16 optimiser steps",
    "memory      about 37.9 kB for parameters and optimiser, 2.8 MB for a batch, 3.3 MB for data; 302.0 MB at most over the steps that were tried",
    "speed       208 samples/s",
    "time        27 s an epoch and 4 s its validation",
    "end         2:04 from now, 2026-01-01 00:02 UTC",
    "Nothing was written.",
  ]);
});
