import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError } from "./config-error.ts";
import { loadDatasetConfigs, loadRawDatasetConfigs } from "./dataset.ts";
import { MissingFileError } from "./file.ts";
import { datafilterOps, transformOps } from "./ops.ts";

const fixtures = fileURLToPath(new URL("../../test/fixtures/config", import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "visioncore-config-"));
  mkdirSync(join(folder, "sessions"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const parentLines = [
  "types: [backimage]", // 1
  "session_dir: sessions", // 2
  "sessions: [A, B]", // 3
  "keys_lags: {robs: 0, stim: [0, 1, 2], dfs:}", // 4
  "transforms:", // 5
  "  stim: {ops: [pixelnorm, unsqueeze: 1]}", // 6
  "datafilters:", // 7
  "  dfs: {ops: [valid_nlags: 2]}", // 8
  "train_val_split: 0.8", // 9
];

/** Writes a parent with sessions A and B, changed as asked, and gives its path. */
function write({ parent = parentLines, A = ["cids: [0, 1]"], B = ["cids: [3]"] } = {}): string {
  writeFileSync(join(folder, "sessions", "A.yaml"), `${A.join("\n")}\n`);
  writeFileSync(join(folder, "sessions", "B.yaml"), `${B.join("\n")}\n`);
  writeFileSync(join(folder, "parent.yaml"), `${parent.join("\n")}\n`);
  return join(folder, "parent.yaml");
}

/** The parent's lines with some replaced (by 1-based number) and some appended. */
function parentWith(replaced: Record<number, string>, ...appended: string[]): string[] {
  return [...parentLines.map((line, index) => replaced[index + 1] ?? line), ...appended];
}

function errorOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}

describe("loadRawDatasetConfigs()", () => {
  test("merges the golden sessions like the reference, keys in the same order", () => {
    const merged = loadRawDatasetConfigs(`${fixtures}/parent.yaml`);
    const golden = readFileSync(`${fixtures}/merged.json`, "utf8").replaceAll("<config>", fixtures);
    expect(JSON.stringify(merged)).toBe(JSON.stringify(JSON.parse(golden).merged));
  });

  test.each<{ file: string; reference_result: string }>(
    JSON.parse(readFileSync(`${fixtures}/bad_cases.json`, "utf8")).cases,
  )("refuses golden $file like the reference's $reference_result", ({ file, reference_result }) => {
    const error = errorOf(() => loadRawDatasetConfigs(`${fixtures}/${file}`));
    expect(error).toBeInstanceOf(reference_result === "FileNotFoundError" ? MissingFileError : ConfigError);
  });
});

describe("loadDatasetConfigs()", () => {
  test("resolves the golden sessions", () => {
    const { parent, sessions, warnings } = loadDatasetConfigs(`${fixtures}/parent.yaml`);
    expect(parent).toMatchObject({ session_dir: "./sessions", sessions: ["Syn_2020-01-01", "Syn_2020-01-02"] });
    expect(sessions.map(({ session, lab, cids }) => ({ session, lab, cids }))).toEqual([
      { session: "Syn_2020-01-01", lab: "yates", cids: [0, 2, 3, 5] },
      { session: "Syn_2020-01-02", lab: "yates", cids: [4, 1, 2] },
    ]);
    const second = sessions[1]!;
    expect(second.sampling).toEqual({ source_rate: 240, target_rate: 120 });
    expect(second.train_val_split).toBe(0.5);
    expect(second.seed).toBe(1002);
    expect(second.n_lags).toBe(8);
    expect(second.adapter).toMatchObject({ type: "adapter", params: { grid_size: 9, init_sigma: 1 } });
    expect(second._config_path).toBe(`${fixtures}/sessions/Syn_2020-01-02.yaml`);
    expect(second._parent_config_path).toBe(`${fixtures}/parent.yaml`);
    expect(Object.keys(second.transforms)).toEqual(["stim", "history", "eye_vel", "eye_pos"]);
    expect(second.transforms.eye_pos).toMatchObject({ source: "eyepos", expose_as: "behavior", concatenate: true });
    expect(transformOps(second.transforms.eye_pos!)).toEqual([{ name: "mul", params: { factor: 2 } }]);
    expect(transformOps(second.transforms.eye_vel!).map(({ name }) => name)).toEqual([
      "diff",
      "maxnorm",
      "symlog",
      "temporal_basis",
      "splitrelu",
    ]);
    expect(datafilterOps(second.datafilters.dfs!)).toEqual([
      { name: "valid_nlags", params: { n_lags: 8 } },
      { name: "missing_pct", params: { threshold: 45 } },
    ]);
    expect(warnings).toEqual([
      `${fixtures}/parent.yaml:75:9 datafilters.dfs.ops.1.missing_pct.theshold: read as "threshold"`,
      `${fixtures}/sessions/Syn_2020-01-02.yaml:8:3 sampling.extra_note: not read; sampling has source_rate and target_rate`,
    ]);
  });

  test("keeps the parent's order and stops at maxDatasets, without reading the rest", () => {
    const path = write({ parent: parentWith({ 3: "sessions: [B, A, nowhere]" }) });
    const { parent, sessions } = loadDatasetConfigs(path, { maxDatasets: 2 });
    expect(sessions.map(({ session }) => session)).toEqual(["B", "A"]);
    expect(parent.sessions).toEqual(["B", "A"]);
    expect(parent.text).toBe(readFileSync(path, "utf8"));
  });

  test("joins data_dir to the parent's folder, also when a session names it", () => {
    const path = write({ parent: parentWith({}, "data_dir: ../recordings"), A: ["cids: [0]", "data_dir: here"] });
    const [a, b] = loadDatasetConfigs(path).sessions;
    expect(a!.data_dir).toBe(join(folder, "here"));
    expect(b!.data_dir).toBe(join(folder, "..", "recordings"));
  });

  test("reports a parent's mistake once, at its line", () => {
    const error = errorOf(() => loadDatasetConfigs(write({ parent: parentWith({ 9: "train_val_splitt: 0.8" }) })));
    expect(error.message.split("\n").filter((line) => line.startsWith(folder))).toEqual([
      `${folder}/parent.yaml:1:1 missing key "train_val_split": expected a number`,
      `${folder}/parent.yaml:9:1 unknown key "train_val_splitt": did you mean "train_val_split"?`,
    ]);
  });

  test("reports the mistakes of all sessions together", () => {
    const path = write({ A: ["cids: [0]", "sed: 3"], B: ["cids: [-1]"] });
    const error = errorOf(() => loadDatasetConfigs(path));
    expect(error.message.split("\n").filter((line) => line.startsWith(folder))).toEqual([
      `${folder}/sessions/A.yaml:2:1 unknown key "sed": did you mean "seed"?`,
      `${folder}/sessions/B.yaml:1:8 cids.0: expected a number >= 0, found -1`,
    ]);
  });

  test("places a mistake in the file that its value came from", () => {
    const A = ["cids: [0]", "transforms:", "  stim:", "    ops:", "      - diff: {axes: 1}"];
    const error = errorOf(() => loadDatasetConfigs(write({ A })));
    expect(error.message).toContain(
      `${folder}/sessions/A.yaml:5:16 transforms.stim.ops.0.diff: unknown key "axes": did you mean "axis"?`,
    );
  });

  test.each<[string, Parameters<typeof write>[0], string]>([
    [
      "an empty session file",
      { A: ["# later"] },
      "sessions/A.yaml:1:1 the file is empty; expected a mapping of keys to values",
    ],
    [
      "a session without cids",
      { A: ["seed: 1"] },
      'sessions/A.yaml:1:1 missing key "cids": expected a list of the units to keep',
    ],
    ["cids with nothing behind them", { A: ["cids:"] }, "sessions/A.yaml:1:6 cids: expected a list, found null"],
    ["no units", { A: ["cids: []"] }, "sessions/A.yaml:1:7 cids: expected at least 1 item, found an empty list"],
    ["a unit twice", { A: ["cids: [4, 5, 4]"] }, "sessions/A.yaml:1:14 cids.2: 4 is listed twice"],
    [
      "a session twice",
      { parent: parentWith({ 3: "sessions: [A, B, A]" }) },
      'parent.yaml:3:18 sessions.2: session "A" is listed twice',
    ],
    [
      "two sessions of one name",
      { B: ["cids: [1]", "session: A"] },
      `sessions/B.yaml:2:10 session: session "A" is also what FOLDER/sessions/A.yaml calls itself`,
    ],
    [
      "a session that is no text",
      { parent: parentWith({ 3: "sessions: [A, 12]" }) },
      "parent.yaml:3:15 sessions.1: expected text, found 12",
    ],
    [
      "an unknown lab",
      { A: ["cids: [0]", "lab: yate"] },
      'sessions/A.yaml:2:6 lab: expected one of yates, rowley, found "yate": did you mean "yates"?',
    ],
    [
      "a rate that does not divide",
      { parent: parentWith({}, "sampling: {source_rate: 240, target_rate: 100}") },
      "parent.yaml:10:43 sampling.target_rate: expected a rate that divides source_rate 240, found 100",
    ],
    [
      "a rate above the source's",
      { parent: parentWith({}, "sampling: {source_rate: 120, target_rate: 240}") },
      "parent.yaml:10:43 sampling.target_rate: expected a rate that divides source_rate 120, found 240",
    ],
    [
      "half a sampling",
      { parent: parentWith({}, "sampling: {source_rate: 240}") },
      'parent.yaml:10:11 sampling: missing key "target_rate": expected a number',
    ],
    [
      "a lag that is no whole number",
      { parent: parentWith({ 4: "keys_lags: {stim: [0, 1.5]}" }) },
      "parent.yaml:4:23 keys_lags.stim.1: expected a whole number, found 1.5",
    ],
    [
      "no lags",
      { parent: parentWith({ 4: "keys_lags: {stim: []}" }) },
      "parent.yaml:4:19 keys_lags.stim: expected at least 1 item, found an empty list",
    ],
    [
      "two operations in one entry",
      { parent: parentWith({ 6: "  stim: {ops: [{mul: 2, maxnorm: {}}]}" }) },
      'parent.yaml:6:16 transforms.stim.ops.0: expected one operation per list entry, found mul and maxnorm: start a new entry with "-"',
    ],
    [
      "an empty operation",
      { parent: parentWith({ 6: "  stim: {ops: [{}]}" }) },
      'parent.yaml:6:16 transforms.stim.ops.0: expected one operation per list entry, found none: start a new entry with "-"',
    ],
    [
      "an unknown operation",
      { parent: parentWith({ 6: "  stim: {ops: [{pixelnrm: {}}]}" }) },
      'parent.yaml:6:17 transforms.stim.ops.0: unknown key "pixelnrm": did you mean "pixelnorm"?',
    ],
    [
      "an unknown bare operation",
      { parent: parentWith({ 6: "  stim: {ops: [pixelnrm]}" }) },
      'parent.yaml:6:16 transforms.stim.ops.0: unknown key "pixelnrm": did you mean "pixelnorm"?',
    ],
    [
      "an unknown parameter of an operation",
      { parent: parentWith({ 8: "  dfs: {ops: [missing_pct: {treshold: 4}]}" }) },
      'parent.yaml:8:29 datafilters.dfs.ops.0.missing_pct: unknown key "treshold": did you mean "threshold"?',
    ],
    [
      "both spellings of threshold",
      { parent: parentWith({ 8: "  dfs: {ops: [missing_pct: {theshold: 4, threshold: 5}]}" }) },
      "parent.yaml:8:39 datafilters.dfs.ops.0.missing_pct.theshold: written beside threshold: remove it",
    ],
    [
      "a wrong shorthand",
      { parent: parentWith({ 6: "  stim: {ops: [unsqueeze: first]}" }) },
      'parent.yaml:6:27 transforms.stim.ops.0.unsqueeze.axis: expected a number, found "first"',
    ],
    [
      "select_units without indices",
      { parent: parentWith({ 6: "  stim: {ops: [select_units: {}]}" }) },
      'parent.yaml:6:30 transforms.stim.ops.0.select_units: missing key "indices": expected cids or a list',
    ],
    [
      "another smoothing",
      { parent: parentWith({ 6: "  stim: {ops: [smooth: {type: boxcar}]}" }) },
      'parent.yaml:6:31 transforms.stim.ops.0.smooth.type: expected gaussian, found "boxcar"',
    ],
    [
      "an unknown element type",
      { parent: parentWith({ 6: "  stim: {ops: [cast: float31]}" }) },
      'parent.yaml:6:22 transforms.stim.ops.0.cast.dtype: expected one of float16, bfloat16, float32, float64, int8, int16, int32, int64, uint8, bool, found "float31": did you mean "float32"?',
    ],
    [
      "chomp in a transform",
      { parent: parentWith({ 6: "  stim: {ops: [temporal_basis: {chomp: 3}]}" }) },
      "parent.yaml:6:40 transforms.stim.ops.0.temporal_basis.chomp: expected null, found 3",
    ],
    [
      "an unknown key of a transform",
      { parent: parentWith({ 6: "  stim: {soruce: stim}" }) },
      'parent.yaml:6:10 transforms.stim: unknown key "soruce": did you mean "source"?',
    ],
    [
      "a transform called by a number",
      { parent: parentWith({ 6: "  1: {source: stim}" }) },
      "parent.yaml:6:6 transforms.1: expected a name that is not just digits, found a mapping",
    ],
    [
      "val_trials beside a split by time",
      { A: ["cids: [0]", "split_by: time", "val_trials: [3]"] },
      "sessions/A.yaml:3:13 val_trials: val_trials replaces the split: remove it or split_by: time",
    ],
    [
      "an adapter without type",
      { A: ["cids: [0]", "adapter: {params: {}}"] },
      'sessions/A.yaml:2:10 adapter: missing key "type": expected one of none, adapter',
    ],
  ])("refuses %s", (_, files, expected) => {
    const error = errorOf(() => loadDatasetConfigs(write(files)));
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message.split("\n")[1]).toBe(`${folder}/${expected.replace("FOLDER", folder)}`);
  });

  test("says which line names a missing session file, and what is there", () => {
    const error = errorOf(() => loadDatasetConfigs(write({ parent: parentWith({ 3: "sessions:\n  - A\n  - C" }) })));
    expect(error).toBeInstanceOf(MissingFileError);
    expect(error.message).toBe(
      `Cannot find session file "${folder}/sessions/C.yaml", named at ${folder}/parent.yaml:5:5`,
    );
    expect((error as MissingFileError).hint).toMatch(/Did you mean "\S+\/sessions\/A.yaml"\?/);
  });

  test("says which line names a missing session folder", () => {
    const error = errorOf(() => loadDatasetConfigs(write({ parent: parentWith({ 2: "session_dir: sesions" }) })));
    expect(error).toBeInstanceOf(MissingFileError);
    expect(error.message).toBe(`Cannot find the session folder "${folder}/sesions"`);
    expect((error as MissingFileError).hint).toContain(`${folder}/parent.yaml:2:14`);
  });
});
