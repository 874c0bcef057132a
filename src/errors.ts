/**
 * @file Errors that speak to the person at the keyboard.
 *
 * A {@link UserError} means: the input or the machine is at fault, not the code. The command line prints its message
 * and hint without a stack trace and exits with 1; every other error is a defect and keeps its stack.
 */

/**
 * Bad input or a missing prerequisite.
 *
 * The message names the file, the line or key, what was found and what was expected; `hint` says what to do.
 *
 * @example
 * throw new UserError(`Cannot read "${path}": 12 bytes, a zip archive has at least 22`, { hint: "Copy the file again." });
 */
export class UserError extends Error {
  override readonly name: string = "UserError";
  /** The shortest remedy, one or two sentences, or undefined when the message already says it. */
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}

/**
 * The candidate closest to a misspelt word, for "did you mean" hints, or undefined when nothing is close.
 *
 * Distance is Damerau-Levenshtein (a transposition counts once); accepted up to a third of the word's length, at least 1.
 */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforePrevious[j - 2]! + 1);
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
