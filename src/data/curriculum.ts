/**
 * @file Curriculum sampling: at first, samples whose newest frame shows contrast come more often (data specification,
 * section 14.2, with its faults put right).
 *
 * A frame's contrast is the standard deviation (n - 1) of its pixels over all channels, divided by the lower median over
 * all frames of all sessions. With it, a sample's weight is `max(floor, min(alpha * contrast, 1))`; alpha goes from 0.5 to 1
 * during the warm-up. After that every sample is as likely as any other.
 */
import { UserError } from "../errors.ts";
import type { MersenneTwister } from "./random.ts";
import type { RecordingArrays, SampleSet } from "./samples.ts";

/** Options of {@link Curriculum}. */
export interface CurriculumOptions {
  /** Steps until all samples are equally likely. */
  warmupSteps: number;
  /** Least weight of a sample, in (0, 1]: blank frames must not be lost altogether. */
  floor: number;
  /** Batches of a step, when gradients are accumulated. */
  batchesPerStep?: number;
}

/** Weights of samples during the warm-up, and draws from them. */
export class Curriculum {
  /** Contrast of every sample, 1 in the median, by global index. */
  readonly contrasts: Float32Array;
  readonly #floor: number;
  readonly #warmupBatches: number;

  /** @throws UserError when the floor is not in (0, 1] or the warm-up is not a whole number of steps from 1 */
  constructor(contrasts: Float32Array, { warmupSteps, floor, batchesPerStep = 1 }: CurriculumOptions) {
    if (!(floor > 0 && floor <= 1)) {
      throw new UserError(`Cannot use a curriculum floor of ${floor}: expected a number above 0 and up to 1`);
    }
    if (!(Number.isInteger(warmupSteps) && warmupSteps >= 1)) {
      throw new UserError(`Cannot use a curriculum of ${warmupSteps} steps: expected a whole number from 1`);
    }
    this.contrasts = contrasts;
    this.#floor = floor;
    this.#warmupBatches = warmupSteps * batchesPerStep;
  }

  /** Share of the warm-up that is over before this batch, counted from the start of training; 1 when all of it is. */
  progress(batch: number): number {
    return Math.min(1, batch / this.#warmupBatches);
  }

  /** Weight of a sample, in (0, 1], after this share of the warm-up. */
  weight(sample: number, progress: number): number {
    return Math.max(this.#floor, Math.min((0.5 + 0.5 * progress) * this.contrasts[sample]!, 1));
  }

  /**
   * Draws one of the samples `start` to `end - 1` by weight: proposes any and keeps it as often as its weight says. Weights
   * are at most 1, so that is exact; it needs no tables, however many samples there are.
   */
  draw(generator: MersenneTwister, start: number, end: number, progress: number): number {
    for (;;) {
      const sample = start + Math.floor(generator.uniform() * (end - start));
      if (generator.uniform() < this.weight(sample, progress)) return sample;
    }
  }
}

/**
 * Contrast of the newest frame of every sample, relative to the lower median over all frames of all recordings.
 *
 * @param sets training samples of every session, in session order
 * @returns by global index, [samples]
 * @throws UserError when a session has no stimulus, sessions store theirs in different element types, pixels are not finite,
 *   or at least half of all frames are blank
 */
export function sampleContrasts(sets: readonly SampleSet[]): Float32Array {
  checkComparable(sets);
  const frames = relativeContrasts(
    sets.map((set) => set.recordings.map((_, i) => frameContrasts(set.arrays(i), set.session))),
  );
  const contrasts = new Float32Array(sets.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const [session, { recordingOf, frameOf }] of sets.entries()) {
    for (let i = 0; i < frameOf.length; i++) {
      contrasts[at++] = frames[session]![recordingOf[i]!]![frameOf[i]!]!;
    }
  }
  return contrasts;
}

/** Grey levels of one session and transformed pixels of another have no common unit. */
function checkComparable(sets: readonly SampleSet[]): void {
  const types = sets.map(({ recordings }) => recordings.find((r) => r.has("stim"))?.column("stim").dtype);
  const first = types.findIndex((type) => type !== undefined);
  const other = types.findIndex((type) => type !== undefined && type !== types[first]);
  if (other < 0) return;
  throw new UserError(
    `Cannot use a curriculum: the stimulus of session "${sets[first]!.session}" is ${types[first]}, ` +
      `that of "${sets[other]!.session}" ${types[other]}, so their contrasts do not compare`,
    { hint: "Give stim the same transforms in all sessions, or train without --enable-curriculum." },
  );
}

/**
 * Contrasts of frames divided by the lower median over all of them; the arrays are changed and returned.
 *
 * @param contrasts by session and recording, [frames] each
 * @throws UserError when the median is 0
 */
export function relativeContrasts(
  contrasts: readonly (readonly Float32Array[])[],
): readonly (readonly Float32Array[])[] {
  const median = lowerMedian(contrasts.flat());
  if (!(median > 0)) {
    throw new UserError("Cannot use a curriculum: at least half of all frames are blank", {
      hint: "Train without --enable-curriculum.",
    });
  }
  for (const frames of contrasts.flat())
    frames.forEach((contrast, i) => {
      frames[i] = contrast / median;
    });
  return contrasts;
}

/**
 * Standard deviation (n - 1) of every frame over channels, rows and columns, in the stimulus' own unit, [frames].
 *
 * @throws UserError when the recording keeps no stimulus, or a frame has pixels that are not finite
 */
export function frameContrasts(
  { stim, frames, type }: Pick<RecordingArrays, "stim" | "frames" | "type">,
  session: string,
): Float32Array {
  if (stim === undefined) {
    throw new UserError(`Cannot use a curriculum: session "${session}", type "${type}" serves no stimulus`);
  }
  const width = stim.length / frames;
  const contrasts = new Float32Array(frames);
  for (let frame = 0; frame < frames; frame++) {
    const pixels = stim.subarray(frame * width, (frame + 1) * width);
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < width; i++) {
      const x = pixels[i]!;
      sum += x;
      squares += x * x;
    }
    if (!Number.isFinite(squares)) {
      throw new UserError(
        `Cannot use a curriculum: session "${session}", type "${type}", frame ${frame} has pixels that are not finite`,
        { hint: "Repair the recording, or train without --enable-curriculum." },
      );
    }
    contrasts[frame] = Math.sqrt(Math.max(0, squares - (sum * sum) / width) / Math.max(1, width - 1));
  }
  return contrasts;
}

/** The lower of the two middle values for an even number; NaN without any. */
function lowerMedian(parts: readonly Float32Array[]): number {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.sort()[(all.length - 1) >> 1] ?? Number.NaN;
}
