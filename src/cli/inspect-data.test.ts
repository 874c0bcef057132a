import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { loadDatasetConfigs } from "../config/dataset.ts";
import { prepareSession } from "../data/prepare.ts";
import { synthesize } from "../data/synthetic/population.ts";
import { formatDataReport, inspectData, isUsable } from "./inspect-data.ts";

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

  test("compares the bytes of every recording with their digests when asked to", () => {
    expect(inspectData(dataset, { maxDatasets: 1 }).sessions[0]!.verified).toBeNull();
    const [session] = inspectData(dataset, { maxDatasets: 1, verify: true }).sessions;
    expect(new Set(Object.values(session!.verified!))).toEqual(new Set(["sha256"]));
    expect(formatDataReport({ sessions: [session!], failures: [], warnings: [], strict: false })).toContain(
      "backimage has its SHA-256",
    );

    const path = join(folder, "Synth_2024-01-01", "backimage.json");
    const intact = readFileSync(path, "utf8");
    onTestFinished(() => writeFileSync(path, intact));
    writeFileSync(path, intact.replace(/"robs": "../, '"robs": "00'));
    expect(inspectData(dataset, { maxDatasets: 1, verify: true }).failures).toEqual([
      { session: "Synth_2024-01-01", problem: expect.stringContaining("the bytes of robs do not have the SHA-256") },
    ]);
    expect(inspectData(dataset, { maxDatasets: 1 }).failures).toEqual([]);
  });

  test("takes a damaged file about the units' quality for a warning", () => {
    const qc = join(folder, "Synth_2024-01-01", "qc");
    mkdirSync(join(qc, "refractory"), { recursive: true });
    onTestFinished(() => rmSync(qc, { recursive: true }));
    writeFileSync(join(qc, "refractory", "refractory.npz"), "no zip");
    const report = inspectData(dataset, { maxDatasets: 1 });
    expect(report.failures).toEqual([]);
    expect(report.sessions[0]!.warnings).toEqual([expect.stringContaining("refractory.npz")]);
  });

  test("takes doubts for failures when strict", () => {
    const lenient = inspectData(dataset);
    const strict = inspectData(dataset, { strict: true });
    expect([isUsable(lenient), isUsable(strict)]).toEqual([true, false]);
    expect(strict.sessions).toEqual(lenient.sessions);
    expect(formatDataReport(strict)).toMatch(
      /refused by the strict checks .*\n {2}future, 2 of 2 sessions: Synth_2024-01-01: transform eye_vel shows behavior/,
    );
  });
});

describe("formatDataReport()", () => {
  test("has a table per session, what to look at, and a total", () => {
    const text = formatDataReport(inspectData(dataset, { maxDatasets: 1 }));
    expect(text).toMatch(/^Synth_2024-01-01 {2}6 units, 15 x 15 pixels, 120 Hz, rates [\d.]+ to [\d.]+ Hz, median/);
    expect(text).toMatch(/\nbackimage +\d+ s +\d+ +6 +\d\/\d +\d+ +\d+\/\d+ +[\d.]+ % +\d+\n/);
    expect(text).toMatch(/filters of backimage: valid_nlags passes [\d.]+ %, missing_pct passes/);
    expect(text).toMatch(/\nlook at: future, .*half_valid_bins/);
    expect(text).toMatch(/\n {2}half_valid_bins, 1 of 1 sessions: .* Set strict_validity: true/);
    expect(text.split("\n").at(-1)).toMatch(
      /^in all: 1 sessions, 6 units, 0\.\d minutes, .* spikes, stimuli .*, the rest /,
    );
  });
});
