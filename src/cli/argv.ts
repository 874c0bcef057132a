/**
 * @file What the command line accepts beyond what commander knows: flags with underscores, the reference's names for flags
 * that are called otherwise here (spec training.md, section 2), and earlier names of ours.
 */

/** Other names of flags, and ours. Those that differ in the underscores only need no entry. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  "--dataset-configs-path": "--dataset-configs",
  "--ckpt-path": "--resume",
  "--override-on-resume": "--allow-config-change",
};

/**
 * Flags spelt our way: `--batch_size 8` and `--batch_size=8` become `--batch-size`, other names of a flag its own.
 * Values, and everything after a bare `--`, stay as they are.
 *
 * @example
 * normalizeFlags(["train", "--model_config=my_model.yaml"]); // ["train", "--model-config=my_model.yaml"]
 */
export function normalizeFlags(argv: readonly string[]): string[] {
  const end = argv.includes("--") ? argv.indexOf("--") : argv.length;
  return argv.map((argument, i) => {
    const flag = i < end && /^--[a-zA-Z][\w-]*/.exec(argument)?.[0];
    if (!flag) return argument;
    const kebab = flag.replaceAll("_", "-");
    return (OTHER_NAMES[kebab] ?? kebab) + argument.slice(flag.length);
  });
}
