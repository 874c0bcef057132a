/**
 * @file The gain that all units of a session share: a slow latent that wanders on the session's clock, through pauses and
 * trials alike, and that no stimulus explains.
 */
import type { PlantedUnit } from "./neurons.ts";
import type { Random } from "./random.ts";

/** Time over which the shared gain forgets, seconds. */
const GAIN_S = 3;

/** The latent of a session: normal, of unit variance, an Ornstein-Uhlenbeck process. */
export class SharedGain {
  private readonly random: Random;
  private readonly rateHz: number;
  private value: number;
  private time = 0;

  constructor(random: Random, rateHz: number) {
    this.random = random;
    this.rateHz = rateHz;
    this.value = random.normal();
  }

  /**
   * The latent in each frame of a trial, [frames]. Ask for trials in the order of time.
   *
   * @param start onset of the trial, seconds
   */
  during(start: number, frames: number): Float32Array {
    const out = new Float32Array(frames);
    this.wait(Math.max(0, start - this.time));
    for (let t = 0; t < frames; t++) {
      out[t] = this.value;
      this.wait(1 / this.rateHz);
    }
    this.time = start + frames / this.rateHz;
    return out;
  }

  private wait(seconds: number): void {
    const keep = Math.exp(-seconds / GAIN_S);
    this.value = keep * this.value + Math.sqrt(1 - keep * keep) * this.random.normal();
  }
}

/**
 * Expected counts given the shared gain, [frames, units]: the stimulus-driven ones times exp(σz − σ²/2), a factor of mean
 * one over the latent z.
 *
 * @param driven [frames, units]
 * @param latent [frames] of {@link SharedGain.during}
 * @param largest [units] counts that are never exceeded
 */
export function withSharedGain(
  units: readonly PlantedUnit[],
  driven: Float32Array,
  latent: Float32Array,
  largest: readonly number[],
): Float32Array {
  return driven.map((count, i) => {
    const n = i % units.length;
    const deviation = units[n]!.gain_fluctuation;
    const gain = Math.exp(deviation * latent[Math.floor(i / units.length)]! - (deviation * deviation) / 2);
    return Math.min(largest[n]!, count * gain);
  });
}
