import { describe, expect, test } from "vitest";
import { ConfigError } from "./config-error.ts";
import { MappingFileSchema } from "./mapping-file.ts";
import { validate } from "./validate.ts";
import { parseYaml } from "./yaml.ts";

const SOUND = `session: Mo_2024-05-01
type: movie
rate_hz: 120
file: recording.mat
keys:
  stim: {from: stimulus, axes: hwt}
  robs: {from: counts}
trial_length: 1200
`;

function parsed(text: string) {
  const source = parseYaml(text, "mapping.yaml");
  return validate(MappingFileSchema, source.value, source);
}

function problems(text: string): string {
  try {
    parsed(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("MappingFileSchema", () => {
  test("fills in what can be left out", () => {
    expect(parsed(SOUND)).toMatchObject({ dataset: { train_fraction: 0.8 }, metadata: {} });
    const times = parsed(SOUND.replace("  robs", "  t_bins: {from: t}\n  robs")).keys.t_bins;
    expect(times).toMatchObject({ at: "centre", per_second: 1, offset_seconds: 0 });
  });

  test("keeps covariates of the user's own", () => {
    expect(parsed(SOUND.replace("  robs", "  pupil: {from: p, axes: ct}\n  robs")).keys).toHaveProperty(
      "pupil.axes",
      "ct",
    );
  });

  test.each([
    ["rate_hz", "rate_herz", 'unknown key "rate_herz": did you mean "rate_hz"?'],
    ["from: counts", "form: counts", 'mapping.yaml:7:10 keys.robs: unknown key "form": did you mean "from"?'],
    ["axes: hwt", "axis: hwt", 'unknown key "axis": did you mean "axes"?'],
    ["hwt", "HWT", "expected lower-case letters, one for each axis"],
    ["Mo_2024-05-01", "../Mo", "expected a file name"],
    ["  robs: {from: counts}\n", "", "expected spikes, or robs in keys"],
    ["trial_length", "spikes: {from: s}\ntrial_length", "spikes replaces robs: remove one"],
    ["rate_hz: 120", "dt: 0", "expected a number > 0"],
    ["rate_hz: 120", "rate_hz: 120\ndt: 0.01", "dt replaces rate_hz: remove one"],
    ["rate_hz: 120\n", "", "expected rate_hz, dt, or t_bins in keys"],
    ["trial_length: 1200\n", "", "says not what a trial is: expected one of trial_length, trial_starts"],
    ["trial_length", "trial_per_frame: true\ntrial_length", "says it with trial_length and trial_per_frame"],
    ["  robs", "  t_bins: {from: t, at: end}\n  robs", "expected one of centre, start"],
    ["  stim: {from: stimulus, axes: hwt}\n", "", 'missing key "stim"'],
  ])("explains %j → %j", (from, to, message) => {
    expect(problems(SOUND.replace(from, to))).toContain(message);
  });
});
