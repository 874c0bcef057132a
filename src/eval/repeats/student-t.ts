/**
 * @file Quantiles of Student's t distribution, for the intervals of scores.
 */

const STEPS = 1000;

/**
 * The value that |t| stays below with the given probability, to about 5 digits.
 *
 * The density is integrated along t = tan ψ, where it is smooth and its range is finite.
 *
 * @param degrees degrees of freedom, 1 or more; need not be whole
 * @example
 * studentT(0.95, 9); // 2.262
 */
export function studentT(probability: number, degrees: number): number {
  const step = Math.PI / 2 / STEPS;
  const cumulative = new Float64Array(STEPS);
  for (let i = 0; i < STEPS; i++) {
    const t = Math.tan((i + 0.5) * step);
    const density = (1 + (t * t) / degrees) ** (-(degrees + 1) / 2) * (1 + t * t);
    cumulative[i] = density + (i === 0 ? 0 : cumulative[i - 1]!);
  }
  const wanted = probability * cumulative[STEPS - 1]!;
  const cell = cumulative.findIndex((sum) => sum >= wanted);
  const before = cell === 0 ? 0 : cumulative[cell - 1]!;
  return Math.tan((cell + (wanted - before) / (cumulative[cell]! - before)) * step);
}
