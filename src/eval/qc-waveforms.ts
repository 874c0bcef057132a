/**
 * @file Mean spike waveforms of units (evaluation specification, section 10).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { toFloat64 } from "../formats/array.ts";
import { openNpz } from "../formats/npz.ts";

/** Mean waveforms on all channels of the probe. */
export interface UnitWaveforms {
  units: number;
  samples: number;
  channels: number;
  /** In the units of the file, [units, samples, channels]; NaN for a unit that the file does not have. */
  data: Float64Array;
  /** Of the samples, as the file has them; numbered when it does not. */
  times: Float64Array;
}

/** The file of waveforms below a session's folder. */
export function waveformPath(sessionFolder: string): string {
  return join(sessionFolder, "qc", "waveforms", "waveforms.npz");
}

/**
 * Reads the waveforms of units.
 *
 * @param cids ids of the units
 * @throws UserError when the file is missing or cannot be used
 */
export function readWaveforms(sessionFolder: string, cids: readonly number[]): UnitWaveforms {
  const path = waveformPath(sessionFolder);
  if (!existsSync(path)) throw new UserError("there is no qc/waveforms/waveforms.npz");
  const file = openNpz(path);
  try {
    const waveforms = file.array("waveforms");
    const [rows, samples, channels] = waveforms.shape;
    if (waveforms.shape.length !== 3) {
      throw new UserError(
        `Cannot use "${path}": waveforms has shape [${waveforms.shape.join(", ")}], expected [units, samples, channels]`,
      );
    }
    const ids = file.names.includes("cid") ? [...toFloat64(file.read("cid"))] : undefined;
    const times = file.names.includes("times")
      ? toFloat64(file.read("times"))
      : Float64Array.from({ length: samples! }, (_, sample) => sample);
    if (times.length !== samples) {
      throw new UserError(`Cannot use "${path}": ${times.length} times for waveforms of ${samples} samples`);
    }
    const data = new Float64Array(cids.length * samples * channels!).fill(Number.NaN);
    for (const [unit, cid] of cids.entries()) {
      const row = ids === undefined ? cid : ids.indexOf(cid);
      if (!(row >= 0 && row < rows!)) continue;
      data.set(toFloat64(waveforms.readRows(row, row + 1)), unit * samples * channels!);
    }
    return { units: cids.length, samples, channels: channels!, data, times };
  } finally {
    file.close();
  }
}
