/**
 * @file What about a session's data deserves a second look: nothing that stops training as a rule, because the reference
 * does the same, but every item is an error when `strict` is asked for (data specification, section 18). `accept` in the
 * configuration takes items, by name, as they are.
 */
import { type TransformOp, transformOps } from "../config/ops.ts";
import type { DoubtName, SessionConfig } from "../config/session.ts";
import { UserError } from "../errors.ts";
import { medianStep, modelRate } from "./frame-rate.ts";
import { lagReach, parseKeysLags } from "./lags.ts";
import type { Recording } from "./recording.ts";
import { TRANSFORMS } from "./transforms.ts";

/** One thing to look at, and the setting that resolves it. */
export interface Doubt {
  readonly name: DoubtName;
  /** What was found, one sentence without a full stop. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Frames of a recording as preparation sees them. */
export interface BinnedFrames {
  /** First recorded frame of every bin; undefined without down-sampling. */
  readonly starts: Int32Array | undefined;
  /** Recorded frames of a bin. */
  readonly factor: number;
}

/** Bins that mix two trials, and bins whose frames were only partly tracked. */
export function binDoubts(source: Recording, { starts, factor }: BinnedFrames, config: SessionConfig): Doubt[] {
  if (starts === undefined) return [];
  const doubts: Doubt[] = [];
  const trials = source.numbers("trial_inds");
  const isMixed = (start: number) => {
    for (let t = start + 1; t < start + factor; t++) if (trials[t] !== trials[start]) return true;
    return false;
  };
  const mixed = starts.reduce((count, start) => count + (isMixed(start) ? 1 : 0), 0);
  if (mixed > 0) {
    doubts.push({
      name: "straddling_bins",
      message: `${bins(mixed, source)} two trials, with a trial number that is neither's`,
      remedy: "Set trial_aware: true to start bins anew at every trial.",
    });
  }
  if (!source.has("dpi_valid") || config.strict_validity) return doubts;
  const valid = source.numbers("dpi_valid");
  const tracked = (start: number) => {
    let count = 0;
    for (let t = start; t < start + factor; t++) if (valid[t]! > 0) count++;
    return count;
  };
  const partly = starts.reduce((count, start) => {
    const n = tracked(start);
    return count + (n > 0 && n < factor ? 1 : 0);
  }, 0);
  if (partly > 0) {
    doubts.push({
      name: "half_valid_bins",
      message: `${bins(partly, source)} frames without tracking and count as tracked`,
      remedy: "Set strict_validity: true to leave them out.",
    });
  }
  return doubts;
}

function bins(count: number, { type }: Recording): string {
  return `type "${type}": ${count} ${count === 1 ? "bin holds" : "bins hold"}`;
}

/** Time stamps that are not what the rate promises: another rate, or holes within trials. */
export function timeDoubts(source: Recording, { sampling }: SessionConfig): Doubt[] {
  if (!source.has("t_bins")) return [];
  const times = source.numbers("t_bins");
  const trials = source.numbers("trial_inds");
  const step = medianStep(times, trials);
  if (step === null) return [];
  const doubts: Doubt[] = [];
  const stated = sampling?.source_rate ?? modelRate({ sampling }, source.metadata);
  if (stated !== null && Math.abs(step * stated - 1) > 0.01) {
    doubts.push({
      name: "rate_mismatch",
      message: `type "${source.type}": frames are ${milliseconds(step)} apart, at ${stated} Hz they would be ${milliseconds(1 / stated)}`,
      remedy:
        sampling === null
          ? "Correct rate_hz in the recording's JSON."
          : "Correct sampling.source_rate and target_rate.",
    });
  }
  const gaps = times.reduce((count, time, t) => {
    return count + (t > 0 && trials[t] === trials[t - 1] && time - times[t - 1]! > 1.5 * step ? 1 : 0);
  }, 0);
  if (gaps > 0) {
    doubts.push({
      name: "time_gaps",
      message: `type "${source.type}": ${gaps} ${gaps === 1 ? "hole" : "holes"} within trials, which histories run across`,
      remedy: "Number the frames after a hole as another trial, or mark the first of them as invalid (dpi_valid 0).",
    });
  }
  return doubts;
}

/** Units whose missing spikes are not judged: multi-units by their median, or all where nothing is known. */
export function qualityDoubts(
  { type }: Recording,
  { known, multiUnits }: { known: boolean; multiUnits: readonly number[] },
  units: number,
): Doubt[] {
  if (!known) {
    return [
      {
        name: "unknown_quality",
        message: `type "${type}": nothing is known of missing spikes, missing_pct passes all frames of all units`,
        remedy:
          "Add qc/amp_truncation/truncation.npz with the spikes, or a covariate missing_pct; or take the filter out.",
      },
    ];
  }
  if (multiUnits.length === 0) return [];
  return [
    {
      name: "truncated_units",
      message:
        `type "${type}": ${multiUnits.length} of ${units} units miss so many spikes most of the time that missing_pct ` +
        `takes them for multi-units and never masks them: ${multiUnits.join(", ")}`,
      remedy: "Leave them out of cids.",
    },
  ];
}

/** Behaviour that knows what comes after the frame, which no animal does: lags below 0, and bases that look both ways. */
export function futureDoubts(config: SessionConfig): Doubt[] {
  const doubts: Doubt[] = [];
  const { future } = lagReach(parseKeysLags(config.keys_lags));
  if (future > 0) {
    doubts.push({
      name: "future",
      message: `lags reach ${future} frames into the future`,
      remedy: "Give keys_lags from 0 upwards.",
    });
  }
  for (const [name, ops] of servedTransforms(config)) {
    const seen = ops.flatMap((op) => futureOf(op) ?? []);
    if (seen.length === 0) continue;
    const key = config.transforms[name]!.expose_as;
    doubts.push({
      name: "future",
      message: `transform ${name} shows ${key} of frames that are yet to come (${seen.map(({ what }) => what).join(", ")})`,
      remedy: `${seen.map(({ remedy }) => remedy).join("; ")} in transforms.${name}.`,
    });
  }
  return doubts;
}

/** How an operation sees the future, and the setting with which it does not. */
function futureOf(op: TransformOp): { what: string; remedy: string } | undefined {
  if (op.name === "temporal_basis" && !op.params.causal) {
    return { what: "temporal_basis, causal: false", remedy: "Set causal: true" };
  }
  if (op.name === "smooth" && op.params.params > 0) return { what: "smooth", remedy: "Take smooth out" };
  if (op.name === "fftwhitening") return { what: "fftwhitening", remedy: "Take fftwhitening out" };
  return undefined;
}

/**
 * Transforms that run across the ends of trials, and those whose milliseconds assume another rate than the model's.
 *
 * @param rateHz the model's rate, null when unknown
 */
export function transformDoubts(config: SessionConfig, rateHz: number | null): Doubt[] {
  const doubts: Doubt[] = [];
  const crossing = servedTransforms(config).flatMap(([name, ops]) => {
    const across = ops.filter((op) => TRANSFORMS[op.name].acrossFrames).map((op) => op.name);
    return across.length === 0 ? [] : [`${name} (${across.join(", ")})`];
  });
  if (crossing.length > 0 && !config.transform_per_trial) {
    doubts.push({
      name: "crosses_trials",
      message: `transforms run across the ends of trials, where time jumps, and from training into validation: ${crossing.join(", ")}`,
      remedy: "Set transform_per_trial: true to keep them within trials.",
    });
  }
  if (rateHz === null) return doubts;
  for (const [name, ops] of servedTransforms(config)) {
    for (const op of ops) {
      const assumed = assumedRate(op);
      if (assumed === undefined || Math.abs(assumed / rateHz - 1) <= 0.01) continue;
      const [key, value] =
        op.name === "dacones" ? ["sampling_rate", rateHz] : ["bin_size_ms", Number((1000 / rateHz).toFixed(3))];
      doubts.push({
        name: "time_base",
        message: `transform ${name}: the milliseconds of ${op.name} assume ${assumed} Hz, the data have ${rateHz} Hz`,
        remedy: `Set ${key}: ${value} in it; weights that were trained without it then see other features.`,
      });
    }
  }
  return doubts;
}

/** Frames per second that an operation takes for granted. */
function assumedRate(op: TransformOp): number | undefined {
  if (op.name === "temporal_basis") return 1000 / op.params.bin_size_ms;
  return op.name === "dacones" ? op.params.sampling_rate : undefined;
}

function servedTransforms(config: SessionConfig): [name: string, ops: TransformOp[]][] {
  return Object.entries(config.transforms)
    .filter(([, { expose_as }]) => config.keys_lags[expose_as] !== undefined)
    .map(([name, transform]) => [name, transformOps(transform)]);
}

function milliseconds(seconds: number): string {
  return `${(1000 * seconds).toFixed(2)} ms`;
}

/** @throws UserError with all of them, when there are any */
export function refuseDoubts(session: string, doubts: readonly Doubt[]): void {
  if (doubts.length === 0) return;
  const all = doubts.map(({ name, message, remedy }) => `- ${message}. ${remedy} [${name}]`).join("\n");
  const names = [...new Set(doubts.map(({ name }) => name))].join(", ");
  throw new UserError(`Session "${session}" does not pass the strict checks:\n${all}`, {
    hint: `Without strict checks these are accepted, as the reference does. Those you know of: accept: [${names}]`,
  });
}
