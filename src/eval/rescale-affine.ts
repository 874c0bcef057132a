/**
 * @file The gain and offset of the largest Poisson likelihood, `rate' = gain * rate + offset` with neither negative
 * (evaluation specification, section 7).
 */

/** Samples of one fit, all of one length. */
export interface FittedSamples {
  /** Predicted spikes per frame, not negative. */
  rates: Float64Array;
  /** Observed spikes. */
  counts: Float64Array;
  /** Above 0. */
  weights: Float64Array;
}

interface Affine {
  gain: number;
  offset: number;
}

const MOST_ITERATIONS = 100;
/** Steps below this part of the mean response end the search. */
const PRECISION = 1e-10;

/**
 * Maximises `sum w (y ln(gain r + offset) - gain r - offset)`, which is concave, by Newton's method inside the quadrant.
 * Where rates do not vary, gain and offset are not told apart: any pair with the right sum is returned.
 *
 * @returns NaN without samples, with a NaN among them, or with a negative rate; zeros without spikes
 */
export function affineMl(samples: FittedSamples): Affine {
  const { total, spikes, predicted, lowest } = totals(samples);
  if (!(total > 0 && lowest >= 0) || Number.isNaN(spikes + predicted)) return { gain: Number.NaN, offset: Number.NaN };
  if (spikes === 0) return { gain: 0, offset: 0 };
  const mean = spikes / total;
  if (predicted === 0) return { gain: 0, offset: mean };
  let at: Affine = { gain: (0.5 * spikes) / predicted, offset: 0.5 * mean };
  let value = logLikelihood(samples, at);
  for (let iteration = 0; iteration < MOST_ITERATIONS; iteration++) {
    const step = newtonStep(samples, at);
    let length = 1;
    let next = move(at, step, length);
    let nextValue = logLikelihood(samples, next);
    // Sums of many terms differ in their last digits even where nothing changes.
    while (nextValue < value - 1e-13 * Math.abs(value) && length > 1e-10) {
      length /= 2;
      next = move(at, step, length);
      nextValue = logLikelihood(samples, next);
    }
    const change = (Math.abs(next.gain - at.gain) * predicted) / total + Math.abs(next.offset - at.offset);
    [at, value] = [next, nextValue];
    if (change < PRECISION * mean) break;
  }
  return at;
}

function totals({ rates, counts, weights }: FittedSamples) {
  let [total, spikes, predicted, lowest] = [0, 0, 0, 0];
  for (let i = 0; i < rates.length; i++) {
    total += weights[i]!;
    spikes += weights[i]! * counts[i]!;
    predicted += weights[i]! * rates[i]!;
    lowest = Math.min(lowest, rates[i]!);
  }
  return { total, spikes, predicted, lowest };
}

function move({ gain, offset }: Affine, step: Affine, length: number): Affine {
  return { gain: Math.max(gain + length * step.gain, 0), offset: Math.max(offset + length * step.offset, 0) };
}

function logLikelihood({ rates, counts, weights }: FittedSamples, { gain, offset }: Affine): number {
  let sum = 0;
  for (let i = 0; i < rates.length; i++) {
    const rate = gain * rates[i]! + offset;
    sum += weights[i]! * ((counts[i]! > 0 ? counts[i]! * Math.log(rate) : 0) - rate);
  }
  return sum;
}

/** Newton's step over the coordinates that are not held at 0 by the slope. */
function newtonStep({ rates, counts, weights }: FittedSamples, { gain, offset }: Affine): Affine {
  let [slopeGain, slopeOffset, gainGain, gainOffset, offsetOffset] = [0, 0, 0, 0, 0];
  for (let i = 0; i < rates.length; i++) {
    const r = rates[i]!;
    slopeGain -= weights[i]! * r;
    slopeOffset -= weights[i]!;
    if (!(counts[i]! > 0)) continue;
    const rate = gain * r + offset;
    const pull = (weights[i]! * counts[i]!) / rate;
    slopeGain += pull * r;
    slopeOffset += pull;
    gainGain += (pull * r * r) / rate;
    gainOffset += (pull * r) / rate;
    offsetOffset += pull / rate;
  }
  if (gain === 0 && slopeGain <= 0) return { gain: 0, offset: slopeOffset / offsetOffset };
  if (offset === 0 && slopeOffset <= 0) return { gain: slopeGain / gainGain, offset: 0 };
  // Keeps the matrix regular where rates do not vary.
  gainGain *= 1 + 1e-12;
  offsetOffset *= 1 + 1e-12;
  const determinant = gainGain * offsetOffset - gainOffset * gainOffset;
  return {
    gain: (offsetOffset * slopeGain - gainOffset * slopeOffset) / determinant,
    offset: (gainGain * slopeOffset - gainOffset * slopeGain) / determinant,
  };
}
