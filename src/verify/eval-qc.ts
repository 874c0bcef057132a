/**
 * @file Golden quality control: the arrays of a session written as its files, and read again (evaluation specification,
 * section 10).
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { qualityControl } from "../eval/qc.ts";
import { toFloat64 } from "../formats/array.ts";
import { writeNpy } from "../formats/npy.ts";
import { ZipWriter } from "../formats/zip-writer.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

interface QualityGolden {
  tensors: Record<string, { atol?: number; rtol?: number }>;
}

/** `qc_metrics`. */
export function verifyQuality(folder: string): CaseResult[] {
  return [runCase("qc_metrics", (compare) => compareQuality(readGolden(folder, "qc_metrics"), compare))];
}

function compareQuality(golden: GoldenFile<QualityGolden>, compare: Comparison): void {
  const session = mkdtempSync(join(tmpdir(), "visioncore-qc-"));
  try {
    writeSession(golden, session);
    const quality = qualityControl(session, [...toFloat64(golden.tensor("in.cids"))]);
    const close = (tensor: string, values: Float64Array) => {
      const { atol = 0, rtol = 0 } = golden.json.tensors[tensor]!;
      compare.close(tensor, values, toFloat64(golden.tensor(tensor)), { atol, rtol });
    };
    close("out.contamination", quality.contamination);
    close("out.truncation", quality.truncation);
    close("out.waveforms", quality.waveforms?.data ?? new Float64Array());
    close("ind.depth_rel_l4", quality.depthFromL4);
    compare.exact("times", quality.waveforms?.times ?? [], golden.tensor("in.wave_times").data as Float64Array);
  } finally {
    rmSync(session, { recursive: true });
  }
}

function writeSession(golden: GoldenFile<QualityGolden>, session: string): void {
  const files: [path: string, arrays: Record<string, string>][] = [
    ["qc/refractory/refractory.npz", { min_contam_props: "in.min_contam_props" }],
    ["qc/amp_truncation/truncation.npz", { mpcts: "in.mpcts", cid: "in.truncation_cid" }],
    ["qc/waveforms/waveforms.npz", { waveforms: "in.waveforms", times: "in.wave_times" }],
    ["laminar/laminar.npz", { l4_depths: "in.l4_depths" }],
  ];
  const scratch = join(session, "array.npy");
  for (const [path, arrays] of files) {
    mkdirSync(dirname(join(session, path)), { recursive: true });
    const parts: Uint8Array[] = [];
    const zip = new ZipWriter((bytes) => parts.push(bytes.slice()));
    for (const [name, tensor] of Object.entries(arrays)) {
      writeNpy(scratch, golden.tensor(tensor));
      zip.add(`${name}.npy`, readFileSync(scratch));
    }
    zip.finish();
    writeFileSync(join(session, path), Buffer.concat(parts));
  }
  const geometry = toFloat64(golden.tensor("in.probe_geometry"));
  const positions = Array.from({ length: geometry.length / 2 }, (_, i) => [geometry[2 * i], geometry[2 * i + 1]]);
  writeFileSync(join(session, "ephys_metadata.json"), JSON.stringify({ probe_geometry_um: positions }));
}
