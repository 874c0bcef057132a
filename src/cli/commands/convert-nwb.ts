/**
 * @file `visioncore convert nwb`: NWB files into our own format.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { describeCommand } from "../command.ts";
import type { FrameCrop } from "../convert/stimulus.ts";
import { formatTable, note, print } from "../terminal.ts";
import { numberBetween, positiveNumber, wholeNumber, wholeNumbers } from "../values.ts";

interface NwbFlags {
  list?: boolean;
  session?: string;
  type?: string;
  out: string;
  stimulus?: string;
  eye?: string;
  trials?: string;
  trialLength?: number;
  rateHz?: number;
  stimAxes?: string;
  crop?: FrameCrop;
  height?: number;
  width?: number;
  cids?: number[];
  datasetConfig?: string;
  lags?: number;
  splitBy: "trial" | "time";
  trainFraction: number;
  overwrite?: boolean;
}

/** The `convert nwb` command. */
export function nwbCommand(): Command {
  return describeCommand(
    "convert nwb",
    "Convert an NWB file: spikes of sorted units counted in the frames of a stimulus series, with gaze and trials.",
    [
      "convert nwb sub-Mo_ses-1.nwb --list",
      "convert nwb sub-Mo_ses-1.nwb --session Mo_2024-05-01 --type movie --dataset-config data/mo.yaml",
      "convert nwb sub-Mo_ses-1.nwb --session Mo_2024-05-01 --type images \\\n--stimulus stimulus/presentation/images --rate-hz 120 --trials intervals/trials",
    ],
  )
    .argument("<file>", "NWB file (version 2)")
    .option("--list", "show units, series and tables of the file, and stop")
    .option("--session <name>", "name of the session, <subject>_<date>")
    .option("--type <name>", "name of the stimulus type")
    .option("--out <dir>", "folder to write to; made if missing", "data")
    .option("--stimulus <path>", "series that was shown (default: the only one in stimulus/presentation)")
    .option("--eye <path>", "series of eye position, or none (default: the only one in an EyeTracking container)")
    .addOption(new Option("--trials <path>", "table of trials (default: intervals/trials)").conflicts("trialLength"))
    .option("--trial-length <frames>", "cut into trials of this many frames instead", wholeNumber(1))
    .option("--rate-hz <hz>", "frames per second to make (default: the frames of the series)", positiveNumber)
    .option("--stim-axes <letters>", "order of the pictures' axes, of t (frames), h, w (default: thw)")
    .option(
      "--crop <rows,columns>",
      "part of every frame to keep, counted from 0: 10:60,20:70 (default: all)",
      frameCrop,
    )
    .option("--height <pixels>", "average frames down to this height (default: keep)", wholeNumber(1))
    .option("--width <pixels>", "average frames down to this width (default: keep)", wholeNumber(1))
    .option("--cids <list>", "ids of the units to train on: 0,2,5-9 (default: all)", wholeNumbers)
    .option("--dataset-config <file>", "write the dataset file to train with, or add the session to it")
    .option("--lags <frames>", "in it: stimulus frames a sample reaches back (default: 0.2 s)", wholeNumber(1))
    .addOption(
      new Option("--split-by <way>", "in it: divide trials at random or by time")
        .choices(["trial", "time"])
        .default("trial"),
    )
    .option("--train-fraction <share>", "in it: share of the trials that train, 0 to 1", numberBetween(0, 1), 0.8)
    .option("--overwrite", "replace other files of the same names")
    .action(async (file: string, flags: NwbFlags, command: Command) => {
      const nwb = await import("../convert/nwb.ts");
      if (flags.list) {
        print(formatContents(await nwb.listNwb(file)));
        return;
      }
      const { session, type, datasetConfig, lags, splitBy, trainFraction } = flags;
      if (session === undefined || type === undefined) {
        command.error("error: name what is made: --session <subject>_<date> and --type <name> (or look first: --list)");
      }
      const dataset = datasetConfig === undefined ? undefined : { path: datasetConfig, lags, splitBy, trainFraction };
      const done = await nwb.convertNwb({ ...flags, file, session, type, dataset });
      for (const warning of done.warnings) note(`warning: ${warning}`);
      print(
        `${session}/${type} from ${done.stimulus}: ${done.frames} frames of ${done.height} x ${done.width} pixels at ` +
          `${Number(done.rateHz.toPrecision(5))} Hz, ${done.units} units, ${done.trials} trials, ` +
          `${done.hasGaze ? "with" : "without"} gaze; read back and compared`,
      );
      print(done.sessionFile);
      if (datasetConfig !== undefined) print(datasetConfig);
    });
}

/** `10:60,20:70`: rows, then columns, without the second number of each. */
function frameCrop(text: string): FrameCrop {
  const [, ...limits] = /^(\d+):(\d+),(\d+):(\d+)$/.exec(text) ?? [];
  const [top, bottom, left, right] = limits.map(Number);
  if (!(bottom! > top! && right! > left!)) {
    throw new InvalidArgumentError("Expected rows and columns such as 10:60,20:70.");
  }
  return { rows: [top!, bottom!], columns: [left!, right!] };
}

function formatContents({ units, stimuli, eyePositions, intervals }: import("../convert/nwb.ts").NwbContents): string {
  const series = [...stimuli.map((s) => ["stimulus", s] as const), ...eyePositions.map((s) => ["eye", s] as const)];
  const rows = series.map(([use, { path, type, shape, rateHz }]) => [
    use,
    path,
    type,
    `[${shape.join(", ")}]`,
    rateHz === null ? "time stamps" : `${rateHz} Hz`,
  ]);
  const tables = intervals.map(({ path, rows: count }) => ["intervals", path, "TimeIntervals", `[${count}]`, ""]);
  return [
    units === null ? "no units" : `${units} units`,
    formatTable(["for", "path", "type", "shape", "times"], [...rows, ...tables], 5),
  ].join("\n");
}
