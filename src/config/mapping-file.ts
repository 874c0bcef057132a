/**
 * @file The mapping file of `visioncore convert mapped`: which arrays of whose files become which covariates of a
 * recording (data specification, section 4.2).
 */
import { z } from "zod";
import { problem } from "./checks.ts";
import { count, fraction, positive, positiveCount } from "./shapes.ts";
import type { ConfigSource } from "./source.ts";
import { validate } from "./validate.ts";
import { readYaml } from "./yaml.ts";

const fileName = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}._+-]*$/u, "a file name: letters, digits, and . _ + - after the first one");

const letters = z.string().regex(/^[a-z]+$/, "lower-case letters, one for each axis");

const fromShape = {
  from: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Name of the array: exp.trial{3}.stim in MATLAB files, group/name in HDF5 files. Absent: the only array of a .npy file.",
    ),
  file: z
    .string()
    .min(1)
    .optional()
    .describe("File (or folder of .npy files) that holds it, relative to the mapping file. Absent: the file above."),
};

const scaleShape = {
  scale: z.number().optional().describe("Multiplies every element. Absent: 1."),
  offset: z.number().optional().describe("Is added after scaling. Absent: 0."),
};

const perSecond = positive
  .default(1)
  .describe("How many units of the file's times make a second: 1000 for milliseconds, 30000 for samples at 30 kHz.");

const offsetSeconds = z
  .number()
  .default(0)
  .describe("Added to the times, in seconds, to bring them onto the clock of the frames.");

const StimSchema = z.strictObject({
  ...fromShape,
  axes: letters.optional().describe("Axes of the array in its order: t (frames), h, w, as in hwt. Absent: thw."),
  height: positiveCount.optional().describe("Average frames down to this many rows."),
  width: positiveCount.optional().describe("Average frames down to this many columns."),
  ...scaleShape,
  dtype: z
    .enum(["uint8", "float32"])
    .optional()
    .describe("uint8 for grey levels 0 to 255, float32 for values of about -1 to 1. Absent: uint8 if the array is."),
});

const RobsSchema = z.strictObject({
  ...fromShape,
  axes: letters.optional().describe("Axes of the array in its order: t (frames), n (units), as in nt. Absent: tn."),
});

const TimesSchema = z.strictObject({
  ...fromShape,
  per_second: perSecond,
  offset_seconds: offsetSeconds,
  at: z
    .enum(["centre", "start"])
    .default("centre")
    .describe("What the times are: the middle of each frame, or its start (as of display flips)."),
});

const TrialIndsSchema = z.strictObject(fromShape);

const ColumnSchema = z.strictObject({
  ...fromShape,
  axes: letters
    .optional()
    .describe("Axes of the array in its order, t for frames and any letters for others: ct. Absent: frames first."),
  ...scaleShape,
  dtype: z.enum(["uint8", "int64", "float32", "float64"]).optional().describe("Element type to store."),
});

const KeysSchema = z
  .object({
    stim: StimSchema.describe("Stimulus frames, [frames, height, width]."),
    robs: RobsSchema.optional().describe("Spike counts per frame, [frames, units]; or use spikes."),
    t_bins: TimesSchema.optional().describe("Time of every frame. Absent: frames follow one another from 0 s on."),
    trial_inds: TrialIndsSchema.optional().describe("Number of the trial that every frame belongs to."),
    dpi_valid: ColumnSchema.optional().describe("1 where the eye tracker was valid, else 0. Absent: valid everywhere."),
    eyepos: ColumnSchema.optional().describe("Eye position in degrees, [frames, 2]: right, up."),
    dpi_pix: ColumnSchema.optional().describe("Gaze in screen pixels, [frames, 2]: row, column."),
    roi: ColumnSchema.optional().describe(
      "Crop of the screen, [frames, 2, 2]: first and last row, first and last column.",
    ),
    psth_inds: ColumnSchema.optional().describe("Frame within a repeat, [frames]."),
    sf: ColumnSchema.optional().describe("Spatial frequency of the grating, [frames]."),
    ori: ColumnSchema.optional().describe("Orientation of the grating, [frames]."),
    stim_phase: ColumnSchema.optional().describe("Phase image of the grating, [frames, height, width]."),
  })
  .catchall(ColumnSchema);

const SpikesSchema = z.strictObject({
  from: z
    .string()
    .min(1)
    .describe(
      "Spike times: a cell array (or field of a struct array, struct, HDF5 group) with a vector for each unit, or one vector for all units together with unit_ids.",
    ),
  file: fromShape.file,
  unit_ids: z
    .string()
    .min(1)
    .optional()
    .describe("Name of the array with the unit of each spike; columns are the units in ascending order."),
  per_second: perSecond,
  offset_seconds: offsetSeconds,
});

const TrialStartsSchema = z.strictObject({
  ...fromShape,
  in: z
    .enum(["seconds", "frames_from_0", "frames_from_1"])
    .describe("seconds on the clock of the frames, or the number of each trial's first frame, counted from 0 or 1."),
  per_second: perSecond,
  offset_seconds: offsetSeconds,
});

const DatasetSchema = z.strictObject({
  lags: positiveCount.optional().describe("Stimulus frames a sample reaches back. Absent: 0.2 s; still images 1."),
  split_by: z
    .enum(["time", "trial"])
    .optional()
    .describe(
      "Train on the first trials and validate on the last, or draw at random. Absent: time; still images trial.",
    ),
  train_fraction: fraction.default(0.8).describe("Share of the trials that train."),
});

const TRIALS = ["trial_length", "trial_starts", "trial_per_frame"] as const;

/** What a mapping file may hold. */
export const MappingFileSchema = z
  .strictObject({
    session: fileName.describe("Name of the session, subject and date: Mo_2024-05-01."),
    type: fileName.describe("Name of the stimulus type."),
    rate_hz: positive.optional().describe("Frames per second. Absent: dt, or the times in keys.t_bins, say it."),
    dt: positive.optional().describe("Duration of a frame in seconds, instead of rate_hz."),
    file: z
      .string()
      .min(1)
      .optional()
      .describe("File (or folder of .npy files) with the arrays that name no file of their own."),
    keys: KeysSchema.describe("Covariates of the recording; further names of your own are kept."),
    spikes: SpikesSchema.optional().describe("Spike times to count in frames, instead of keys.robs."),
    trial_length: positiveCount.optional().describe("Cut the recording into trials of this many frames."),
    trial_starts: TrialStartsSchema.optional().describe(
      "Trials by where they start; each one ends where the next starts.",
    ),
    trial_per_frame: z.literal(true).optional().describe("Every frame is a trial of its own: still images."),
    cids: z
      .array(count)
      .min(1)
      .optional()
      .describe("Units to train on: columns from 0, or ids where spikes.unit_ids is set. Absent: all."),
    val_trials: z.array(z.number()).min(1).optional().describe("Numbers of the trials that validate."),
    dataset: DatasetSchema.default({ train_fraction: 0.8 }).describe("How the dataset file that is written uses them."),
    metadata: z
      .record(z.string(), z.unknown())
      .default({})
      .describe("Anything to keep with the recording, such as ppd (pixels per degree)."),
  })
  .check(({ value, issues }) => {
    const { keys, spikes, rate_hz, dt } = value;
    if ((keys.robs === undefined) === (spikes === undefined)) {
      const message = spikes === undefined ? "expected spikes, or robs in keys" : "spikes replaces robs: remove one";
      issues.push(problem(value, spikes === undefined ? ["keys"] : ["spikes"], message));
    }
    if (rate_hz !== undefined && dt !== undefined)
      issues.push(problem(value, ["dt"], "dt replaces rate_hz: remove one"));
    if (rate_hz === undefined && dt === undefined && keys.t_bins === undefined) {
      issues.push(problem(value, [], "expected rate_hz, dt, or t_bins in keys"));
    }
    const ways = [...TRIALS.filter((key) => value[key] !== undefined), ...(keys.trial_inds ? ["keys.trial_inds"] : [])];
    if (ways.length === 1) return;
    const known = `${TRIALS.join(", ")} or keys.trial_inds`;
    const message = ways.length === 0 ? "says not what a trial is" : `says it with ${ways.join(" and ")}`;
    issues.push(problem(value, [], `${message}: expected one of ${known}`));
  });

/** A mapping file with its defaults filled in. */
export type MappingFile = z.infer<typeof MappingFileSchema>;
/** Where an array is. */
export type MappedArray = Pick<z.infer<typeof ColumnSchema>, "from" | "file">;
/** A covariate without rules of its own. */
export type MappedColumn = z.infer<typeof ColumnSchema>;
/** Spike times. */
export type MappedSpikes = z.infer<typeof SpikesSchema>;
/** Times of frames. */
export type MappedTimes = z.infer<typeof TimesSchema>;
/** Starts of trials. */
export type MappedTrialStarts = z.infer<typeof TrialStartsSchema>;

/** Covariates with a place in the schema; others may be added. */
export const KNOWN_KEYS: readonly string[] = Object.keys(KeysSchema.def.shape);

/** A mapping file, checked, with the place of everything in it. */
export interface LoadedMapping {
  readonly mapping: MappingFile;
  readonly path: string;
  readonly source: ConfigSource;
}

/**
 * Loads a mapping file.
 *
 * @throws MissingFileError when there is none; ConfigError with every problem, each with line and column
 */
export function loadMapping(path: string): LoadedMapping {
  const source = readYaml(path, "mapping file");
  const mapping = validate(MappingFileSchema, source.value, source);
  return { mapping, path, source };
}
