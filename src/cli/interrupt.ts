/**
 * @file Ctrl-C: the first asks the work to stop at its next safe point, the second ends the process at once.
 */

/** Exit status after a signal. */
export const EXIT_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Under npx one Ctrl-C arrives twice: from the terminal and passed on by npx; so it does in a process that another one
 * launched. Nobody asks twice within this time.
 */
export const SAME_KEY_PRESS_MS = 300;

/**
 * Runs `work` with a signal that aborts when the process gets SIGINT or SIGTERM, and makes 130 or 143 its exit status
 * then. A second one ends the process.
 *
 * @param tell receives one line when the first signal arrives
 */
export async function withInterrupt<T>(
  tell: (line: string) => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let firstAt = Number.POSITIVE_INFINITY;
  const onSignal = (name: "SIGINT" | "SIGTERM") => {
    if (Date.now() - firstAt > SAME_KEY_PRESS_MS) process.exit(EXIT_STATUS[name]);
    if (controller.signal.aborted) return;
    firstAt = Date.now();
    process.exitCode = EXIT_STATUS[name];
    tell("Stopping after this step; press Ctrl-C again to stop at once.");
    controller.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}
