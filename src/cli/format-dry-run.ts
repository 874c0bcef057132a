/**
 * @file What a dry run found, for a terminal.
 */
import type { DryRun } from "../training/dry-run.ts";
import { formatBytes, formatDuration } from "./quantities.ts";

/** A few lines: what would run, what it needs, when it would end. */
export function formatDryRun(run: DryRun, now = new Date()): string {
  const { name, sessions, units, samples, parameters, epochs, batchesPerEpoch, steps, memory, seconds } = run;
  const number = (value: number) => value.toLocaleString("en");
  const end = new Date(now.getTime() + 1000 * seconds.total);
  const lines: [string, string][] = [
    ["run", name],
    [
      "data",
      `${sessions} sessions, ${units} units, ${number(samples.train)} training and ${number(samples.val)} validation samples`,
    ],
    ["parameters", `${number(parameters.all)}, ${number(parameters.trainable)} of them train`],
    ["steps", `${epochs} epochs of ${number(batchesPerEpoch)} batches, ${number(steps)} optimiser steps`],
    [
      "memory",
      `about ${formatBytes(memory.parameters)} for parameters and optimiser, ${formatBytes(memory.activations)} for a batch, ` +
        `${formatBytes(memory.data)} for data; ${formatBytes(run.peak)} at most over the steps that were tried`,
    ],
    ["speed", `${number(Number(run.samplesPerSecond.toPrecision(3)))} samples/s`],
    ["time", `${formatDuration(seconds.epoch)} an epoch and ${formatDuration(seconds.validation)} its validation`],
    ["end", `${formatDuration(seconds.total)} from now, ${end.toISOString().slice(0, 16).replace("T", " ")} UTC`],
  ];
  const width = Math.max(...lines.map(([label]) => label.length));
  return [
    ...run.warnings.map((warning) => `warning: ${warning}`),
    ...run.notes,
    ...lines.map(([label, text]) => `${label.padEnd(width)}  ${text}`),
    "Nothing was written.",
  ].join("\n");
}
