/**
 * @file Planted V1-like units: what they are tuned to, and the filters that follow from it.
 *
 * A simple cell is one Gabor followed by rectification (linear-nonlinear); a complex cell is the energy of two Gabors a
 * quarter cycle apart (Adelson & Bergen 1985). Both see the stimulus through a temporal kernel with one or two lobes,
 * and are divided by the contrast under their receptive field (Heeger 1992).
 */
import type { Random } from "./random.ts";

export type UnitKind = "simple" | "complex";

/** Everything that determines a unit's response, as stored with each recording under `planted`. */
export interface PlantedUnit {
  kind: UnitKind;
  /** Centre of the receptive field from the centre of gaze, degrees, x right and y up. */
  x: number;
  y: number;
  /** Direction of the preferred wave vector, degrees in [0, 180); bars lie at right angles to it. */
  orientation: number;
  /** Preferred spatial frequency, cycles per degree. */
  sf: number;
  /** Phase of the Gabor, degrees; 0 is an on-centre. Complex cells ignore it. */
  phase: number;
  /** Standard deviation of the envelope along the wave vector, degrees, and length over width of the envelope. */
  sigma: number;
  aspect: number;
  /** Silent time before the temporal kernel starts, and its time constant, milliseconds. */
  latency_ms: number;
  tau_ms: number;
  /** Weight of the second, opposite lobe of the temporal kernel: 0 sustained, 1 fully transient. */
  biphasic: number;
  /** Power of the response nonlinearity. */
  exponent: number;
  /** Contrast at which divisive normalisation halves the drive; null leaves the drive undivided. */
  semisaturation: number | null;
  /** Depth of the suppression and rebound around saccades, as a share of the rate; 0 for none. */
  saccade_modulation: number;
  /**
   * Adaptation divides the evoked rate by 1 + adaptation·(its recent mean)/mean_rate; 0 for none. The recent mean forgets
   * over `adaptation_ms`.
   */
  adaptation: number;
  adaptation_ms: number;
  /** Standard deviation of the log of the gain that the population shares; 0 for none. */
  gain_fluctuation: number;
  /** Time after a spike without another, and time constant of the recovery that follows, milliseconds; 0 for none. */
  refractory_ms: number;
  recovery_ms: number;
  /** Mean rate over the session and rate without stimulus, spikes per second. */
  mean_rate: number;
  baseline: number;
  /** Rate above the baseline that no stimulus can exceed, spikes per second. */
  max_rate: number;
  /** Spikes per second per unit of weak drive; follows from `mean_rate` once the stimuli are known. */
  gain: number;
}

/** Choices of a population. */
export interface PopulationOptions {
  units: number;
  /** Half the side of the square that receptive field centres fall in, degrees. */
  rfSpreadDeg: number;
  /** Divide by local contrast. Default true. */
  normalization?: boolean;
  /** Largest planted depth of saccadic modulation; 0 switches it off. Default 0.3. */
  saccadeModulation?: number;
  /** Median strength of adaptation. Default 0, none. */
  adaptation?: number;
  /** Mean strength of the shared gain fluctuations: standard deviation of the log gain. Default 0, none. */
  gainFluctuations?: number;
  /** Mean absolute refractory period, and time constant of the recovery, milliseconds. Default 0, none. */
  refractoryMs?: number;
}

/** Length of every temporal kernel, seconds: 12 lags at 120 Hz. */
const KERNEL_S = 0.1;
/** Order of the temporal kernel's rise. */
const KERNEL_ORDER = 5;

/** Draws a population, half simple and half complex cells. Gains are left at 1 until the stimuli are known. */
export function drawUnits(random: Random, options: PopulationOptions): PlantedUnit[] {
  const { units, rfSpreadDeg, normalization = true, saccadeModulation = 0.3 } = options;
  const { adaptation = 0, gainFluctuations = 0, refractoryMs = 0 } = options;
  return Array.from({ length: units }, (_, i) => {
    const own = random.stream(i);
    const kind = i % 2 === 0 ? "simple" : "complex";
    const meanRate = clamp(own.logNormal(14, 0.5), 5, 40);
    const sf = clamp(own.logNormal(2.4, 0.3), 1.5, 4);
    // Streams of their own: these came later, and must not shift what the unit is tuned to.
    const adapting = own.stream("adaptation");
    const refractory = own.stream("refractory");
    return {
      kind,
      x: clamp(own.normal(0, rfSpreadDeg / 2), -rfSpreadDeg, rfSpreadDeg),
      y: clamp(own.normal(0, rfSpreadDeg / 2), -rfSpreadDeg, rfSpreadDeg),
      orientation: own.uniform(0, 180),
      sf,
      phase: own.uniform(0, 360),
      sigma: own.uniform(0.36, 0.46) / sf,
      aspect: own.uniform(1, 1.5),
      latency_ms: own.uniform(6, 14),
      tau_ms: own.uniform(4.8, 6),
      biphasic: own.uniform(0, 0.9),
      exponent: kind === "simple" ? own.uniform(1.2, 1.6) : own.uniform(1.8, 2.2),
      semisaturation: normalization ? own.uniform(0.08, 0.16) : null,
      saccade_modulation: own.uniform(0, saccadeModulation),
      adaptation: adaptation * adapting.logNormal(1, 0.3),
      adaptation_ms: adapting.uniform(200, 600),
      gain_fluctuation: gainFluctuations * own.stream("gain").uniform(0.5, 1.5),
      refractory_ms: refractoryMs * refractory.uniform(0.8, 1.2),
      recovery_ms: refractoryMs * refractory.uniform(0.8, 1.2),
      mean_rate: meanRate,
      baseline: meanRate * own.uniform(0.15, 0.35),
      max_rate: clamp(meanRate * own.uniform(5, 8), 60, 180),
      gain: 1,
    };
  });
}

/**
 * The Gabors of a unit, each [size, size] with zero mean and unit sum of magnitudes, so that a stimulus of contrast 1
 * gives at most 1: one for a simple cell, a quadrature pair for a complex cell.
 */
export function spatialFilters(unit: PlantedUnit, size: number, ppd: number): Float32Array[] {
  const phases = unit.kind === "simple" ? [unit.phase] : [0, 90];
  const envelope = spatialEnvelope(unit, size, ppd);
  const angle = (unit.orientation * Math.PI) / 180;
  return phases.map((phase) => {
    const gabor = pixelMap(size, ppd, (x, y) => {
      const along = (x - unit.x) * Math.cos(angle) + (y - unit.y) * Math.sin(angle);
      return Math.cos(2 * Math.PI * unit.sf * along + (phase * Math.PI) / 180);
    });
    // Without its mean (taken under the envelope) an even Gabor would also answer to plain luminance.
    let mean = 0;
    for (let p = 0; p < gabor.length; p++) mean += gabor[p]! * envelope[p]!;
    for (let p = 0; p < gabor.length; p++) gabor[p] = (gabor[p]! - mean) * envelope[p]!;
    return scaledToUnitSum(gabor);
  });
}

/** Gaussian weights under a unit's receptive field, [size, size], sum 1: where normalisation reads contrast. */
export function spatialEnvelope(unit: PlantedUnit, size: number, ppd: number): Float32Array {
  const angle = (unit.orientation * Math.PI) / 180;
  const weights = pixelMap(size, ppd, (x, y) => {
    const along = (x - unit.x) * Math.cos(angle) + (y - unit.y) * Math.sin(angle);
    const across = (y - unit.y) * Math.cos(angle) - (x - unit.x) * Math.sin(angle);
    return Math.exp(-(along ** 2 + (across / unit.aspect) ** 2) / (2 * unit.sigma ** 2));
  });
  return scaledToUnitSum(weights);
}

/**
 * Temporal kernel by lag in frames, most recent first, unit sum of magnitudes: u⁵e⁻ᵘ (1/5! − b·u²/7!) with
 * u = (t − latency)/tau and b the weight of the second lobe (Adelson & Bergen 1985).
 */
export function temporalKernel(unit: PlantedUnit, rateHz: number): Float32Array {
  const kernel = new Float32Array(Math.round(KERNEL_S * rateHz));
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
  for (let lag = 0; lag < kernel.length; lag++) {
    const u = Math.max(0, ((1000 * lag) / rateHz - unit.latency_ms) / unit.tau_ms);
    const lobes = 1 / factorial(KERNEL_ORDER) - (unit.biphasic * u * u) / factorial(KERNEL_ORDER + 2);
    kernel[lag] = u ** KERNEL_ORDER * Math.exp(-u) * lobes;
  }
  return scaledToUnitSum(kernel);
}

/** A [size, size] map of a function of the position in degrees from the crop's centre pixel, x right and y up. */
function pixelMap(size: number, ppd: number, value: (x: number, y: number) => number): Float32Array {
  const centre = Math.floor(size / 2);
  const map = new Float32Array(size * size);
  for (let row = 0; row < size; row++)
    for (let col = 0; col < size; col++) map[row * size + col] = value((col - centre) / ppd, (centre - row) / ppd);
  return map;
}

function scaledToUnitSum(values: Float32Array): Float32Array {
  const sum = values.reduce((total, value) => total + Math.abs(value), 0);
  return values.map((value) => value / sum);
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
