/**
 * @file From a list of units to the numbers that tables show.
 */
import type { UnitScore } from "../analysis.ts";

/** One score from a property of every unit. */
export function unitScore<Unit>(
  key: string,
  title: string,
  units: readonly Unit[],
  value: (unit: Unit) => number | null | undefined,
  rest: Partial<UnitScore> = {},
): UnitScore {
  return { key, title, values: Float64Array.from(units, (unit) => value(unit) ?? Number.NaN), ...rest };
}
