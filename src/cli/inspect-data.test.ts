import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadDatasetConfigs } from "../config/dataset.ts";
import { prepareSession } from "../data/prepare.ts";
import { synthesize } from "../data/synthetic/population.ts";
import { formatDataReport, inspectData } from "./inspect-data.ts";

let folder: string;
let dataset: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "inspect-data-"));
  ({ dataset } = await synthesize({ out: folder, preset: "tiny", seed: 3 }));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("inspectData()", () => {
  test("counts what preparation gives, without reading a stimulus", () => {
    const { sessions, failures } = inspectData(dataset);
    expect(failures).toEqual([]);
    for (const [i, config] of loadDatasetConfigs(dataset).sessions.entries()) {
      const { train, val } = prepareSession(config);
      const report = sessions[i]!;
      expect(report).toMatchObject({ session: config.session, units: 6, rateHz: 120, droppedTypes: [] });
      const sum = (value: (type: (typeof report.types)[number]) => number) =>
        report.types.reduce((total, type) => total + value(type), 0);
      expect(sum(({ samples }) => samples.train)).toBe(train.length);
      expect(sum(({ samples }) => samples.val)).toBe(val.length);
      const counts = train.recordings.map((_, recording) => train.arrays(recording));
      expect(sum(({ spikes }) => spikes)).toBe(counts.flatMap(({ robs }) => [...robs]).reduce((a, b) => a + b, 0));
      expect(report.memory.stimulus).toBe(counts.reduce((bytes, { stim }) => bytes + stim!.length, 0));
      expect(report.types.every(({ trials }) => trials.train + trials.val === trials.all)).toBe(true);
    }
  });

  test("goes on after a session that cannot be used, and names it", () => {
    const parent = join(folder, "with-missing.yaml");
    const text = readFileSync(dataset, "utf8").replace("Synth_2024-01-01", "Synth_2023-12-31");
    writeFileSync(parent, text);
    const session = readFileSync(join(folder, "sessions", "Synth_2024-01-01.yaml"), "utf8");
    writeFileSync(join(folder, "sessions", "Synth_2023-12-31.yaml"), session.replace("2024-01-01", "2023-12-31"));
    const report = inspectData(parent);
    expect(report.sessions).toHaveLength(1);
    expect(report.failures).toEqual([
      { session: "Synth_2023-12-31", problem: expect.stringContaining("Synth_2023-12-31") },
    ]);
    expect(formatDataReport(report)).toContain("1 of 2 sessions cannot be used:\nSynth_2023-12-31: ");
  });

  test("takes doubts for failures when strict", () => {
    const { sessions, failures } = inspectData(dataset, { strict: true });
    expect(sessions).toEqual([]);
    expect(failures.map(({ problem }) => problem)).toEqual(
      Array(2).fill(expect.stringContaining("frames that are yet to come (temporal_basis, causal: false)")),
    );
  });
});

describe("formatDataReport()", () => {
  test("has a table per session, what to look at, and a total", () => {
    const text = formatDataReport(inspectData(dataset, { maxDatasets: 1 }));
    expect(text).toMatch(/^Synth_2024-01-01 {2}6 units, 15 x 15 pixels, 120 Hz, rates [\d.]+ to [\d.]+ Hz, median/);
    expect(text).toMatch(/\nbackimage +\d+ s +6 +\d +\d/);
    expect(text).toMatch(/filters of backimage: valid_nlags passes [\d.]+ %, missing_pct passes/);
    expect(text).toMatch(/\nlook at: /);
    expect(text.split("\n").at(-1)).toMatch(/^in all: 1 sessions, 6 units, .* spikes, stimuli .*, the rest /);
  });
});
