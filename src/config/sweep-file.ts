/**
 * @file The file of `visioncore sweep`: many training runs that differ in some of their flags.
 */
import { z } from "zod";
import { problem } from "./checks.ts";
import { validate } from "./validate.ts";
import { readYaml } from "./yaml.ts";

const value = z.union([z.string(), z.number(), z.boolean()]);
const flags = z.record(z.string().regex(/^[a-z][a-z0-9_]*$/, "a flag of train, in lower case with underscores"), value);

/** Schema of a sweep file. */
export const SweepFileSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[\p{L}\p{N}][\p{L}\p{N}._+-]*$/u, "a folder name: letters, digits, and . _ + - after the first one")
      .optional()
      .describe("Folder of the sweep's runs. Absent: the file's name."),
    train: flags
      .default({})
      .describe(
        "Flags of train that all runs share, with underscores: model_config, max_epochs, … Paths start at this file.",
      ),
    vary: z
      .record(z.string(), z.array(value).min(1))
      .default({})
      .describe("Flags with a list of values each: every combination is a run."),
    runs: z.array(flags).default([]).describe("Further runs by their own flags, beside the combinations of vary."),
  })
  .check(({ value: { vary, runs }, issues }) => {
    if (Object.keys(vary).length > 0 || runs.length > 0) return;
    issues.push(problem(vary, ["vary"], "nothing varies: give vary flags with lists of values, or list runs"));
  });

/** A sweep as its file says it. */
export type SweepFile = z.infer<typeof SweepFileSchema>;

/** One run: the flags in which it differs from the others. */
export type RunFlags = Record<string, string | number | boolean>;

/**
 * Reads a sweep file.
 *
 * @throws MissingFileError when there is none; ConfigError with every problem
 */
export function loadSweepFile(path: string): SweepFile {
  const document = readYaml(path, "sweep file");
  return validate(SweepFileSchema, document.value, document);
}

/** Every run of a sweep, in the order of the file: the last flag of `vary` changes fastest. */
export function sweepRuns({ vary, runs }: Pick<SweepFile, "vary" | "runs">): RunFlags[] {
  const combinations = Object.entries(vary).reduce<RunFlags[]>(
    (sofar, [flag, values]) => sofar.flatMap((run) => values.map((one) => ({ ...run, [flag]: one }))),
    [{}],
  );
  return [...(Object.keys(vary).length > 0 ? combinations : []), ...runs];
}
