import { describe, expect, test } from "vitest";
import { formatRecording, inspectRecordings } from "./inspect-recording.ts";

const FOLDER = "test/fixtures/cli";

describe("inspectRecordings()", () => {
  test("counts frames, trials and spikes of a .dset", () => {
    const [summary] = inspectRecordings(`${FOLDER}/gaborium.dset`);
    expect(summary).toMatchObject({ type: "gaborium", rateHz: 240 });
    expect(summary!.columns.map(({ key }) => key)).toContain("robs");
    expect(summary!.units!.length).toBe(summary!.columns.find(({ key }) => key === "robs")!.shape[1]);
    expect(summary!.units!.some(({ spikes }) => spikes > 0)).toBe(true);
    expect(formatRecording(summary!)).toMatch(
      /^test\/fixtures\/cli\/gaborium: \d+ frames, 240 Hz, [\d.]+ s, \d+ trials/,
    );
  });

  test("compares with stated digests when asked to", () => {
    const [summary] = inspectRecordings(`${FOLDER}/gaborium.dset`, { verify: true });
    expect(summary!.verified).toBe("crc32");
    expect(formatRecording(summary!)).toContain("every tensor has the checksum that the file states");
  });

  test("finds the recordings of a folder", () => {
    expect(inspectRecordings(FOLDER).map(({ type }) => type)).toEqual(["gaborium"]);
  });

  test("refuses what is no recording", () => {
    expect(() => inspectRecordings("package.json")).toThrow("recording");
    expect(() => inspectRecordings("README.nowhere")).toThrow("no such file");
    expect(() => inspectRecordings("src/cli")).toThrow("no .dset or .safetensors");
  });
});
