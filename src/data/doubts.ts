/**
 * @file What about a session's data deserves a second look: nothing that stops training as a rule, because the reference
 * does the same, but every item is an error when `strict` is asked for (data specification, section 18).
 */
import { transformOps } from "../config/ops.ts";
import type { SessionConfig } from "../config/session.ts";
import { UserError } from "../errors.ts";
import { lagReach, parseKeysLags } from "./lags.ts";
import type { Recording } from "./recording.ts";

/** One thing to look at, and the setting that resolves it. */
export interface Doubt {
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
      message: `${bins(partly, source)} frames without tracking and count as tracked`,
      remedy: "Set strict_validity: true to leave them out.",
    });
  }
  return doubts;
}

function bins(count: number, { type }: Recording): string {
  return `type "${type}": ${count} ${count === 1 ? "bin holds" : "bins hold"}`;
}

/** Behaviour that knows what comes after the frame, which no animal does: lags below 0, and bases that look both ways. */
export function futureDoubts(config: SessionConfig): Doubt[] {
  const doubts: Doubt[] = [];
  const { future } = lagReach(parseKeysLags(config.keys_lags));
  if (future > 0) {
    doubts.push({
      message: `lags reach ${future} frames into the future`,
      remedy: "Give keys_lags from 0 upwards.",
    });
  }
  for (const [name, transform] of Object.entries(config.transforms)) {
    if (config.keys_lags[transform.expose_as] === undefined) continue;
    const isAcausal = transformOps(transform).some((op) => op.name === "temporal_basis" && !op.params.causal);
    if (!isAcausal) continue;
    doubts.push({
      message: `transform ${name} shows ${transform.expose_as} of frames that are yet to come (temporal_basis, causal: false)`,
      remedy: `Set causal: true in transforms.${name}, or keep it and say so with the scores.`,
    });
  }
  return doubts;
}

/** @throws UserError with all of them, when there are any */
export function refuseDoubts(session: string, doubts: readonly Doubt[]): void {
  const [first, ...others] = doubts;
  if (first === undefined) return;
  const all = [first, ...others].map(({ message, remedy }) => `- ${message}. ${remedy}`).join("\n");
  throw new UserError(`Session "${session}" does not pass the strict checks:\n${all}`, {
    hint: "Without strict checks these are accepted, as the reference does.",
  });
}
