/**
 * @file The speed of a saccade as a bell whose flanks differ (evaluation specification, section 9.5, step 10).
 */

/** A·exp(−(t−mu)²/2σ²) + b with σ = sigma1 before mu and sigma2 after it; seconds and degrees per second. */
export interface SpeedProfile {
  mu: number;
  A: number;
  sigma1: number;
  sigma2: number;
  b: number;
}

const MOST_EVALUATIONS = 5000;
/** The fit ends when a step improves the sum of squares by less than this share. */
const TOLERANCE = 1e-12;
const PARAMETERS = 5;

/**
 * Fits a profile to a speed by least squares: Levenberg (1944) and Marquardt (1963).
 *
 * @param times seconds, [samples]
 * @param speed degrees per second, [samples]
 * @returns undefined when the fit does not end, or there are fewer samples than parameters
 */
export function fitSpeedProfile(times: Float64Array, speed: Float64Array): SpeedProfile | undefined {
  if (times.length < PARAMETERS) return undefined;
  let current = startingPoint(times, speed);
  let error = squares(current, times, speed);
  let damping = 1e-3;
  for (let evaluations = 1; evaluations < MOST_EVALUATIONS; evaluations++) {
    const next = dampedStep(current, times, speed, damping);
    const nextError = next === undefined ? Number.NaN : squares(next, times, speed);
    if (next === undefined || !(nextError <= error)) {
      damping *= 4;
      // No step, however small, improves what is there: it is the minimum.
      if (damping > 1e20) return profileOf(current);
      continue;
    }
    const isDone = error - nextError <= TOLERANCE * error;
    [current, error, damping] = [next, nextError, Math.max(damping / 10, 1e-15)];
    if (isDone) return profileOf(current);
  }
  return undefined;
}

type Parameters = readonly [mu: number, A: number, sigma1: number, sigma2: number, b: number];

/** The sign of σ means nothing. */
function profileOf([mu, A, sigma1, sigma2, b]: Parameters): SpeedProfile | undefined {
  const profile = { mu, A, sigma1: Math.abs(sigma1), sigma2: Math.abs(sigma2), b };
  return Object.values(profile).every(Number.isFinite) ? profile : undefined;
}

function startingPoint(times: Float64Array, speed: Float64Array): Parameters {
  const peak = speed.indexOf(Math.max(...speed));
  const mu = times[peak]!;
  let [spread, total] = [0, 0];
  for (const [i, value] of speed.entries()) {
    spread += (times[i]! - mu) ** 2 * value;
    total += value;
  }
  const sigma = Math.sqrt(spread / speed.length / total);
  return [mu, speed[peak]!, sigma, sigma, (speed[0]! + speed.at(-1)!) / 2];
}

function squares([mu, A, sigma1, sigma2, b]: Parameters, times: Float64Array, speed: Float64Array): number {
  let sum = 0;
  for (const [i, time] of times.entries()) {
    const z = (time - mu) / (time < mu ? sigma1 : sigma2);
    sum += (A * Math.exp((-z * z) / 2) + b - speed[i]!) ** 2;
  }
  return sum;
}

/** Parameters after one step, undefined when the equations have no solution. */
function dampedStep(
  parameters: Parameters,
  times: Float64Array,
  speed: Float64Array,
  damping: number,
): Parameters | undefined {
  const [mu, A, sigma1, sigma2, b] = parameters;
  const normal = Array.from({ length: PARAMETERS }, () => new Float64Array(PARAMETERS + 1));
  for (const [i, time] of times.entries()) {
    const isBefore = time < mu;
    const sigma = isBefore ? sigma1 : sigma2;
    const z = (time - mu) / sigma;
    const bell = Math.exp((-z * z) / 2);
    const flank = (A * bell * z * z) / sigma;
    const gradient = [(A * bell * z) / sigma, bell, isBefore ? flank : 0, isBefore ? 0 : flank, 1];
    const residual = speed[i]! - (A * bell + b);
    for (let row = 0; row < PARAMETERS; row++) {
      for (let column = 0; column < PARAMETERS; column++) normal[row]![column]! += gradient[row]! * gradient[column]!;
      normal[row]![PARAMETERS]! += gradient[row]! * residual;
    }
  }
  for (const [k, row] of normal.entries()) row[k]! *= 1 + damping;
  const step = solve(normal);
  const moved = parameters.map((value, k) => value + step[k]!);
  return moved.every(Number.isFinite) ? (moved as unknown as Parameters) : undefined;
}

/** Gaussian elimination with pivoting of rows [coefficients | right side]; not finite when there is no solution. */
function solve(rows: Float64Array[]): number[] {
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let row = k + 1; row < n; row++) if (Math.abs(rows[row]![k]!) > Math.abs(rows[pivot]![k]!)) pivot = row;
    [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
    for (let row = k + 1; row < n; row++) {
      const factor = rows[row]![k]! / rows[k]![k]!;
      for (let column = k; column <= n; column++) rows[row]![column]! -= factor * rows[k]![column]!;
    }
  }
  const solution = new Array<number>(n).fill(0);
  for (let row = n - 1; row >= 0; row--) {
    let sum = rows[row]![n]!;
    for (let column = row + 1; column < n; column++) sum -= rows[row]![column]! * solution[column]!;
    solution[row] = sum / rows[row]![row]!;
  }
  return solution;
}
