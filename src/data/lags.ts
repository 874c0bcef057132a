/**
 * @file What is served, and from which frames: `keys_lags` (data specification, sections 11.1 and 11.4).
 *
 * A positive lag looks into the past, a negative one into the future. Along a lag axis entries keep the order of the
 * list, so with `[0, 1, …, 32]` index 0 is the current frame and time runs backwards.
 */
import { UserError } from "../errors.ts";

/** `keys_lags` as written: one lag, a list of lags, or null (the same as 0). */
export type KeysLags = Readonly<Record<string, number | null | readonly number[]>>;

/** The lags of one served key. */
export interface LagSpec {
  /** In frames, in the order of the lag axis. */
  readonly lags: Int32Array;
  /** Whether the served array has a lag axis: true for a list, false for a single lag. */
  readonly axis: boolean;
}

/**
 * Lags by key, in the order of the configuration.
 *
 * @throws UserError when a value is neither a whole number, null nor a non-empty list of whole numbers
 */
export function parseKeysLags(keysLags: KeysLags): Map<string, LagSpec> {
  const specs = new Map<string, LagSpec>();
  for (const [key, value] of Object.entries(keysLags)) {
    const axis = Array.isArray(value);
    const lags: readonly number[] = axis ? value : [(value ?? 0) as number];
    if (lags.length === 0 || !lags.every((lag) => Number.isInteger(lag))) {
      throw new UserError(`Cannot use keys_lags.${key}: found ${JSON.stringify(value)}`, {
        hint: "Expected a whole number of frames, a list of them, or null for the current frame.",
      });
    }
    specs.set(key, { lags: Int32Array.from(lags), axis });
  }
  if (specs.size === 0)
    throw new UserError("Cannot use keys_lags: it is empty", { hint: "List at least robs and stim." });
  return specs;
}

/** How far the lags of all keys reach, in frames. */
export interface LagReach {
  /** Largest lag, at least 0: frames needed before the current one. */
  readonly past: number;
  /** Largest negative lag without its sign, at least 0: frames needed after the current one. */
  readonly future: number;
}

/** Reach over all keys. */
export function lagReach(specs: ReadonlyMap<string, LagSpec>): LagReach {
  let past = 0;
  let future = 0;
  for (const { lags } of specs.values()) {
    for (const lag of lags) {
      past = Math.max(past, lag);
      future = Math.max(future, -lag);
    }
  }
  return { past, future };
}

/**
 * Checks that every lag of every frame lies inside the recording.
 *
 * @param frames frames to be served, any order
 * @param length frames of the recording
 * @param where names session and type for the message: `session "Allen_2022-02-16", type "backimage"`
 * @throws UserError that counts the frames whose window leaves the recording
 */
export function checkReach(frames: Int32Array, length: number, reach: LagReach, where: string): void {
  let before = 0;
  let after = 0;
  for (const frame of frames) {
    if (frame - reach.past < 0) before++;
    if (frame + reach.future >= length) after++;
  }
  if (before + after === 0) return;
  const parts = [
    ...(before > 0
      ? [`${before} of ${frames.length} frames need data up to ${reach.past} frames before the start`]
      : []),
    ...(after > 0 ? [`${after} of ${frames.length} frames need data up to ${reach.future} frames after the end`] : []),
  ];
  throw new UserError(`Cannot serve ${where} (${length} frames): ${parts.join(" and ")}`, {
    hint:
      before > 0
        ? `Shorten keys_lags, or let a valid_nlags datafilter keep the first ${reach.past} frames of every trial out.`
        : "Negative entries of keys_lags look into the future; shorten them.",
  });
}
