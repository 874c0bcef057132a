/**
 * @file Comparing results with golden numbers of the reference implementation: reading a case, measuring errors, and the
 * outcome of one case.
 *
 * A golden file is a pair: `<name>.json` describes cases, `<name>.safetensors` holds their tensors.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import { openSafetensors } from "../formats/safetensors.ts";

/** What became of one golden case. */
export interface CaseResult {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  /** The comparison that used most of its tolerance; absent when nothing was compared. */
  readonly worst?: Deviation | undefined;
  /** Why a case failed or was skipped. */
  readonly reason?: string | undefined;
}

/** One comparison. */
export interface Deviation {
  readonly what: string;
  /** 0 for equal values, infinite for a NaN without counterpart or another shape. */
  readonly error: number;
  /** Largest error that passes; 0 asks for equal values. */
  readonly tolerance: number;
}

/** A golden file. */
export interface GoldenFile<Json> {
  readonly json: Json;
  /** Whether there is a tensor of that name. */
  has(name: string): boolean;
  /** Throws a UserError when there is none of that name. */
  tensor(name: string): NdArray;
}

/**
 * Reads `<folder>/<name>.json` and, if it exists, `<folder>/<name>.safetensors`.
 *
 * @typeParam Json the shape its author gave the JSON; not checked
 * @throws UserError when the JSON is missing or damaged
 */
export function readGolden<Json>(folder: string, name: string): GoldenFile<Json> {
  const path = join(folder, `${name}.json`);
  let json: Json;
  try {
    json = JSON.parse(readFileSync(path, "utf8")) as Json;
  } catch (cause) {
    throw new UserError(`Cannot read golden data "${path}": ${(cause as Error).message}`, { cause });
  }
  let tensors: ReturnType<typeof openSafetensors> | undefined;
  const open = () => {
    tensors ??= openSafetensors(join(folder, `${name}.safetensors`));
    return tensors;
  };
  return { json, has: (tensor) => open().tensors.has(tensor), tensor: (tensor) => open().tensor(tensor).read() };
}

/** Anything with numbers in it. */
export type Numbers = NdArray | ArrayLike<number>;

function numbersOf(values: Numbers): Float64Array {
  return "data" in values ? toFloat64(values) : Float64Array.from(values);
}

function shapeOf(values: Numbers): readonly number[] {
  return "data" in values ? values.shape : [values.length];
}

/**
 * max |a − b| / max |reference|: the error metric of the golden models. 0 when both are zero everywhere; infinite when
 * shapes differ or a NaN meets a number.
 */
export function relativeError(actual: Numbers, reference: Numbers): number {
  const expected = numbersOf(reference);
  const scale = expected.reduce((max, value) => (Number.isFinite(value) ? Math.max(max, Math.abs(value)) : max), 0);
  return largestDeviation(actual, reference, () => (scale === 0 ? 1 : scale));
}

/** max |a − b| / (atol + rtol · |b|): at most 1 when every element is close. */
export function closeness(actual: Numbers, reference: Numbers, { atol, rtol }: { atol: number; rtol: number }): number {
  return largestDeviation(actual, reference, (value) => atol + rtol * Math.abs(value));
}

function largestDeviation(actual: Numbers, reference: Numbers, allowed: (reference: number) => number): number {
  if (shapeOf(actual).join() !== shapeOf(reference).join()) return Number.POSITIVE_INFINITY;
  const a = numbersOf(actual);
  const b = numbersOf(reference);
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    if (Object.is(a[i], b[i]) || a[i] === b[i]) continue;
    const error = Math.abs(a[i]! - b[i]!) / allowed(b[i]!);
    if (Number.isNaN(error)) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, error);
  }
  return largest;
}

/** Collects the comparisons of one case. */
export class Comparison {
  readonly deviations: Deviation[] = [];

  /** Every element, and the shape, must be equal (NaN equals NaN). */
  exact(what: string, actual: Numbers, reference: Numbers): void {
    this.deviations.push({ what, error: largestDeviation(actual, reference, () => 1), tolerance: 0 });
  }

  /** `|a − b| ≤ atol + rtol · |b|` for every element; the error is the largest ratio of the two sides, the tolerance 1. */
  close(what: string, actual: Numbers, reference: Numbers, tolerance = { atol: 1e-6, rtol: 1e-5 }): void {
    this.deviations.push({ what, error: closeness(actual, reference, tolerance), tolerance: 1 });
  }

  /** `max |a − b| / max |reference| ≤ tolerance`. */
  relative(what: string, actual: Numbers, reference: Numbers, tolerance: number): void {
    this.deviations.push({ what, error: relativeError(actual, reference), tolerance });
  }

  /** Two JSON values must be equal, in the order of their keys too. */
  same(what: string, actual: unknown, reference: unknown): void {
    const equal = JSON.stringify(actual) === JSON.stringify(reference);
    this.deviations.push({ what, error: equal ? 0 : Number.POSITIVE_INFINITY, tolerance: 0 });
  }
}

/**
 * Runs a case: passed when every comparison is within its tolerance, failed when one is not, when `body` throws, or when
 * it compares nothing.
 */
export function runCase(name: string, body: (comparison: Comparison) => void): CaseResult {
  const comparison = new Comparison();
  try {
    body(comparison);
  } catch (error) {
    return { name, status: "failed", reason: `threw ${error instanceof Error ? error.message : String(error)}` };
  }
  const [worst] = comparison.deviations.toSorted((a, b) => usage(b) - usage(a));
  if (worst === undefined) return { name, status: "failed", reason: "nothing was compared" };
  const failed = comparison.deviations.filter(({ error, tolerance }) => !(error <= tolerance));
  if (failed.length === 0) return { name, status: "passed", worst };
  return { name, status: "failed", worst, reason: `differs in ${failed.map(({ what }) => what).join(", ")}` };
}

function usage({ error, tolerance }: Deviation): number {
  return error === 0 ? 0 : error / tolerance;
}

/** A case that is not compared, and why. */
export function skippedCase(name: string, reason: string): CaseResult {
  return { name, status: "skipped", reason };
}
