/**
 * @file Samples: frames of recordings, served with the history that each key's lags ask for (data specification,
 * section 11).
 *
 * A {@link SampleSet} is two index arrays over shared recordings; nothing is copied per sample. {@link SampleSet.serve}
 * gathers on the host and defines what a batch is; loaders read {@link SampleSet.arrays} and gather elsewhere.
 */
import { UserError } from "../errors.ts";
import { arrayBytes, elementCount, type NdArray, zerosArray } from "../formats/array.ts";
import { rowLength, toFloat32 } from "./column.ts";
import { checkReach, type KeysLags, type LagSpec, lagReach, parseKeysLags } from "./lags.ts";
import type { Recording } from "./recording.ts";

/** What a {@link SampleSet} is made of. */
export interface SampleSetParts {
  /** Name of the session, for messages. */
  session: string;
  /** Prepared recordings, columns in memory. */
  recordings: readonly Recording[];
  /** Recording of every sample, [samples]. */
  recordingOf: Int32Array;
  /** Frame of every sample within its recording, [samples]. */
  frameOf: Int32Array;
  keysLags: KeysLags;
  /** Whether a uint8 stimulus is served as (x − 127) / 255 instead of as x. */
  pixelnorm: boolean;
}

/** The arrays of one recording, for loaders; no copies. */
export interface RecordingArrays {
  readonly type: string;
  readonly frames: number;
  /**
   * [frames, channels, height, width]; uint8 is to be served as float, normalised if the set says `pixelnorm`. Undefined
   * when the recording keeps no stimulus.
   */
  readonly stim: Uint8Array | Float32Array | undefined;
  /** 1 when the stored stimulus has no channel axis. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Spike counts, [frames, units]; uint8 where all are whole numbers up to 255. */
  readonly robs: Float32Array | Uint8Array;
  readonly units: number;
  /** Validity, [frames, dfsColumns]. */
  readonly dfs: Float32Array | Uint8Array;
  /** 1 when a frame is valid for all units or none, else `units`. */
  readonly dfsColumns: number;
  /** [frames, behaviorDim]. */
  readonly behavior: Float32Array | undefined;
  readonly behaviorDim: number;
  /** Spike history source, [frames, units]. */
  readonly history: Float32Array | undefined;
  /** Expected counts of synthetic units, [frames, units]. */
  readonly trueRates: Float32Array | undefined;
}

/** Keys that are kept as uint8 where their values allow it. */
const COUNT_KEYS: ReadonlySet<string> = new Set(["robs", "dfs"]);

/** An ordered set of samples of one session. */
export class SampleSet {
  readonly session: string;
  readonly recordings: readonly Recording[];
  /** Recording of every sample, [samples]. */
  readonly recordingOf: Int32Array;
  /** Frame of every sample within its recording, [samples]. */
  readonly frameOf: Int32Array;
  readonly keysLags: KeysLags;
  /** Lags by served key. */
  readonly lags: ReadonlyMap<string, LagSpec>;
  readonly pixelnorm: boolean;

  /**
   * @throws UserError when a served key is missing in a recording or differs in shape or element type between them, or
   *   when a lag of any sample reaches beyond its recording
   */
  constructor({ session, recordings, recordingOf, frameOf, keysLags, pixelnorm }: SampleSetParts) {
    this.session = session;
    this.recordings = recordings;
    this.recordingOf = recordingOf;
    this.frameOf = frameOf;
    this.keysLags = keysLags;
    this.lags = parseKeysLags(keysLags);
    this.pixelnorm = pixelnorm;
    for (const key of this.lags.keys()) this.checkKey(key);
    const reach = lagReach(this.lags);
    recordings.forEach(({ type, length }, recording) => {
      checkReach(this.framesOf(recording), length, reach, `session "${session}", type "${type}"`);
    });
  }

  /** Samples. */
  get length(): number {
    return this.frameOf.length;
  }

  private checkKey(key: string): void {
    const described = this.recordings.map((recording) => {
      const { dtype, shape } = recording.column(key);
      const type = COUNT_KEYS.has(key) ? "numbers" : dtype;
      return `${type} [${["frames", ...shape.slice(1)].join(", ")}]`;
    });
    const other = described.findIndex((text) => text !== described[0]);
    if (other < 0) return;
    const [first] = this.recordings;
    throw new UserError(
      `Cannot serve "${key}" of session "${this.session}": ${first!.type} has ${described[0]}, ` +
        `${this.recordings[other]!.type} has ${described[other]}`,
      {
        hint: "All types of a session need the same units and the same stimulus size; load them as separate sessions.",
      },
    );
  }

  /** Frames of the samples that come from one recording, in sample order. */
  framesOf(recording: number): Int32Array {
    return this.frameOf.filter((_, i) => this.recordingOf[i] === recording);
  }

  /** The samples of one stimulus type, in order; none when the session lacks the type. */
  ofType(type: string): SampleSet {
    const recording = this.recordings.findIndex((candidate) => candidate.type === type);
    return this.subset(Array.from(this.recordingOf.keys()).filter((i) => this.recordingOf[i] === recording));
  }

  /** The samples at these positions, in this order. */
  subset(positions: ArrayLike<number>): SampleSet {
    const at = this.resolve(positions);
    return new SampleSet({
      ...this,
      recordingOf: at.map((i) => this.recordingOf[i]!),
      frameOf: at.map((i) => this.frameOf[i]!),
    });
  }

  /** The same samples with other keys or lags. Throws like the constructor. */
  withLags(keysLags: KeysLags): SampleSet {
    return new SampleSet({ ...this, keysLags });
  }

  /**
   * These samples followed by another set's of the same recordings.
   *
   * @throws RangeError when the recordings differ
   */
  concat(other: SampleSet): SampleSet {
    if (other.recordings.some((recording, i) => recording !== this.recordings[i])) {
      throw new RangeError("Cannot join sample sets of different recordings");
    }
    return new SampleSet({
      ...this,
      recordingOf: joinedIndices([this.recordingOf, other.recordingOf]),
      frameOf: joinedIndices([this.frameOf, other.frameOf]),
    });
  }

  /**
   * Gathers samples into one array per key: `[batch, ...]`, or `[batch, lags, ...]` for a key with a lag axis; `stim`
   * with channels is `[batch, channels, lags, height, width]`. A uint8 stimulus, counts and masks come out as float32, every
   * other key in its own element type.
   *
   * @param positions which samples, negative ones from the end
   * @throws RangeError for positions outside the set
   */
  serve(positions: ArrayLike<number>): Record<string, NdArray> {
    const at = this.resolve(positions);
    return Object.fromEntries(Array.from(this.lags, ([key, spec]) => [key, this.gather(key, spec, at)]));
  }

  /** One sample, without the batch axis. Throws like {@link SampleSet.serve}. */
  serveOne(position: number): Record<string, NdArray> {
    return Object.fromEntries(
      Object.entries(this.serve([position])).map(([key, { dtype, shape, data }]) => [
        key,
        { dtype, shape: shape.slice(1), data },
      ]),
    );
  }

  private resolve(positions: ArrayLike<number>): Int32Array {
    return Int32Array.from(positions, (position) => {
      const at = position < 0 ? position + this.length : position;
      if (Number.isInteger(at) && at >= 0 && at < this.length) return at;
      throw new RangeError(`Cannot serve sample ${position} of session "${this.session}": it has ${this.length}`);
    });
  }

  private gather(key: string, { lags, axis }: LagSpec, at: Int32Array): NdArray {
    const sources = this.recordings.map((recording) => recording.get(key));
    const { dtype, shape } = sources[0]!;
    const rowShape = shape.slice(1);
    // Counts and masks may be bytes in one recording and float32 in another; other keys are copied bit by bit.
    const isCounts = COUNT_KEYS.has(key);
    const out = zerosArray(isCounts ? "float32" : dtype, [at.length, ...(axis ? [lags.length] : []), ...rowShape]);
    const row = rowLength(shape) * (isCounts ? 1 : out.data.BYTES_PER_ELEMENT);
    const from = sources.map((source) => (isCounts ? countsOf(source).data : arrayBytes(source)));
    const to = isCounts ? (out.data as Float32Array) : arrayBytes(out);
    let offset = 0;
    for (const sample of at) {
      const values = from[this.recordingOf[sample]!]!;
      for (const lag of lags) {
        const start = (this.frameOf[sample]! - lag) * row;
        to.set(values.subarray(start, start + row), offset);
        offset += row;
      }
    }
    if (key !== "stim") return out;
    return channelsFirst(decodeStimulus(out, this.pixelnorm));
  }

  /**
   * The arrays of one recording.
   *
   * @throws UserError when it lacks `robs` or `dfs`
   */
  arrays(recording: number): RecordingArrays {
    const source = this.recordings[recording]!;
    const stim = source.has("stim") ? source.get("stim") : undefined;
    const [height, width] = (stim?.shape ?? [0, 0]).slice(-2) as [number, number];
    const robs = countsOf(source.get("robs"));
    const dfs = countsOf(source.get("dfs"));
    const optional = (key: string) => (source.has(key) ? source.floats(key) : undefined);
    const behavior = optional("behavior");
    return {
      type: source.type,
      frames: source.length,
      stim: stim?.data as Uint8Array | Float32Array | undefined,
      channels: stim?.shape.length === 4 ? stim.shape[1]! : 1,
      height,
      width,
      robs: robs.data,
      units: robs.shape[1]!,
      dfs: dfs.data,
      dfsColumns: dfs.shape[1]!,
      behavior: behavior?.data,
      behaviorDim: behavior === undefined ? 0 : rowLength(behavior.shape),
      history: optional("history")?.data,
      trueRates: optional("true_rates")?.data,
    };
  }
}

/** Counts or a mask as they are kept: uint8, else float32. */
function countsOf(array: NdArray): NdArray & { data: Float32Array | Uint8Array } {
  return array.data instanceof Uint8Array ? { ...array, data: array.data } : toFloat32(array);
}

/** Index arrays one after the other. */
export function joinedIndices(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** Grey levels as numbers, normalised or not; an array of another type is returned as it is. */
export function decodeStimulus(stim: NdArray, pixelnorm: boolean): NdArray {
  if (stim.dtype !== "uint8") return stim;
  const levels = Float32Array.from({ length: 256 }, (_, x) => (pixelnorm ? (x - 127) / 255 : x));
  const { data } = zerosArray("float32", stim.shape);
  const source = stim.data;
  for (let i = 0; i < data.length; i++) data[i] = levels[source[i] as number]!;
  return { dtype: "float32", shape: stim.shape, data };
}

/** [batch, lags, channels, height, width] to [batch, channels, lags, height, width]; other ranks stay. */
function channelsFirst(stim: NdArray): NdArray {
  if (stim.shape.length !== 5) return stim;
  const [batch, lags, channels, height, width] = stim.shape as [number, number, number, number, number];
  const shape = [batch, channels, lags, height, width];
  if (channels === 1 || lags === 1) return { ...stim, shape };
  const out = zerosArray(stim.dtype, shape);
  const imageBytes = elementCount([height, width]) * out.data.BYTES_PER_ELEMENT;
  const from = arrayBytes(stim);
  const to = arrayBytes(out);
  for (let b = 0; b < batch; b++) {
    for (let l = 0; l < lags; l++) {
      for (let c = 0; c < channels; c++) {
        const start = ((b * lags + l) * channels + c) * imageBytes;
        to.set(from.subarray(start, start + imageBytes), ((b * channels + c) * lags + l) * imageBytes);
      }
    }
  }
  return { ...out, shape };
}
