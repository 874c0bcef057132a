/**
 * @file Random recordings of any size for benchmarks, written piece by piece.
 */

import { join } from "node:path";
import { writeFileAtomic } from "../src/formats/atomic.ts";
import { makeFolder } from "../src/formats/folder.ts";
import { createSafetensorsWriter } from "../src/formats/safetensors.ts";

/** What {@link writeRandomRecording} makes. */
export interface RandomRecording {
  type: string;
  frames: number;
  units: number;
  /** Pixels per side. */
  size: number;
}

/** Frames of a trial: four seconds at 240 Hz. */
const TRIAL = 960;

/** Writes `<folder>/<type>.safetensors`: random pixels, one spike in eight frames, gaze on a circle, trials of four seconds. */
export function writeRandomRecording(folder: string, { type, frames, units, size }: RandomRecording): void {
  makeFolder(folder);
  const declared = {
    t_bins: { dtype: "float64", shape: [frames] },
    trial_inds: { dtype: "int64", shape: [frames] },
    dpi_valid: { dtype: "float64", shape: [frames] },
    eyepos: { dtype: "float64", shape: [frames, 2] },
    robs: { dtype: "float32", shape: [frames, units] },
    stim: { dtype: "uint8", shape: [frames, size, size] },
  } as const;
  const noise = Uint8Array.from({ length: TRIAL * size * size }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 24) & 255);
  using writer = createSafetensorsWriter(join(folder, `${type}.safetensors`), new Map(Object.entries(declared)));
  for (const key of writer.order) {
    for (let start = 0; start < frames; start += TRIAL) {
      const rows = Math.min(TRIAL, frames - start);
      const at = (value: (frame: number) => number) => Float64Array.from({ length: rows }, (_, i) => value(start + i));
      const trial = BigInt(start / TRIAL);
      switch (key) {
        case "t_bins":
          writer.append(key, { dtype: "float64", shape: [rows], data: at((t) => (t + 0.5) / 240) });
          break;
        case "trial_inds":
          writer.append(key, { dtype: "int64", shape: [rows], data: new BigInt64Array(rows).fill(trial) });
          break;
        case "dpi_valid":
          writer.append(key, { dtype: "float64", shape: [rows], data: at(() => 1) });
          break;
        case "eyepos": {
          const gaze = Float64Array.from({ length: rows * 2 }, (_, i) => Math.sin((start * 2 + i) / 70 + (i % 2)));
          writer.append(key, { dtype: "float64", shape: [rows, 2], data: gaze });
          break;
        }
        case "robs": {
          const counts = Float32Array.from({ length: rows * units }, (_, i) =>
            noise[(i * 7 + start) % noise.length]! < 32 ? 1 : 0,
          );
          writer.append(key, { dtype: "float32", shape: [rows, units], data: counts });
          break;
        }
        default:
          writer.append(key, {
            dtype: "uint8",
            shape: [rows, size, size],
            data: noise.subarray(0, rows * size * size),
          });
      }
    }
  }
  writer.finish();
  const header = { schema: 1, name: type, frames, units, rate_hz: 240, key_order: Object.keys(declared), source: null };
  writeFileAtomic(join(folder, `${type}.json`), JSON.stringify({ ...header, metadata: {} }));
}
