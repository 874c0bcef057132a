/**
 * @file Golden saccades: found in an eye trace, filtered, and responses around them (evaluation specification, section 9).
 */
import { Recording } from "../data/recording.ts";
import { detectSaccades } from "../eval/saccades/detect.ts";
import { pixelsToDegrees } from "../eval/saccades/eye-speed.ts";
import { keptSaccades } from "../eval/saccades/filter.ts";
import type { Saccade } from "../eval/saccades/saccade.ts";
import { eventFrames } from "../eval/saccades/times.ts";
import {
  cutWindows,
  type TriggeredAverages,
  type TriggeredInputs,
  triggeredAverages,
  type Window,
} from "../eval/saccades/triggered.ts";
import { toFloat64 } from "../formats/array.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

interface Sidecar<Options, Data> {
  options: Options;
  tensors: Record<string, { atol?: number; rtol?: number }>;
  data: Data;
}

/** `saccade_triggered`, `saccade_filter`, `saccade_detection`. */
export function verifySaccades(folder: string): CaseResult[] {
  return [
    ...compareTriggered(folder),
    runCase("saccade_filter", (compare) => compareFilter(folder, compare)),
    runCase("saccade_detection", (compare) => compareDetection(folder, compare)),
  ];
}

interface TriggeredCase {
  stim: string;
  win: Window;
  n: number;
  saccade_info_index_reference: number[];
  time_previous: (number | "NaN")[];
  time_next: (number | "NaN")[];
}

type TriggeredGolden = Sidecar<{ stimuli: string[] }, { saccades: Saccade[]; per_case: Record<string, TriggeredCase> }>;

function compareTriggered(folder: string): CaseResult[] {
  const golden = readGolden<TriggeredGolden>(folder, "saccade_triggered");
  const { stimuli } = golden.json.options;
  const { saccades, per_case } = golden.json.data;
  const startTimes = saccades.map(({ start_time }) => start_time);
  const recordings = stimuli.map((stimulus, number) => {
    const keys = ["t_bins", "trial_inds", "robs", "dfs", "eyepos"] as const;
    return new Recording(
      stimulus,
      keys.map((key) => [key, golden.tensor(`in.d${number}_${key}`)]),
    );
  });
  const rows = recordings.map((recording) => eventFrames(recording, startTimes));
  const offsets = rows.map((_, number) => rows.slice(0, number).reduce((sum, { frames }) => sum + frames.length, 0));
  return [
    runCase("saccade_triggered/times", (compare) => {
      const pairs = rows.flatMap(({ frames }, number) => [...frames].flatMap((frame) => [number, frame]));
      compareFlat(golden, compare, "out.time_to_index", pairs);
      compareFlat(
        golden,
        compare,
        "fix.row_saccade_index",
        rows.flatMap(({ events }) => [...events]),
      );
    }),
    ...Object.entries(per_case).map(([name, given]) =>
      runCase(`saccade_triggered/${name}`, (compare) => {
        const number = stimuli.indexOf(given.stim);
        const inputs = triggeredInputs(golden, recordings[number]!, number, startTimes);
        const found = triggeredAverages(inputs, { window: given.win, compat: "reference" });
        compareWindows(golden, compare, { name, given, inputs, found });
        const referenceRows = Array.from(found.rows, (row) => row + offsets[number]!);
        compare.same("rows of windows", referenceRows, given.saccade_info_index_reference);
      }),
    ),
  ];
}

function triggeredInputs(
  golden: GoldenFile<TriggeredGolden>,
  recording: Recording,
  number: number,
  startTimes: readonly number[],
): TriggeredInputs {
  const floats = (key: string) => toFloat64(golden.tensor(`in.d${number}_${key}`));
  const isRepeated = recording.type === "fixrsvp";
  const order = isRepeated ? [...floats("train_inds"), ...floats("val_inds")] : [...floats("val_inds")];
  const units = golden.tensor(`in.d${number}_robs`).shape[1]!;
  const evaluated = (key: string) => {
    const { data } = recording.floats(key);
    return Float32Array.from(order.flatMap((frame) => [...data.subarray(frame * units, (frame + 1) * units)]));
  };
  return {
    units,
    frames: Int32Array.from(order),
    robs: evaluated("robs"),
    rates: Float32Array.from(floats("rhat")),
    dfs: evaluated("dfs"),
    eyepos: recording.floats("eyepos").data,
    trialInds: recording.numbers("trial_inds"),
    rows: eventFrames(recording, startTimes),
    startTimes,
  };
}

interface WindowCase {
  name: string;
  given: TriggeredCase;
  inputs: TriggeredInputs;
  found: TriggeredAverages;
}

function compareWindows(
  golden: GoldenFile<TriggeredGolden>,
  compare: Comparison,
  { name, given, inputs, found }: WindowCase,
): void {
  compare.same("windows", [found.saccades, found.bins], [given.n, given.win[1] - given.win[0]]);
  compareFlat(golden, compare, `out.${name}_robs`, cutWindows(inputs.robs, found));
  compareFlat(golden, compare, `out.${name}_rhat`, cutWindows(inputs.rates, found));
  compareFlat(golden, compare, `out.${name}_dfs`, cutWindows(inputs.dfs, found));
  compareFlat(golden, compare, `out.${name}_rbar`, found.rbar);
  compareFlat(golden, compare, `out.${name}_rbarhat`, found.rbarhat);
  compareFlat(golden, compare, `out.${name}_eyevel`, found.eyevel);
  compare.exact("time_previous", found.timePrevious, given.time_previous.map(Number));
  compare.exact("time_next", found.timeNext, given.time_next.map(Number));
}

function compareFilter(folder: string, compare: Comparison): void {
  const golden = readGolden<Sidecar<unknown, { saccades: Saccade[] }>>(folder, "saccade_filter");
  const { saccades } = golden.json.data;
  compareFlat(golden, compare, "out.kept_index", keptSaccades(saccades, { compat: "reference" }));
  compareFlat(golden, compare, "out.kept_index", keptSaccades(saccades));
}

type DetectionOptions = { pixPerDeg: number; centerPix_xy: [x: number, y: number] };

function compareDetection(folder: string, compare: Comparison): void {
  const golden = readGolden<Sidecar<DetectionOptions, undefined>>(folder, "saccade_detection");
  const { pixPerDeg, centerPix_xy: centerPix } = golden.json.options;
  const floats = (key: string) => toFloat64(golden.tensor(`in.${key}`));
  const position = pixelsToDegrees(floats("dpi_i"), floats("dpi_j"), { pixPerDeg, centerPix });
  const trace = { times: floats("t_ephys"), valid: floats("valid"), ...position };
  const found = detectSaccades(trace, { compat: "reference" });
  for (const tensor of Object.keys(golden.json.tensors).filter((name) => name.startsWith("out."))) {
    const key = tensor.slice("out.".length) as keyof Saccade;
    compareFlat(
      golden,
      compare,
      tensor,
      found.map((saccade) => saccade[key]!),
    );
  }
}

/** Compares values in row-major order with an output, within the tolerance that the JSON states. */
function compareFlat(
  golden: GoldenFile<Sidecar<unknown, unknown>>,
  compare: Comparison,
  tensor: string,
  values: ArrayLike<number>,
): void {
  const { atol = 0, rtol = 0 } = golden.json.tensors[tensor]!;
  compare.close(tensor, values, toFloat64(golden.tensor(tensor)), { atol, rtol });
}
