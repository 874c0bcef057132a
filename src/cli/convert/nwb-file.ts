/**
 * @file An NWB 2.x file (Neurodata Without Borders, an HDF5 file of a fixed layout) as conversion needs it: units, stimulus
 * series, intervals and eye position.
 */
import { didYouMean, UserError } from "../../errors.ts";
import { toFloat64 } from "../../formats/array.ts";
import { type Hdf5File, openHdf5 } from "../../formats/hdf5.ts";
import type { LazyArray } from "../../formats/lazy.ts";

/** A series of measurements over time. */
export interface NwbSeries {
  /** Path in the file, as in `stimulus/presentation/movie`. */
  readonly path: string;
  /** Its type in NWB: ImageSeries, OpticalSeries, IndexSeries, SpatialSeries, … */
  readonly type: string;
  readonly shape: readonly number[];
  /** Samples per second where the file states them; null for a series with time stamps. */
  readonly rateHz: number | null;
}

/** A table of intervals, such as trials. */
export interface NwbIntervals {
  readonly path: string;
  readonly rows: number;
}

/** Sorted units. */
export interface NwbUnits {
  readonly ids: readonly number[];
  /** Spike times of every unit, seconds. */
  readonly times: readonly Float64Array[];
  /** Columns with one number or text per unit: quality, location, … */
  readonly columns: Readonly<Record<string, readonly (number | string)[]>>;
}

/** An open NWB file. */
export class NwbFile implements Disposable {
  readonly path: string;
  readonly hdf5: Hdf5File;
  readonly version: string;

  private constructor(path: string, hdf5: Hdf5File, version: string) {
    this.path = path;
    this.hdf5 = hdf5;
    this.version = version;
  }

  /** @throws UserError when it cannot be read or is no NWB file of version 2 */
  static async open(path: string): Promise<NwbFile> {
    const hdf5 = await openHdf5(path);
    const version = hdf5.attributes("/").nwb_version;
    if (typeof version === "string" && /^2\./.test(version)) return new NwbFile(path, hdf5, version);
    hdf5.close();
    const what = version === undefined ? "it states no nwb_version" : `its nwb_version is ${JSON.stringify(version)}`;
    throw new UserError(`Cannot read "${path}" as NWB: ${what}, expected 2.x`, {
      hint: "Other HDF5 files are converted with a mapping file: visioncore convert --help.",
    });
  }

  /** A text at the root, such as `identifier`; undefined when there is none. */
  text(name: string): string | undefined {
    return this.hdf5.has(name) ? this.hdf5.strings(name)[0] : undefined;
  }

  /** Everything that was shown. */
  stimuli(): NwbSeries[] {
    return this.#seriesIn("stimulus/presentation");
  }

  /** Series of eye position, wherever an EyeTracking container lies. */
  eyePositions(): NwbSeries[] {
    const containers = ["acquisition", ...this.#groups("processing")].flatMap((parent) =>
      this.#groups(parent).filter((path) => this.#type(path) === "EyeTracking"),
    );
    return containers.flatMap((path) => this.#seriesIn(path));
  }

  /** Tables of intervals with start and stop times. */
  intervals(): NwbIntervals[] {
    return this.#groups("intervals").flatMap((path) => {
      const start = `${path}/start_time`;
      return this.hdf5.has(start) ? [{ path, rows: this.hdf5.entry(start).shape?.[0] ?? 0 }] : [];
    });
  }

  /**
   * One series.
   *
   * @throws UserError when there is none, with those that there are
   */
  series(path: string, known: readonly NwbSeries[]): NwbSeries {
    const name = path.replace(/^\//, "");
    const found =
      known.find((series) => series.path === name) ?? (this.hdf5.has(name) ? this.#describe(name) : undefined);
    if (found !== undefined) return found;
    const near = didYouMean(
      name,
      known.map((series) => series.path),
    );
    throw new UserError(`"${this.path}" has no series "${name}"`, {
      hint: near === undefined ? `It has ${list(known)}.` : `Did you mean "${near}"?`,
    });
  }

  /**
   * When the samples of a series were taken, in seconds, [samples].
   *
   * @throws UserError when it has neither time stamps nor a rate
   */
  times({ path, shape }: NwbSeries): Float64Array {
    if (this.hdf5.has(`${path}/timestamps`)) return toFloat64(this.hdf5.dataset(`${path}/timestamps`).read());
    const start = `${path}/starting_time`;
    const rate = this.hdf5.has(start) ? Number(this.hdf5.attributes(start).rate) : Number.NaN;
    if (!(rate > 0)) {
      throw new UserError(`"${path}" of "${this.path}" has no times: neither timestamps nor starting_time with a rate`);
    }
    const [first] = toFloat64(this.hdf5.dataset(start).read());
    return Float64Array.from({ length: shape[0] ?? 0 }, (_, sample) => first! + sample / rate);
  }

  /** Values of a series; times `scale` plus `offset` they are in its unit, undefined where the file does not name it. */
  values({ path }: NwbSeries): { array: LazyArray; scale: number; offset: number; unit: string | undefined } {
    const { conversion = 1, offset = 0, unit } = this.hdf5.attributes(`${path}/data`);
    return {
      array: this.hdf5.dataset(`${path}/data`),
      scale: Number(conversion),
      offset: Number(offset),
      unit: typeof unit === "string" ? unit : undefined,
    };
  }

  /**
   * Start and stop of every row of a table of intervals, seconds.
   *
   * @throws UserError when it has none
   */
  rows(path: string): { start: Float64Array; stop: Float64Array } {
    const column = (name: string) => toFloat64(this.hdf5.dataset(`${path}/${name}`).read());
    return { start: column("start_time"), stop: column("stop_time") };
  }

  /**
   * The table of sorted units.
   *
   * @throws UserError when there is none, or it has no spike times
   */
  units(path = "units"): NwbUnits {
    const { hdf5 } = this;
    if (!hdf5.has(path)) {
      throw new UserError(`"${this.path}" has no units: there is no table "${path}"`, {
        hint: "Spikes must be sorted before they can be predicted; a file of raw recordings is not enough.",
      });
    }
    if (!hdf5.has(`${path}/spike_times`) || !hdf5.has(`${path}/spike_times_index`)) {
      throw new UserError(`The units of "${this.path}" have no spike times`, {
        hint: "Expected the columns spike_times and spike_times_index.",
      });
    }
    const ids = Array.from(toFloat64(hdf5.dataset(`${path}/id`).read()));
    const stored = hdf5.dataset(`${path}/spike_times`).read();
    const all = stored.data instanceof Float64Array ? stored.data : toFloat64(stored);
    const ends = toFloat64(hdf5.dataset(`${path}/spike_times_index`).read());
    const isIndex = ends.every((end, i) => end >= (ends[i - 1] ?? 0)) && (ends.at(-1) ?? 0) === all.length;
    if (ends.length !== ids.length || !isIndex) {
      throw new UserError(
        `The units of "${this.path}" are damaged: ${ids.length} ids, ${all.length} spikes, and an index of ` +
          `${ends.length} ends up to ${ends.at(-1) ?? 0}`,
      );
    }
    const times = Array.from(ends, (end, unit) => all.subarray(unit === 0 ? 0 : ends[unit - 1]!, end));
    return { ids, times, columns: this.#unitColumns(path, ids.length) };
  }

  #unitColumns(path: string, units: number): Record<string, (number | string)[]> {
    const entries = this.hdf5.list(path).filter(({ name, kind, shape }) => {
      return (
        kind === "dataset" &&
        shape?.length === 1 &&
        shape[0] === units &&
        name !== "id" &&
        !/spike_times|_index$/.test(name)
      );
    });
    return Object.fromEntries(
      entries.flatMap(({ name, dtype }): [string, (number | string)[]][] => {
        const column = `${path}/${name}`;
        if (dtype === "string") return [[name, this.hdf5.strings(column)]];
        // Columns of references and compound values stay behind.
        if (dtype === null || !/^(float|u?int|bool)/.test(dtype)) return [];
        return [[name, Array.from(toFloat64(this.hdf5.dataset(column).read()))]];
      }),
    );
  }

  close(): void {
    this.hdf5.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #groups(path: string): string[] {
    if (!this.hdf5.has(path)) return [];
    return this.hdf5.list(path).flatMap(({ name, kind }) => (kind === "group" ? [`${path}/${name}`] : []));
  }

  #seriesIn(path: string): NwbSeries[] {
    return this.#groups(path)
      .filter((group) => this.hdf5.has(`${group}/data`))
      .map((group) => this.#describe(group));
  }

  #describe(path: string): NwbSeries {
    const shape = this.hdf5.has(`${path}/data`) ? (this.hdf5.entry(`${path}/data`).shape ?? []) : [];
    const start = `${path}/starting_time`;
    const rate = this.hdf5.has(start) ? Number(this.hdf5.attributes(start).rate) : Number.NaN;
    return { path, type: this.#type(path), shape, rateHz: rate > 0 ? rate : null };
  }

  #type(path: string): string {
    const type = this.hdf5.attributes(path).neurodata_type;
    return typeof type === "string" ? type : "unknown";
  }
}

function list(series: readonly NwbSeries[]): string {
  return series.length === 0 ? "none" : series.map(({ path }) => path).join(", ");
}
