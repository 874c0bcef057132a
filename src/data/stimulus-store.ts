/**
 * @file Where a session's grey levels lie while it is trained on: in memory as long as they fit a budget, else in a file
 * that is mapped into memory (data specification, sections 15 and 16).
 *
 * A stimulus at the model's rate that is already a run of bytes in its recording is mapped from there. Otherwise its frames
 * are copied once into a file of the cache folder, under a name made from what they depend on: the recording (path, size,
 * time of last change), the position within it, and the frames that are kept. A recording that changes gets another file.
 */
import { constants } from "node:buffer";
import { createHash } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";
import { makeFolder } from "../formats/folder.ts";
import type { LazyArray } from "../formats/lazy.ts";
import { createSafetensorsWriter, openSafetensors } from "../formats/safetensors.ts";
import { mapFile } from "../torch/index.ts";
import { thisMachine, userCache } from "../torch/setup/machine.ts";
import { rowLength } from "./column.ts";
import { downsampleColumn, pickFrames } from "./downsample.ts";

/** Part of the file names: raise it when the content of cached files changes. */
const CACHE_VERSION = 1;

/** Where bytes begin in a file. */
export interface FileLocation {
  readonly path: string;
  readonly offset: number;
}

/** Memory that stimuli may take, shared by the sessions of a run, and what happens to those it does not suffice for. */
export class StimulusStore {
  /** Bytes of stimuli that lie in memory, and in mapped files. */
  inMemory = 0;
  mapped = 0;
  /** Bytes that may lie in memory. */
  readonly budget: number;
  readonly #cacheFolder: string | undefined;
  readonly #isDry: boolean;
  readonly #locations = new WeakMap<object, FileLocation>();

  /** A store that only counts: stimuli have their shape but no values. For looking at data without reading them. */
  static counting(): StimulusStore {
    return new StimulusStore(Number.POSITIVE_INFINITY, undefined, true);
  }

  /**
   * @param budget bytes; infinite for no limit
   * @param cacheFolder where frames are copied that cannot be mapped from their recording; without one they stay in memory
   */
  constructor(budget = Number.POSITIVE_INFINITY, cacheFolder?: string, isDry = false) {
    this.budget = budget;
    this.#cacheFolder = cacheFolder;
    this.#isDry = isDry;
  }

  /**
   * A uint8 stimulus at the model's rate, in memory or mapped.
   *
   * @param column [frames, ...] at the recorded rate
   * @param starts first frame of every bin, undefined without down-sampling
   * @param factor frames of a bin
   * @throws UserError when the cache folder cannot be written, or the stimulus has more bytes than an array can have
   */
  hold(column: LazyArray, starts: Int32Array | undefined, factor: number): NdArray {
    const shape = [starts?.length ?? column.shape[0]!, ...column.shape.slice(1)];
    const bytes = shape[0]! * rowLength(shape);
    if (this.#isDry) {
      this.inMemory += bytes;
      return { dtype: "uint8", shape, data: new Uint8Array(0) };
    }
    if (bytes > constants.MAX_LENGTH) throw tooLarge(bytes);
    const fits = this.inMemory + bytes <= this.budget;
    const file = fits ? undefined : this.#fileOf(column, starts, factor);
    if (file === undefined) {
      this.inMemory += bytes;
      return starts === undefined ? column.read() : downsampleColumn("stim", column, starts, factor);
    }
    this.mapped += bytes;
    const data = mapFile(file.path, file.offset, bytes);
    this.#locations.set(data, file);
    return { dtype: "uint8", shape, data };
  }

  /** Where the bytes of a stimulus lie that this store has mapped. */
  locationOf({ data }: NdArray): FileLocation | undefined {
    return this.#locations.get(data);
  }

  /** A file with exactly these frames in a row, made if need be; undefined when there can be none. */
  #fileOf(column: LazyArray, starts: Int32Array | undefined, factor: number): FileLocation | undefined {
    const { location } = column;
    if (starts === undefined && location !== undefined) return location;
    if (location === undefined || this.#cacheFolder === undefined) return undefined;
    const kept = starts ?? Int32Array.from({ length: column.shape[0]! }, (_, frame) => frame);
    const path = join(this.#cacheFolder, `${cacheKey(column, location, kept)}.safetensors`);
    const shape = [kept.length, ...column.shape.slice(1)];
    const copied = copyIn(path, shape);
    if (copied !== undefined) return copied;
    makeFolder(this.#cacheFolder);
    using writer = createSafetensorsWriter(path, new Map([["stim", { dtype: "uint8", shape }]]));
    pickFrames(column, kept, factor, (frames) => writer.append("stim", frames));
    writer.finish();
    return copyIn(path, shape);
  }
}

/** The frames in a file of the cache; undefined when there is none, or it is damaged and has to be made again. */
function copyIn(path: string, shape: readonly number[]): FileLocation | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const file = openSafetensors(path);
    const { location, shape: found } = file.tensor("stim");
    file.close();
    return found.join() === shape.join() ? location : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Where stimuli of a run lie, see {@link openStimulusStore}. */
export interface StimulusStoreOptions {
  /** Bytes of stimuli in memory; when absent, half of the available memory, or none if a folder for copies is given. */
  memory?: number | undefined;
  /** Folder for copies of the others; `stimuli` in the user's cache when absent, none when false. */
  cacheFolder?: string | false | undefined;
}

/** The store of a run. */
export function openStimulusStore({ memory, cacheFolder }: StimulusStoreOptions = {}): StimulusStore {
  const budget = memory ?? (cacheFolder ? 0 : process.availableMemory() / 2);
  if (cacheFolder === false) return new StimulusStore(budget);
  return new StimulusStore(budget, cacheFolder ?? join(userCache(thisMachine()), "stimuli"));
}

function tooLarge(bytes: number): UserError {
  return new UserError(
    `Cannot hold a stimulus of ${bytes} bytes: this version of Node.js has arrays of ${constants.MAX_LENGTH} at most`,
    { hint: "Divide the recording into several types, or use a newer version of Node.js." },
  );
}

/** A name for the frames of one recording: changes with the recording and with what is kept of it. */
function cacheKey(column: LazyArray, { path, offset }: FileLocation, kept: Int32Array): string {
  const { size, mtimeMs, ino } = statSync(path);
  const hash = createHash("sha256");
  hash.update(JSON.stringify([CACHE_VERSION, realpathSync(path), size, mtimeMs, ino, offset, column.shape]));
  hash.update(new Uint8Array(kept.buffer, kept.byteOffset, kept.byteLength));
  return hash.digest("hex").slice(0, 32);
}
