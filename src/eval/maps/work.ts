/**
 * @file Long computations in portions, so that one and the same code can be called like a function or run beside other
 * work. No portion leaves a tensor scope open.
 */
import { setImmediate } from "node:timers/promises";

/** A computation that yields, after every portion, how much of it is done, from 0 to 1. */
export type Work<Result> = Generator<number, Result, void>;

/** The result, computed without a pause. */
export function finished<Result>(work: Work<Result>): Result {
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

/** What {@link finishedInTurns} tells, and what stops it. */
export interface Turns {
  /** Stops after the current portion; the promise is then rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told after every portion how much is done, from 0 to 1. */
  onProgress?: ((part: number) => void) | undefined;
}

/** The result, computed while the event loop gets a turn after every portion. */
export async function finishedInTurns<Result>(work: Work<Result>, { signal, onProgress }: Turns = {}): Promise<Result> {
  try {
    for (let step = work.next(); ; step = work.next()) {
      if (step.done) return step.value;
      onProgress?.(step.value);
      await setImmediate();
      signal?.throwIfAborted();
    }
  } finally {
    // Frees what the computation keeps; harmless once it is done.
    work.return(undefined as never);
  }
}

/** A part of a larger computation: its progress counts from `from` to `to`. */
export function* portion<Result>(work: Work<Result>, from: number, to: number): Work<Result> {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    yield from + step.value * (to - from);
  }
}
