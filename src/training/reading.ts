/**
 * @file Numbers that are read from the device later, many of them in one transfer: the host then runs ahead of the device
 * instead of waiting for it after every step.
 */

import { cat, type Tensor } from "../torch/index.ts";

/** A report that is made of numbers on the device. */
export class Reading<Report> {
  private values: Tensor | null;
  private readonly make: (values: readonly number[]) => Report;
  private made: { report: Report } | null = null;

  /**
   * @param values [n] float32, which the reading keeps until it is read
   * @param make makes the report from the values
   */
  constructor(values: Tensor | null, make: (values: readonly number[]) => Report) {
    this.values = values?.keep() ?? null;
    this.make = make;
  }

  /** One whose report is there. */
  static of<Report>(report: Report): Reading<Report> {
    const reading = new Reading(null, () => report);
    reading.resolve([]);
    return reading;
  }

  /** @throws RangeError before {@link readTogether} */
  get report(): Report {
    if (this.made === null) throw new RangeError("Cannot report numbers that are still on the device");
    return this.made.report;
  }

  /** Another one of the numbers that are on the device now, at the same place. */
  again(): Reading<Report> {
    return new Reading(this.values?.clone() ?? null, this.make);
  }

  /** Waits for the device. */
  read(): Report {
    readTogether([this]);
    return this.report;
  }

  /** The values if they were not read yet. */
  get pending(): Tensor | null {
    return this.values;
  }

  /** Makes the report. */
  resolve(values: readonly number[]): void {
    this.made = { report: this.make(values) };
    this.dispose();
  }

  /** Frees what is on the device. */
  dispose(): void {
    this.values?.dispose();
    this.values = null;
  }
}

/** Reads what is not read yet, in one transfer. */
export function readTogether(readings: readonly Reading<unknown>[]): void {
  const unread = readings.flatMap((reading) => (reading.pending ? [{ reading, values: reading.pending }] : []));
  if (unread.length === 0) return;
  const all = cat(unread.map(({ values }) => values));
  const numbers = Array.from(all.toTypedArray(), Number);
  // Of a single one this is that one itself.
  if (unread.length > 1) all.dispose();
  let start = 0;
  for (const { reading, values } of unread) {
    const end = start + values.numel;
    reading.resolve(numbers.slice(start, end));
    start = end;
  }
}
