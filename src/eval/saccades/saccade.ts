/**
 * @file A saccade, as `saccades.json` has it and as the detector finds it (evaluation specification, section 9.1).
 */

/** Seconds on the recording clock, degrees, degrees per second. */
export interface Saccade {
  start_time: number;
  end_time: number;
  start_x: number;
  start_y: number;
  end_x: number;
  end_y: number;
  /** Peak speed. */
  A: number;
  /** The rest of the speed profile A·exp(−(t−mu)²/2σ²) + b; σ before and after the peak. */
  mu?: number | undefined;
  sigma1?: number | undefined;
  sigma2?: number | undefined;
  b?: number | undefined;
  /** Samples of the eye trace that it was found in; the end is exclusive. */
  start_idx?: number | undefined;
  end_idx?: number | undefined;
}

/** Distance between where a saccade starts and where it ends, degrees. */
export function saccadeAmplitude({ start_x, start_y, end_x, end_y }: Saccade): number {
  return Math.hypot(end_x - start_x, end_y - start_y);
}
