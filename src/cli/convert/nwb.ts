/**
 * @file NWB files → recordings of our own format: spike times counted in the frames of a stimulus series, gaze where it was
 * tracked, and the configuration to train on it.
 */
import { basename } from "node:path";
import { memoryColumn } from "../../data/column.ts";
import { fileDigest } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { countSpikes } from "./count-spikes.ts";
import type { SampleSettings } from "./dataset-files.ts";
import { clockFromTimes, type FrameClock, firstFrameFrom } from "./frame-clock.ts";
import { NwbFile, type NwbIntervals, type NwbSeries } from "./nwb-file.ts";
import { ShownPictures, seriesPictures } from "./nwb-frames.ts";
import { gazeColumns } from "./nwb-gaze.ts";
import { type FrameCrop, readStimulus } from "./stimulus.ts";
import { frameColumn, writeSession } from "./write-session.ts";

/** What {@link convertNwb} converts, and how. */
export interface ConvertNwbOptions {
  readonly file: string;
  /** Name of the session, `<subject>_<date>`, and of the stimulus type. */
  readonly session: string;
  readonly type: string;
  /** Folder to write to; made if missing. */
  readonly out: string;
  /** Series that was shown; needed when there are several. */
  readonly stimulus?: string | undefined;
  /** Series of eye position; needed when there are several, `none` for none. */
  readonly eye?: string | undefined;
  /** Table of trials; `intervals/trials` where it exists. */
  readonly trials?: string | undefined;
  /** Cut into trials of this many frames instead. */
  readonly trialLength?: number | undefined;
  /** Frames per second to make, from what was on the screen; those of the series when absent. */
  readonly rateHz?: number | undefined;
  /** Order of the axes of the pictures where it is another than frames, height, width. */
  readonly stimAxes?: string | undefined;
  /** Part of every frame to keep; all of it when absent. */
  readonly crop?: FrameCrop | undefined;
  /** Size to average frames down to, in pixels. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
  /** Ids of the units to train on; all when absent. All are stored. */
  readonly cids?: readonly number[] | undefined;
  /** A parent dataset file to write; lags are 0.2 s when absent. */
  readonly dataset?:
    | ({ readonly path: string; readonly lags?: number | undefined } & Pick<
        SampleSettings,
        "splitBy" | "trainFraction"
      >)
    | undefined;
  /** Replace other files of the same names. */
  readonly overwrite?: boolean | undefined;
}

/** What {@link convertNwb} wrote. */
export interface ConvertedNwb {
  readonly sessionFile: string;
  readonly stimulus: string;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  readonly units: number;
  readonly trials: number;
  readonly rateHz: number;
  readonly hasGaze: boolean;
  readonly warnings: readonly string[];
}

/** What an NWB file holds, as far as conversion is concerned. */
export interface NwbContents {
  readonly units: number | null;
  readonly stimuli: readonly NwbSeries[];
  readonly eyePositions: readonly NwbSeries[];
  readonly intervals: readonly NwbIntervals[];
}

/** Lists what can be converted. Throws a UserError when it is no NWB file. */
export async function listNwb(path: string): Promise<NwbContents> {
  using file = await NwbFile.open(path);
  const { hdf5 } = file;
  const units = hdf5.has("units/id") ? (hdf5.entry("units/id").shape?.[0] ?? 0) : null;
  return { units, stimuli: file.stimuli(), eyePositions: file.eyePositions(), intervals: file.intervals() };
}

/**
 * Writes `<out>/<session>/<type>.safetensors` and `.json`, `<out>/sessions/<session>.yaml` and, if asked for, a parent dataset
 * file. The recording is read back and compared by hash.
 *
 * @throws UserError when the file is no NWB file, lacks units, times or pictures, leaves a choice open, or files are there
 *   already
 */
export async function convertNwb(options: ConvertNwbOptions): Promise<ConvertedNwb> {
  using file = await NwbFile.open(options.file);
  const units = file.units();
  const cids = options.cids ?? units.ids;
  const unknown = cids.filter((id) => !units.ids.includes(id));
  if (unknown.length > 0) {
    throw new UserError(
      `"${options.file}" has no unit ${unknown.join(", ")}: its ${units.ids.length} units are ${units.ids.join(", ")}`,
    );
  }
  const series = chooseStimulus(file, options.stimulus);
  const { pictures, shown } = seriesPictures(file, series);
  const label = `"${series.path}" of "${options.file}"`;
  const times = file.times(series);
  if (times.length !== shown.length) {
    throw new UserError(`Cannot use ${label}: it has ${shown.length} frames and ${times.length} times`);
  }
  const screen = clockFromTimes(times, { at: "start", rateHz: undefined, label: `the times of ${label}` });
  const bins = binFrames(file, screen, options);
  const { clock, picture, trials } = bins;
  const stimulus = readStimulus(
    {
      array: new ShownPictures(
        pictures,
        picture.map((sample) => shown[sample]!),
      ),
      label,
    },
    {
      axes: options.stimAxes,
      axesOption: "--stim-axes",
      crop: options.crop,
      height: options.height,
      width: options.width,
    },
  );
  const counts = countSpikes(
    {
      times: units.times,
      label: `the units of "${options.file}"`,
      clockHint: "Spike times must be seconds on the clock of the stimulus; see --list, and choose another --stimulus.",
    },
    clock,
  );
  const gaze = gazeColumns(file, clock, options.eye);

  const [frames, height, width] = stimulus.column.shape as [number, number, number];
  const sessionFile = writeSession({
    dataDir: options.out,
    session: options.session,
    type: options.type,
    cids,
    valTrials: undefined,
    trials,
    columns: [
      ["t_bins", frameColumn(clock.centres)],
      ["trial_inds", frameColumn(trials)],
      ["stim", stimulus.column],
      ["robs", memoryColumn(counts.array)],
      ...gaze.columns,
    ],
    metadata: {
      cluster_ids: units.ids,
      units: units.columns,
      nwb: {
        version: file.version,
        identifier: file.text("identifier") ?? null,
        session_description: file.text("session_description") ?? null,
        stimulus: series.path,
        crop: options.crop ?? null,
        eye: gaze.path,
        eye_unit: gaze.unit,
      },
      sources: { nwb: { file: basename(options.file), sha256: fileDigest(options.file) } },
    },
    rateHz: clock.rateHz,
    dataset: options.dataset && {
      ...options.dataset,
      lags: options.dataset.lags ?? Math.max(1, Math.round(0.2 * clock.rateHz)),
      isStill: false,
    },
    replaces: options.overwrite ?? false,
  });
  return {
    sessionFile,
    stimulus: series.path,
    frames,
    height,
    width,
    units: units.ids.length,
    trials: new Set(trials).size,
    rateHz: clock.rateHz,
    hasGaze: gaze.path !== null,
    warnings: [
      ...bins.warnings,
      ...stimulus.warnings,
      ...counts.warnings,
      ...gaze.warnings,
      ...(file.hdf5.has("units/obs_intervals")
        ? ["units were not observed all the time (obs_intervals): frames in which one was not count as silent for it"]
        : []),
    ],
  };
}

function chooseStimulus(file: NwbFile, wanted: string | undefined): NwbSeries {
  const stimuli = file.stimuli();
  if (wanted !== undefined) return file.series(wanted, stimuli);
  if (stimuli.length === 1) return stimuli[0]!;
  const found = stimuli.length === 0 ? "no stimulus series" : `${stimuli.length} stimulus series`;
  throw new UserError(`"${file.path}" has ${found} in stimulus/presentation`, {
    hint:
      stimuli.length === 0
        ? "Name the series that was shown with --stimulus, if it lies elsewhere."
        : `Choose one with --stimulus: ${stimuli.map(({ path }) => path).join(", ")}.`,
  });
}

interface BinnedFrames {
  clock: FrameClock;
  /** Which sample of the series every frame shows. */
  picture: Int32Array;
  trials: BigInt64Array;
  warnings: string[];
}

/** Frames of the recording: those of the series or, at a rate of its own, what was on the screen in the middle of each. */
function binFrames(file: NwbFile, screen: FrameClock, options: ConvertNwbOptions): BinnedFrames {
  // A rate taken from times has their rounding in its last digits.
  const { rateHz = Number(screen.rateHz.toPrecision(7)), trialLength } = options;
  const windows = trialLength === undefined ? trialWindows(file, options.trials) : undefined;
  const starts: number[] = [];
  const ends: number[] = [];
  const picture: number[] = [];
  const trials: bigint[] = [];
  const keep = (start: number, end: number, sample: number, trial: bigint): void => {
    starts.push(start);
    ends.push(end);
    picture.push(sample);
    trials.push(trial);
  };
  const whole = { start: screen.starts[0]!, stop: screen.ends.at(-1)!, trial: 0n };
  let outside = screen.centres.length;
  let sample = -1;
  for (const { start, stop, trial } of windows ?? [whole]) {
    const [first, end] = [firstFrameFrom(screen, start), firstFrameFrom(screen, stop)];
    outside -= end - first;
    if (options.rateHz === undefined) {
      for (let frame = first; frame < end; frame++) keep(screen.starts[frame]!, screen.ends[frame]!, frame, trial);
      continue;
    }
    const bins = Math.floor((stop - start) * rateHz + 1e-6);
    for (let bin = 0; bin < bins; bin++) {
      const centre = start + (bin + 0.5) / rateHz;
      while (sample + 1 < screen.starts.length && screen.starts[sample + 1]! <= centre) sample++;
      // Before the first picture and after the last one nothing is known to be on the screen.
      if (sample < 0 || centre >= screen.ends.at(-1)!) continue;
      keep(start + bin / rateHz, start + (bin + 1) / rateHz, sample, trial);
    }
  }
  if (starts.length === 0) {
    throw new UserError(`No frame of the stimulus lies in a trial: frames are at ${whole.start} to ${whole.stop} s`, {
      hint: "Another table may hold the trials: see --trials, and --list for the tables there are.",
    });
  }
  const centres = Float64Array.from(starts, (start, i) => (start + ends[i]!) / 2);
  const clock = { centres, starts: Float64Array.from(starts), ends: Float64Array.from(ends), rateHz };
  const numbers =
    trialLength === undefined
      ? BigInt64Array.from(trials)
      : BigInt64Array.from({ length: starts.length }, (_, frame) => BigInt(Math.floor(frame / trialLength)));
  const pauses = clock.starts.filter((start, i) => {
    return i > 0 && numbers[i] === numbers[i - 1] && start - clock.ends[i - 1]! > 1e-3 / rateHz;
  });
  const warnings = [
    ...(outside > 0
      ? [`${outside} of ${screen.centres.length} frames of the stimulus lie outside the trials and are left out`]
      : []),
    ...(pauses.length > 0
      ? [
          `frames pause ${pauses.length} times inside trials, first before ${pauses[0]} s: lags reach across as if they did ` +
            "not. Make frames without pauses with --rate-hz, or name trials without.",
        ]
      : []),
  ];
  return { clock, picture: Int32Array.from(picture), trials: numbers, warnings };
}

function trialWindows(file: NwbFile, wanted: string | undefined): { start: number; stop: number; trial: bigint }[] {
  const tables = file.intervals();
  const path = (wanted ?? "intervals/trials").replace(/^\//, "");
  if (!tables.some((table) => table.path === path)) {
    const known = tables.map((table) => table.path).join(", ") || "none";
    throw new UserError(`"${file.path}" has no table of trials "${path}"`, {
      hint: `Tables of intervals: ${known}. Choose one with --trials, or cut into pieces with --trial-length.`,
    });
  }
  const { start, stop } = file.rows(path);
  const rows = Array.from(start, (from, row) => ({ start: from, stop: stop[row]!, trial: BigInt(row) }));
  const bad = rows.find((row) => !(row.stop > row.start));
  if (bad !== undefined) {
    throw new UserError(`Trial ${bad.trial} of "${path}" in "${file.path}" runs from ${bad.start} to ${bad.stop} s`);
  }
  const sorted = rows.toSorted((a, b) => a.start - b.start);
  const overlap = sorted.findIndex((row, i) => i > 0 && row.start < sorted[i - 1]!.stop);
  if (overlap !== -1) {
    const [a, b] = [sorted[overlap - 1]!, sorted[overlap]!];
    throw new UserError(
      `Trials ${a.trial} and ${b.trial} of "${path}" in "${file.path}" overlap: until ${a.stop} s, from ${b.start} s`,
      { hint: "A frame belongs to one trial: choose another table with --trials." },
    );
  }
  return sorted;
}
