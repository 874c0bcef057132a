/**
 * @file The error every bad configuration file ends in: problems as data, and the same problems as prose.
 */

import { UserError } from "../errors.ts";

/** Keys and list indices from the top of a configuration down to one value. */
export type ConfigPath = readonly (string | number)[];

/** One problem in a configuration. */
export interface ConfigIssue {
  /** File the value was written in, or a name such as "model config" for values that never were in a file. */
  file: string;
  /** 1-based; absent for values that never were in a file. */
  line?: number | undefined;
  /** 1-based, in UTF-16 code units; absent with `line`. */
  column?: number | undefined;
  /** The offending value; for an unknown or missing key, the mapping that has or lacks it. */
  path: ConfigPath;
  /** One sentence without location: `expected a number, found "64x"`. */
  message: string;
  /** What stands there, in words: `"64x"`, `a list of 2 items`, `nothing`. */
  found: string;
  /** What should stand there, in words: `a number`. */
  expected: string;
  /** The source line and a caret below the offending place; absent with `line`. */
  excerpt?: string | undefined;
}

/** A configuration file that cannot be used. `issues` holds every problem, `message` prints them one below the other. */
export class ConfigError extends UserError {
  override readonly name: string = "ConfigError";
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[], options: { hint?: string; cause?: unknown } = {}) {
    const count = issues.length === 1 ? "1 problem" : `${issues.length} problems`;
    const files = [...new Set(issues.map((issue) => issue.file))];
    super([`Cannot use ${files.join(", ")}: ${count}`, ...issues.map(formatIssue)].join("\n"), options);
    this.issues = issues;
  }
}

/** `experiments/x.yaml:5:24 convnet.params.channels.2: expected a number, found "64x"`, then the line and its caret. */
function formatIssue({ file, line, column, path, message, excerpt }: ConfigIssue): string {
  const place = line === undefined ? file : `${file}:${line}:${column}`;
  const where = path.length === 0 ? place : `${place} ${path.join(".")}:`;
  return excerpt === undefined ? `${where} ${message}` : `${where} ${message}\n${excerpt}`;
}
