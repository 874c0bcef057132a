import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { NdArray } from "../formats/array.ts";
import { writeNpy } from "../formats/npy.ts";
import { ZipWriter } from "../formats/zip-writer.ts";
import { qualityControl } from "./qc.ts";

function array(shape: number[], ...values: number[]): NdArray {
  return { dtype: "float64", shape, data: Float64Array.from(values) };
}

function writeNpz(folder: string, path: string, arrays: Record<string, NdArray>): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  const parts: Uint8Array[] = [];
  const zip = new ZipWriter((bytes) => parts.push(bytes.slice()));
  for (const [name, values] of Object.entries(arrays)) {
    writeNpy(join(folder, "array.npy"), values);
    zip.add(`${name}.npy`, readFileSync(join(folder, "array.npy")));
  }
  zip.finish();
  writeFileSync(join(folder, path), Buffer.concat(parts));
}

/** Units 3 and 8 on a probe of two channels: unit 3 is largest on the second, unit 8 on the first. */
function session(): string {
  const folder = mkdtempSync(join(tmpdir(), "qc-"));
  const cid = array([2], 3, 8);
  writeNpz(folder, "qc/refractory/refractory.npz", { min_contam_props: array([2, 2], 0.2, 0.1, 0.5, 0.6), cid });
  writeNpz(folder, "qc/amp_truncation/truncation.npz", { mpcts: array([3], 10, 30, 40), cid: array([3], 3, 3, 8) });
  const waveforms = array([2, 2, 2], 1, 0, 2, -9, -5, 1, 0, 0);
  writeNpz(folder, "qc/waveforms/waveforms.npz", { waveforms, times: array([2], -1, 1), cid });
  writeNpz(folder, "laminar/laminar.npz", { l4_depths: array([1], 400) });
  writeFileSync(
    join(folder, "ephys_metadata.json"),
    JSON.stringify({
      probe_geometry_um: [
        [0, 300],
        [0, 600],
      ],
    }),
  );
  return folder;
}

describe("qualityControl()", () => {
  test("finds units by their ids, in the order they are asked for", () => {
    const quality = qualityControl(session(), [8, 3, 0]);
    expect([...quality.contamination]).toEqual([50, 10, NaN]);
    expect([...quality.truncation]).toEqual([40, 20, NaN]);
    expect(quality.waveforms).toMatchObject({ units: 3, samples: 2, channels: 2, times: Float64Array.of(-1, 1) });
    expect([...quality.waveforms!.data]).toEqual([-5, 1, 0, 0, 1, 0, 2, -9, NaN, NaN, NaN, NaN]);
    expect([...quality.peakChannels]).toEqual([0, 1, -1]);
    expect([...quality.depthFromL4]).toEqual([-100, 200, NaN]);
    expect(Object.values(quality.reasons)).toEqual([null, null, null, null, null, null]);
  });

  test("knows nothing of a session without files, and says so", () => {
    const quality = qualityControl(mkdtempSync(join(tmpdir(), "qc-")), [1, 2]);
    expect([...quality.contamination, ...quality.truncation, ...quality.depthFromL4]).toEqual(Array(6).fill(NaN));
    expect(quality).toMatchObject({ waveforms: null, probeGeometry: null, l4Depths: null });
    expect(quality.reasons).toEqual({
      contamination: "there is no qc/refractory/refractory.npz",
      truncation: "there is no qc/amp_truncation/truncation.npz",
      waveforms: "there is no qc/waveforms/waveforms.npz",
      probeGeometry: "there is no ephys_metadata.json with probe_geometry_um",
      l4Depths: "there is no laminar/laminar.npz",
      depthFromL4: "there is no qc/waveforms/waveforms.npz",
    });
  });

  test("loses to a damaged file only what is in it", () => {
    const folder = session();
    writeNpz(folder, "qc/waveforms/waveforms.npz", { waveforms: array([2, 2], 1, 2, 3, 4) });
    writeFileSync(join(folder, "ephys_metadata.json"), '{"probe_geometry_um": [[0, 1], [2]]}');
    const { reasons, contamination, l4Depths } = qualityControl(folder, [3]);
    expect(reasons.waveforms).toContain("waveforms has shape [2, 2], expected [units, samples, channels]");
    expect(reasons.probeGeometry).toContain("probe_geometry_um must be a list of [x, y]");
    expect([...contamination, ...l4Depths!]).toEqual([10, 400]);
    writeFileSync(join(folder, "laminar/laminar.npz"), "no archive");
    expect(qualityControl(folder, [3]).reasons.l4Depths).toContain("laminar.npz");
  });

  test("tells shanks apart by where channels are, when layer 4 is known for both", () => {
    const folder = session();
    writeNpz(folder, "laminar/laminar.npz", { l4_depths: array([2], 400, 100) });
    const geometry = {
      probe_geometry_um: [
        [0, 300],
        [250, 600],
      ],
    };
    writeFileSync(join(folder, "ephys_metadata.json"), JSON.stringify(geometry));
    expect([...qualityControl(folder, [8, 3]).depthFromL4]).toEqual([-100, 500]);
    writeFileSync(join(folder, "ephys_metadata.json"), JSON.stringify({ probe_geometry_um: [[0, 300]] }));
    expect(qualityControl(folder, [8, 3]).reasons.depthFromL4).toBe(
      "probe_geometry_um has 1 channels, waveforms have channel 1",
    );
  });
});
