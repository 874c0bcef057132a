import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { NdArray } from "../formats/array.ts";
import { writeNpy } from "../formats/npy.ts";
import { ZipWriter } from "../formats/zip-writer.ts";
import { interpolatedMissingPct } from "./missing-pct.ts";
import { writeRecording } from "./recording-files.ts";
import { fakeRecording } from "./session.fake.ts";
import { openSession } from "./session.ts";

const LOCATION = { session: "Fake_2020-01-01", lab: "yates", eye: "right" } as const;

function dataFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "visioncore-session-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  mkdirSync(join(path, LOCATION.session));
  return path;
}

function float64(values: number[], shape = [values.length]): NdArray {
  return { dtype: "float64", shape, data: Float64Array.from(values) };
}

function writeNpz(path: string, arrays: Record<string, NdArray>): void {
  const parts: Uint8Array[] = [];
  const writer = new ZipWriter((bytes) => parts.push(bytes));
  for (const [name, array] of Object.entries(arrays)) {
    writeNpy(`${path}.part`, array);
    writer.add(`${name}.npy`, readFileSync(`${path}.part`));
  }
  writer.finish();
  writeFileSync(path, Buffer.concat(parts));
}

describe("openSession()", () => {
  test("finds recordings beside the session and below datasets", () => {
    const data = dataFolder();
    const root = join(data, LOCATION.session);
    writeRecording(root, fakeRecording("gaborium"));
    writeRecording(join(root, "datasets"), fakeRecording("backimage"));
    const session = openSession(data, LOCATION);
    expect(session.types()).toEqual(["backimage", "gaborium"]);
    expect(session.open("backimage")!.name).toBe("Fake_2020-01-01/backimage");
    expect(session.open("gratings")).toBeNull();
    expect(session.missingPct).toBeUndefined();
  });

  test("takes the recordings of the chosen eye for rowley", () => {
    const data = dataFolder();
    const datasets = join(data, LOCATION.session, "datasets");
    writeRecording(join(datasets, "left_eye"), fakeRecording("gaborium", { frames: 60 }));
    writeRecording(join(datasets, "right_eye"), fakeRecording("gaborium", { frames: 70 }));
    expect(openSession(data, { ...LOCATION, lab: "rowley", eye: "left" }).open("gaborium")).toHaveLength(60);
    expect(openSession(data, { ...LOCATION, lab: "rowley" }).open("gaborium")).toHaveLength(70);
  });

  test("suggests the closest session for a missing one", () => {
    const data = dataFolder();
    expect(() => openSession(data, { ...LOCATION, session: "Fake_2020-01-02" })).toThrow(
      expect.objectContaining({ name: "UserError", hint: 'Did you mean "Fake_2020-01-01"?' }),
    );
    expect(() => openSession(join(data, "nowhere"), LOCATION)).toThrow("there is no folder");
  });

  test("interpolates missing spikes between the windows of a truncation analysis", () => {
    const data = dataFolder();
    const root = join(data, LOCATION.session);
    mkdirSync(join(root, "qc", "amp_truncation"), { recursive: true });
    mkdirSync(join(root, "spikes"));
    // Unit 4 fires every 10 s from 0 s on; its windows of 3 spikes are centred on 10 s and 30 s.
    const times = [0, 5, 10, 20, 30, 40];
    writeNpy(join(root, "spikes", "spike_times.npy"), float64(times));
    writeNpy(join(root, "spikes", "spike_clusters.npy"), float64([4, 9, 4, 4, 4, 4]));
    const truncation = join(root, "qc", "amp_truncation", "truncation.npz");
    const write = (lastSpike: number) =>
      writeNpz(truncation, {
        cid: float64([4, 4]),
        window_blocks: float64([2, lastSpike, 0, 3], [2, 2]),
        mpcts: float64([60, 20]),
      });
    write(5);
    const { missingPct } = openSession(data, LOCATION);
    expect([...missingPct!(4, Float64Array.of(0, 10, 15, 20, 30, 99))]).toEqual([20, 20, 30, 40, 60, 60]);
    expect([...missingPct!(5, Float64Array.of(0, 10))]).toEqual([0, 0]);

    expect(openSession(data, LOCATION).quality([4, 5])).toEqual({
      missingPct: Float64Array.of(40, Number.NaN),
      contaminationPct: undefined,
    });

    write(2);
    expect(() => openSession(data, LOCATION).missingPct!(4, Float64Array.of(0))).toThrow(
      "window 0 of unit 4 spans spikes 2 to 2",
    );
    rmSync(join(root, "spikes", "spike_times.npy"));
    expect(() => openSession(data, LOCATION).missingPct!(4, Float64Array.of(0))).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("missing_pct") }),
    );
  });
});

describe("quality() of a session", () => {
  test("takes the smallest contamination over the refractory periods, by row or by id", () => {
    const data = dataFolder();
    const folder = join(data, LOCATION.session, "qc", "refractory");
    mkdirSync(folder, { recursive: true });
    const props = float64([0.5, 0.1, Number.NaN, 0.2, Number.NaN, Number.NaN], [3, 2]);
    writeNpz(join(folder, "refractory.npz"), { min_contam_props: props });
    const contamination = (cids: number[]) => [...openSession(data, LOCATION).quality(cids).contaminationPct!];
    expect(contamination([1, 0, 2, 7])).toEqual([20, 10, Number.NaN, Number.NaN]);
    writeNpz(join(folder, "refractory.npz"), { min_contam_props: props, cid: float64([98, 7, 3]) });
    expect(contamination([7, 98, 1])).toEqual([20, 10, Number.NaN]);
    writeNpz(join(folder, "refractory.npz"), { min_contam_props: float64([1, 2]) });
    expect(() => contamination([0])).toThrow("expected [units, periods]");
  });

  test("knows nothing without files", () => {
    expect(openSession(dataFolder(), LOCATION).quality([0])).toEqual({
      missingPct: undefined,
      contaminationPct: undefined,
    });
  });
});

test("interpolatedMissingPct() keeps unknown times unknown", () => {
  const curve = { times: Float64Array.of(1, 2), values: Float64Array.of(10, 30) };
  const missingPct = interpolatedMissingPct(new Map([[0, curve]]));
  expect([...missingPct(0, Float64Array.of(Number.NaN, 1.25))]).toEqual([Number.NaN, 15]);
});
