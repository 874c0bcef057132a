/**
 * @file Gaze as an eye tracker reports it: noise, and the wobble of the eye's lens that a dual-Purkinje tracker sees.
 *
 * The tracker follows the lens, which hangs elastically in the eye: as a saccade starts it lags behind, and as the eye
 * stops it swings past for some 20 ms (Deubel & Bridgeman 1995).
 */
import type { EyeTrace } from "./eye-traces.ts";
import type { TrackerSpec } from "./gaze-styles.ts";
import type { Random } from "./random.ts";

/** Width of the lag around a saccade's onset, and centre and width of the overshoot after its end, seconds. */
const LAG_WIDTH_S = 0.003;
const OVERSHOOT_S = 0.005;
const OVERSHOOT_WIDTH_S = 0.0045;

/**
 * What the tracker reports of a trial's gaze, [frames, 2] degrees.
 *
 * @param trace true gaze and its saccades
 * @param rateHz samples per second
 */
export function measuredGaze(random: Random, trace: EyeTrace, rateHz: number, tracker: TrackerSpec): Float64Array {
  const measured = Float64Array.from(trace.gaze);
  addLensWobble(random, measured, trace, rateHz, tracker);
  addNoise(random, measured, rateHz, tracker);
  return measured;
}

function addLensWobble(
  random: Random,
  gaze: Float64Array,
  { saccades }: EyeTrace,
  rateHz: number,
  tracker: TrackerSpec,
): void {
  const frames = gaze.length / 2;
  for (const { onset, duration, from, to } of saccades) {
    const amplitude = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const share = amplitude ** -tracker.lensPower * random.logNormal(1, tracker.lensVariation);
    const first = Math.max(0, onset - 4);
    for (let t = first; t < Math.min(frames, onset + Math.ceil((duration + 0.03) * rateHz)); t++) {
      const seconds = (t - onset) / rateHz;
      const shift =
        share *
        (tracker.lensOvershoot * bump(seconds - duration - OVERSHOOT_S, OVERSHOOT_WIDTH_S) -
          tracker.lensLag * bump(seconds, LAG_WIDTH_S));
      gaze[2 * t]! += shift * (to[0] - from[0]);
      gaze[2 * t + 1]! += shift * (to[1] - from[1]);
    }
  }
}

function bump(seconds: number, width: number): number {
  return Math.exp(-((seconds / width) ** 2) / 2);
}

/** A noisy oscillator per axis: a rotating pair of numbers that shrinks and is kicked at every sample. */
function addNoise(random: Random, gaze: Float64Array, rateHz: number, tracker: TrackerSpec): void {
  const deviation = tracker.noiseDeg * random.logNormal(1, tracker.noiseVariation);
  const keep = Math.exp(-1 / (tracker.noiseCoherenceS * rateHz));
  const kick = deviation * Math.sqrt(1 - keep * keep);
  const angle = (2 * Math.PI * tracker.noiseHz) / rateHz;
  const cos = keep * Math.cos(angle);
  const sin = keep * Math.sin(angle);
  for (let axis = 0; axis < 2; axis++) {
    let real = random.normal(0, deviation);
    let imaginary = random.normal(0, deviation);
    for (let i = axis; i < gaze.length; i += 2) {
      gaze[i]! += real;
      const turned = cos * real - sin * imaginary + random.normal(0, kick);
      imaginary = sin * real + cos * imaginary + random.normal(0, kick);
      real = turned;
    }
  }
}
