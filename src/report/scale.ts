/**
 * @file Scales of axes: from values to places, with ticks at round numbers.
 */
import { quantileOfSorted, sortedFinite } from "../eval/statistics/quantiles.ts";
import { formatNumber } from "./markup.ts";

/** A labelled place on an axis. */
export interface Tick {
  readonly at: number;
  readonly text: string;
}

/** Maps values of one axis to positions in a figure. */
export interface Scale {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly Tick[];
  position(value: number): number;
}

/** What an axis is about. */
export interface Axis {
  /** With the unit of measurement. */
  readonly label: string;
  readonly range: readonly [min: number, max: number];
  readonly kind?: "linear" | "log" | undefined;
  /** Whether the axis ends at round numbers; otherwise exactly at the range's. */
  readonly isRound?: boolean | undefined;
  /** Ticks that replace the round ones. */
  readonly ticks?: readonly Tick[] | undefined;
}

/** Smallest and largest finite value, or undefined when there is none. */
export function extent(values: Iterable<number>): [min: number, max: number] | undefined {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? [min, max] : undefined;
}

/** Quartile distances beyond the quartiles up to which an axis reaches for single values. */
const FENCE = 6;

/**
 * The range of values that an axis should show: all of them, or, where a few lie so far away that the others would become one
 * dot, all but these. Undefined when no value is finite.
 */
export function robustExtent(values: ArrayLike<number>): [min: number, max: number] | undefined {
  return robustExtentOfSorted(sortedFinite(values));
}

/** The same of finite values in ascending order. */
export function robustExtentOfSorted(sorted: Float64Array): [min: number, max: number] | undefined {
  if (sorted.length === 0) return undefined;
  const [min, max] = [sorted[0]!, sorted.at(-1)!];
  const [q1, q3] = [quantileOfSorted(sorted, 0.25), quantileOfSorted(sorted, 0.75)];
  if (!(q3 > q1)) return [min, max];
  return [Math.max(min, q1 - FENCE * (q3 - q1)), Math.min(max, q3 + FENCE * (q3 - q1))];
}

/** How many finite values lie outside a range. */
export function countOutside(values: ArrayLike<number>, [min, max]: readonly [number, number]): number {
  let count = 0;
  for (let i = 0; i < values.length; i++)
    count += Number(Number.isFinite(values[i]) && (values[i]! < min || values[i]! > max));
  return count;
}

/** About `count` round numbers inside [min, max]: multiples of 1, 2 or 5 times a power of ten. */
export function roundTicks(min: number, max: number, count = 5): number[] {
  const step = tickStep(min, max, count);
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  // Multiples, not running sums: rounding errors do not add up.
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** 1, 2 or 5 times a power of ten, such that about `count` of them make up a range. */
export function tickStep(min: number, max: number, count: number): number {
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough * (1 - 1e-9)) ?? 10);
}

/**
 * The scale of an axis between two positions.
 *
 * @param count about how many ticks there should be
 */
export function scaleOf(axis: Axis, start: number, end: number, count: number): Scale {
  const [min, max] = axisEnds(axis, count);
  const isLog = axis.kind === "log";
  const inner = isLog ? Math.log : (value: number) => value;
  const perUnit = (end - start) / (inner(max) - inner(min));
  return {
    min,
    max,
    ticks: axis.ticks ?? (isLog ? logTicks(min, max, count) : linearTicks(min, max, count)),
    position: (value) => start + (inner(value) - inner(min)) * perUnit,
  };
}

/** Ends of an axis for a range, at round numbers if it asks for them. */
export function axisEnds({ range, kind, isRound }: Axis, count: number): [number, number] {
  const [low, high] = range[1] > range[0] ? range : widened(range[0], kind);
  if (!isRound || kind === "log") return [low, high];
  const step = tickStep(low, high, count);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

function widened(value: number, kind: Axis["kind"]): [number, number] {
  if (kind === "log") return [value / 2, value * 2];
  const margin = Math.abs(value) * 0.1 || 1;
  return [value - margin, value + margin];
}

function linearTicks(min: number, max: number, count: number): Tick[] {
  const step = tickStep(min, max, count);
  return roundTicks(min, max, count).map((at) => ({ at, text: tickText(at, step) }));
}

/** 1, 2 and 5 times powers of ten; powers alone where that would be many. */
function logTicks(min: number, max: number, count: number): Tick[] {
  const powers = Array.from(
    { length: Math.floor(Math.log10(max) + 1e-9) - Math.floor(Math.log10(min) - 1e-9) + 1 },
    (_, i) => 10 ** (Math.floor(Math.log10(min) - 1e-9) + i),
  );
  const inside = (factors: readonly number[]) =>
    powers
      .flatMap((power) => factors.map((factor) => factor * power))
      .filter((at) => at >= min * (1 - 1e-9) && at <= max * (1 + 1e-9));
  const ticks = [[1, 2, 5], [1, 3], [1]].map(inside).find(({ length }) => length <= count + 1) ?? inside([1]);
  return ticks.map((at) => ({ at, text: tickText(at, at) }));
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A number with as many decimals as its step asks for; powers of ten where that would be long. */
function tickText(value: number, step: number): string {
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  if (decimals <= 3 && Math.abs(value) < 1e6) return formatNumber(value, decimals);
  if (value === 0) return "0";
  const power = Math.floor(Math.log10(Math.abs(value)) + 1e-9);
  const factor = value / 10 ** power;
  const exponent = `${power < 0 ? "⁻" : ""}${Array.from(String(Math.abs(power)), (digit) => SUPERSCRIPTS[Number(digit)]).join("")}`;
  const digits = Math.max(0, power - Math.floor(Math.log10(step) + 1e-9));
  return `${formatNumber(factor, digits)}·10${exponent}`;
}
