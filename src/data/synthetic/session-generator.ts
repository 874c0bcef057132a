/**
 * @file One session, trial by trial: what is run when, how the units are tuned, and how they respond.
 *
 * Memory does not grow with the length of the session. Gains are set on its first ten minutes; each trial is then made,
 * handed out and forgotten.
 */
import { filterBank, type MovieLayout, unitDrive } from "./filter-bank.ts";
import { drawUnits, type PlantedUnit } from "./neurons.ts";
import type { SessionSpec } from "./presets.ts";
import { Random } from "./random.ts";
import type { RespondedTrial } from "./recordings.ts";
import { expectedCounts, saccadicCourse, withCalibratedGains } from "./responses.ts";
import { SharedGain, withSharedGain } from "./shared-gain.ts";
import { largestCount, poissonCounts, refractoryCounts } from "./spikes.ts";
import { type PlannedTrial, planTrials, RATE_HZ, runTrial, sessionImages, type Trial } from "./trials.ts";

/** Trials up to this many frames in all set the gains: ten minutes. */
const CALIBRATION_FRAMES = 600 * RATE_HZ;

/** Makes a session: first {@link SessionGenerator.calibrate}, then {@link SessionGenerator.respond}. */
export class SessionGenerator {
  readonly spec: SessionSpec;
  /** All trials in the order of time. */
  readonly plan: readonly PlannedTrial[];
  readonly layout: MovieLayout;
  private readonly random: Random;
  private readonly drawn: readonly PlantedUnit[];
  private calibrated: readonly PlantedUnit[] | undefined;
  /** Drives of the trials that set the gains. */
  private readonly drives: Float32Array[] = [];

  /** Equal specs and seeds make equal sessions. Plans and draws units only; nothing is shown yet. */
  constructor(spec: SessionSpec, seed: number) {
    this.spec = spec;
    this.random = new Random(seed).stream("session", spec.name);
    this.drawn = drawUnits(this.random.stream("units"), spec);
    this.plan = planTrials(this.random.stream("plan"), spec.blocks);
    this.layout = { size: spec.cropSize, ppd: spec.ppd, rateHz: RATE_HZ };
  }

  /** The units with their gains. Throws an Error before {@link calibrate} has run to its end. */
  get units(): readonly PlantedUnit[] {
    if (this.calibrated === undefined) throw new Error("The gains of the units are not set yet");
    return this.calibrated;
  }

  /** Frames of {@link calibrate} and of {@link respond} together. */
  get framesOfWork(): number {
    return frameCount(this.calibrationTrials()) + frameCount(this.plan);
  }

  /** Sets the gains; yields the frames of each trial that was shown for it. */
  *calibrate(): Generator<number> {
    const images = sessionImages(this.random, this.spec);
    const bank = filterBank(this.drawn, this.layout);
    for (const planned of this.calibrationTrials()) {
      const { retina } = runTrial(this.random, { ...this.spec, stimPhase: false }, images, planned);
      this.drives.push(unitDrive(bank, retina));
      yield planned.frames;
    }
    this.calibrated = withCalibratedGains(this.drawn, this.drives, RATE_HZ);
  }

  /** All trials with their responses, in the order of time. */
  *respond(): Generator<RespondedTrial> {
    const { units, random, spec } = this;
    const images = sessionImages(random, spec);
    const bank = filterBank(units, this.layout);
    const gain = units.some((unit) => unit.gain_fluctuation > 0)
      ? new SharedGain(random.stream("shared gain"), RATE_HZ)
      : undefined;
    for (const [i, planned] of this.plan.entries()) {
      const trial = runTrial(random, spec, images, planned);
      const drive = this.drives[i] ?? unitDrive(bank, trial.retina);
      yield { ...trial, ...responses(random, units, trial, drive, gain) };
    }
  }

  private calibrationTrials(): PlannedTrial[] {
    let frames = 0;
    return this.plan.filter((trial) => {
      const isWanted = frames < CALIBRATION_FRAMES;
      frames += trial.frames;
      return isWanted;
    });
  }
}

/** Expected counts of a trial, and counts drawn from them. */
function responses(
  random: Random,
  units: readonly PlantedUnit[],
  trial: Trial,
  drive: Float32Array,
  gain: SharedGain | undefined,
): Pick<RespondedTrial, "expected" | "counts" | "shared"> {
  const course = saccadicCourse(trial.saccades, trial.frames, RATE_HZ);
  const expected = expectedCounts(units, drive, course, RATE_HZ);
  let shared: RespondedTrial["shared"];
  if (gain !== undefined) {
    const latent = gain.during(trial.start, trial.frames);
    const largest = units.map((unit) => largestCount(unit, RATE_HZ));
    shared = { latent, expected: withSharedGain(units, expected, latent, largest) };
  }
  const rates = shared?.expected ?? expected;
  const spikes = random.stream(trial.type, "spikes", trial.index);
  const isRefractory = units.some((unit) => unit.refractory_ms > 0);
  const counts = isRefractory ? refractoryCounts(spikes, units, rates, RATE_HZ) : poissonCounts(spikes, rates);
  return { expected, counts, shared };
}

function frameCount(trials: readonly PlannedTrial[]): number {
  return trials.reduce((sum, { frames }) => sum + frames, 0);
}
