/**
 * @file Numbers that describe fixational eye traces, for comparing synthetic gaze with recorded gaze.
 *
 * Each is computed per trace; a set of traces is summed up by the median over those that are long enough.
 */

/** Samples per second of the traces. */
export const TRACE_RATE_HZ = 120;
/** Lags of the mean squared displacement, samples. */
const DISPLACEMENT_LAGS = [1, 2, 4, 12, 24, 48, 96] as const;
/** Frequencies of the power spectrum, as multiples of 120/128 Hz, and the number of samples it needs. */
const SPECTRUM_BINS = [1, 4, 16, 32, 58] as const;
const SPECTRUM_SAMPLES = 128;
/** A microsaccade is faster than this once smoothed, degrees per second. */
const MICROSACCADE_SPEED = 10;
/** Samples that must lie between two microsaccades, and around one whose size is measured. */
const MICROSACCADE_GAP = 4;
const MARGIN = 8;

/** A microsaccade found in a trace. */
interface Detection {
  /** First and last fast sample. */
  start: number;
  end: number;
  /** Highest smoothed speed, degrees per second. */
  peak: number;
  /** Distance between the gaze before and after, degrees; undefined near the ends of the trace. */
  amplitude: number | undefined;
}

/**
 * Statistics of a set of fixational traces, by name: medians over traces, and what pooled microsaccades look like.
 *
 * @param traces each [samples, 2] degrees at 120 Hz
 */
export function gazeStatistics(traces: readonly Float64Array[]): Record<string, number> {
  const out: Record<string, number> = {
    "rms, deg": median(traces.map(rootMeanSquare)),
    "path length per second, deg/s": median(traces.map((trace) => TRACE_RATE_HZ * mean(steps(trace)))),
    "velocity rms, deg/s": median(
      traces.map((trace) => TRACE_RATE_HZ * Math.sqrt(mean(steps(trace).map((x) => x * x)))),
    ),
  };
  for (const lag of DISPLACEMENT_LAGS) {
    const ms = ((1000 * lag) / TRACE_RATE_HZ).toFixed(0);
    const long = traces.filter((trace) => trace.length / 2 > lag);
    out[`squared displacement over ${ms} ms, deg²`] = median(long.map((trace) => squaredDisplacement(trace, lag)));
  }
  const long = traces.filter((trace) => trace.length / 2 >= SPECTRUM_SAMPLES);
  for (const bin of SPECTRUM_BINS) {
    const hertz = ((bin * TRACE_RATE_HZ) / SPECTRUM_SAMPLES).toFixed(1);
    out[`power at ${hertz} Hz, deg²/Hz`] = median(long.map((trace) => power(trace, bin)));
  }
  const found = traces.map(microsaccades);
  out["microsaccades per second"] = median(
    found.map((list, i) => (list.length * 2 * TRACE_RATE_HZ) / traces[i]!.length),
  );
  const sized = found.flat().flatMap(({ peak, amplitude }) => (amplitude === undefined ? [] : [{ peak, amplitude }]));
  out["microsaccade amplitude, deg"] = median(sized.map(({ amplitude }) => amplitude));
  out["microsaccade peak speed, deg/s"] = median(sized.map(({ peak }) => peak));
  const { slope, correlation } = logLogFit(sized.filter(({ amplitude }) => amplitude > 0.15));
  out["main sequence: exponent"] = slope;
  out["main sequence: correlation of logs"] = correlation;
  return out;
}

/** Root mean square of both coordinates about the trace's mean. */
function rootMeanSquare(trace: Float64Array): number {
  const centre = [0, 1].map((axis) => mean(trace.filter((_, i) => i % 2 === axis)));
  return Math.sqrt(mean(trace.map((value, i) => (value - centre[i % 2]!) ** 2)));
}

/** Distances between consecutive samples. */
function steps(trace: Float64Array): Float64Array {
  return Float64Array.from({ length: trace.length / 2 - 1 }, (_, t) =>
    Math.hypot(trace[2 * t + 2]! - trace[2 * t]!, trace[2 * t + 3]! - trace[2 * t + 1]!),
  );
}

function squaredDisplacement(trace: Float64Array, lag: number): number {
  let sum = 0;
  for (let i = 2 * lag; i < trace.length; i++) sum += (trace[i]! - trace[i - 2 * lag]!) ** 2;
  return sum / (trace.length / 2 - lag);
}

/** Power density of both axes at a multiple of 120/128 Hz: mean over half-overlapping Hann windows. */
function power(trace: Float64Array, bin: number): number {
  const n = SPECTRUM_SAMPLES;
  const window = Float64Array.from({ length: n }, (_, t) => 0.5 - 0.5 * Math.cos((2 * Math.PI * t) / n));
  const norm = TRACE_RATE_HZ * window.reduce((sum, w) => sum + w * w, 0);
  const densities: number[] = [];
  for (let start = 0; start + n <= trace.length / 2; start += n / 2) {
    let density = 0;
    for (let axis = 0; axis < 2; axis++) {
      const part = Float64Array.from(window, (_, t) => trace[2 * (start + t) + axis]!);
      const centre = mean(part);
      let real = 0;
      let imaginary = 0;
      part.forEach((value, t) => {
        const angle = (2 * Math.PI * bin * t) / n;
        real += window[t]! * (value - centre) * Math.cos(angle);
        imaginary += window[t]! * (value - centre) * Math.sin(angle);
      });
      density += (2 * (real ** 2 + imaginary ** 2)) / norm;
    }
    densities.push(density);
  }
  return mean(densities);
}

/** Stretches of fast smoothed movement, those that almost touch taken together. */
function microsaccades(trace: Float64Array): Detection[] {
  const samples = trace.length / 2;
  const found: Detection[] = [];
  for (let t = 2; t < samples - 2; t++) {
    // Mean of two differences over four and two samples (Engbert & Kliegl 2003).
    const velocity = (axis: number) => {
      const at = (offset: number) => trace[2 * (t + offset) + axis]!;
      return (TRACE_RATE_HZ / 6) * (at(2) + at(1) - at(-1) - at(-2));
    };
    const speed = Math.hypot(velocity(0), velocity(1));
    if (speed <= MICROSACCADE_SPEED) continue;
    const last = found.at(-1);
    if (last !== undefined && t - last.end < MICROSACCADE_GAP) {
      last.end = t;
      last.peak = Math.max(last.peak, speed);
    } else found.push({ start: t, end: t, peak: speed, amplitude: undefined });
  }
  for (const one of found) {
    if (one.start < MARGIN || one.end >= samples - MARGIN) continue;
    const shift = [0, 1].map(
      (axis) => position(trace, axis, one.end + 2, one.end + 6) - position(trace, axis, one.start - 5, one.start - 1),
    );
    one.amplitude = Math.hypot(...shift);
  }
  return found;
}

/** Mean of a coordinate over samples `start` to `stop` (excluded). */
function position(trace: Float64Array, axis: number, start: number, stop: number): number {
  let sum = 0;
  for (let t = start; t < stop; t++) sum += trace[2 * t + axis]!;
  return sum / (stop - start);
}

/** Least squares of log peak speed on log amplitude. */
function logLogFit(points: readonly { peak: number; amplitude: number }[]): { slope: number; correlation: number } {
  const x = points.map(({ amplitude }) => Math.log(amplitude));
  const y = points.map(({ peak }) => Math.log(peak));
  const [mx, my] = [mean(x), mean(y)];
  const product = (a: number[], ma: number, b: number[], mb: number) =>
    mean(a.map((value, i) => (value - ma) * (b[i]! - mb)));
  const [xx, xy, yy] = [product(x, mx, x, mx), product(x, mx, y, my), product(y, my, y, my)];
  return { slope: xy / xx, correlation: xy / Math.sqrt(xx * yy) };
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
}
