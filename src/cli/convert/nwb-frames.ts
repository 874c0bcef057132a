/**
 * @file The pictures of an NWB stimulus series as frames of grey levels `[frames, height, width]`, whatever way the file
 * keeps them: frames, frames in colour, or numbers of images that are kept elsewhere.
 */
import { memoryColumn, rowLength } from "../../data/column.ts";
import { UserError } from "../../errors.ts";
import { bytesPerElement, type DType, type NdArray, toFloat64, zerosArray } from "../../formats/array.ts";
import type { LazyArray } from "../../formats/lazy.ts";
import type { NwbFile, NwbSeries } from "./nwb-file.ts";

/**
 * The pictures of a series and which of them each sample shows.
 *
 * @returns pictures [pictures, height, width], and the picture of every sample, [samples]
 * @throws UserError when the pictures are not in the file, or the series holds none
 */
export function seriesPictures(file: NwbFile, series: NwbSeries): { pictures: LazyArray; shown: Int32Array } {
  const { hdf5 } = file;
  const { path, type } = series;
  const refuse = (what: string, hint?: string) =>
    new UserError(`Cannot use "${path}" of "${file.path}": ${what}`, { hint });
  if (hdf5.has(`${path}/external_file`)) {
    throw refuse(
      `its frames are in other files (${hdf5.strings(`${path}/external_file`).join(", ")})`,
      "Convert the movie to frames in an array, and use convert with a mapping file.",
    );
  }
  if (series.shape.length === 1) {
    const numbers = Int32Array.from(toFloat64(hdf5.dataset(`${path}/data`).read()));
    const pictures = indexedPictures(file, path, refuse);
    const wrong = numbers.findIndex((number) => !(number >= 0 && number < pictures.shape[0]!));
    if (wrong !== -1) {
      throw refuse(`sample ${wrong} shows picture ${numbers[wrong]}, there are 0 to ${pictures.shape[0]! - 1}`);
    }
    return { pictures, shown: numbers };
  }
  if (series.shape.length !== 3 && series.shape.length !== 4) {
    throw refuse(`its data have shape [${series.shape.join(", ")}], expected frames of pictures (it is a ${type})`);
  }
  const pictures = grey(hdf5.dataset(`${path}/data`), refuse);
  return { pictures, shown: Int32Array.from({ length: series.shape[0]! }, (_, frame) => frame) };
}

type Refuse = (what: string, hint?: string) => UserError;

function indexedPictures(file: NwbFile, path: string, refuse: Refuse): LazyArray {
  const { hdf5 } = file;
  if (hdf5.has(`${path}/indexed_timeseries/data`)) return grey(hdf5.dataset(`${path}/indexed_timeseries/data`), refuse);
  const images = `${path}/indexed_images`;
  if (!hdf5.has(images)) throw refuse("it names neither indexed_images nor indexed_timeseries");
  if (!hdf5.has(`${images}/order_of_images`)) {
    throw refuse("its images have no order_of_images, so nobody can tell which one a number means");
  }
  const paths = hdf5.references(`${images}/order_of_images`);
  const parts = paths.map((image) => {
    const array = hdf5.dataset(image).read();
    return grey(memoryColumn({ ...array, shape: [1, ...array.shape] }), refuse).read();
  });
  const [first] = parts;
  if (first === undefined) throw refuse("its images are empty");
  const other = parts.findIndex(({ shape, dtype }) => shape.join() !== first.shape.join() || dtype !== first.dtype);
  if (other !== -1) {
    const [a, b] = [first, parts[other]!].map(({ shape, dtype }) => `${dtype} ${shape.slice(1).join(" x ")}`);
    throw refuse(`its images differ: "${paths[0]}" is ${a}, "${paths[other]}" is ${b}`);
  }
  const all = zerosArray(first.dtype, [parts.length, ...first.shape.slice(1)]);
  for (const [i, { data }] of parts.entries()) (all.data as Uint8Array).set(data as Uint8Array, i * data.length);
  return memoryColumn(all);
}

/** Pictures without colour: those with a last axis of 3 or 4 channels by their luma (ITU-R BT.601); a single one is dropped. */
function grey(array: LazyArray, refuse: Refuse): LazyArray {
  const channels = array.shape[3];
  if (channels === undefined) return array;
  if (channels === 1 || channels === 3 || channels === 4) return new GreyPictures(array, refuse);
  throw refuse(`its pictures have ${channels} channels, expected 1, 3 (red, green, blue) or 4 (with opacity)`);
}

class GreyPictures implements LazyArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #array: LazyArray;
  readonly #refuse: Refuse;

  constructor(array: LazyArray, refuse: Refuse) {
    this.#array = array;
    this.#refuse = refuse;
    this.dtype = array.dtype === "uint8" ? "uint8" : "float32";
    this.shape = array.shape.slice(0, 3);
  }

  read(): NdArray {
    return this.readRows(0, this.shape[0]!);
  }

  readRows(start: number, end: number): NdArray {
    const out = zerosArray(this.dtype, [end - start, ...this.shape.slice(1)]);
    const pixels = rowLength(this.shape);
    for (let picture = start; picture < end; picture++) {
      const at = (picture - start) * pixels;
      this.#convert(picture, (out.data as Uint8Array | Float32Array).subarray(at, at + pixels));
    }
    return out;
  }

  #convert(picture: number, out: Uint8Array | Float32Array): void {
    const stored = this.#array.readRows(picture, picture + 1);
    const values = stored.dtype === "uint8" ? (stored.data as Uint8Array) : toFloat64(stored);
    const channels = this.#array.shape[3]!;
    const opaque = this.dtype === "uint8" ? 255 : 1;
    const round = this.dtype === "uint8" ? Math.round : (x: number) => x;
    for (let i = 0, at = 0; i < out.length; i++, at += channels) {
      if (channels === 4 && values[at + 3]! < opaque) {
        throw this.#refuse(
          `picture ${picture} is transparent in places, and what shows through is unknown`,
          "Store pictures as they were on the screen, without opacity.",
        );
      }
      const luma = 0.299 * values[at]! + 0.587 * values[at + 1]! + 0.114 * values[at + 2]!;
      out[i] = round(channels === 1 ? values[at]! : luma);
    }
  }
}

/** Rows of an array in another order, with repetitions: what was on the screen in every frame. */
export class ShownPictures implements LazyArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #pictures: LazyArray;
  readonly #shown: Int32Array;

  /** @param shown row of `pictures` for every frame, [frames] */
  constructor(pictures: LazyArray, shown: Int32Array) {
    this.#pictures = pictures;
    this.#shown = shown;
    this.dtype = pictures.dtype;
    this.shape = [shown.length, ...pictures.shape.slice(1)];
  }

  read(): NdArray {
    return this.readRows(0, this.shape[0]!);
  }

  readRows(start: number, end: number): NdArray {
    const out = zerosArray(this.dtype, [end - start, ...this.shape.slice(1)]);
    const bytes = rowLength(this.shape) * bytesPerElement(this.dtype);
    const to = new Uint8Array(out.data.buffer, out.data.byteOffset, out.data.byteLength);
    const shown = this.#shown.subarray(start, end);
    for (let t = 0; t < shown.length; ) {
      // Pictures that follow one another in the file are read together.
      const first = shown[t]!;
      let run = 1;
      while (t + run < shown.length && shown[t + run] === first + run) run++;
      const { data } = this.#pictures.readRows(first, first + run);
      to.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), t * bytes);
      t += run;
      while (t < shown.length && run === 1 && shown[t] === first) {
        to.copyWithin(t * bytes, (t - 1) * bytes, t * bytes);
        t++;
      }
    }
    return out;
  }
}
