/**
 * @file Where units lie: on the probe, and relative to layer 4 of the cortex (evaluation specification, section 10).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { toFloat64 } from "../formats/array.ts";
import { openNpz } from "../formats/npz.ts";
import type { UnitWaveforms } from "./qc-waveforms.ts";

/** Channels to the right of this belong to the second shank, µm. */
const SECOND_SHANK_X = 100;

/** The files about the probe below a session's folder. */
export function probePaths(sessionFolder: string): { geometry: string; laminar: string } {
  return {
    geometry: join(sessionFolder, "ephys_metadata.json"),
    laminar: join(sessionFolder, "laminar", "laminar.npz"),
  };
}

/**
 * Positions of the channels of a session's probe, [channels, 2] µm: x across, y along the probe.
 *
 * @throws UserError when the file is missing or cannot be used
 */
export function readProbeGeometry(sessionFolder: string): Float64Array {
  const path = probePaths(sessionFolder).geometry;
  if (!existsSync(path)) throw new UserError("there is no ephys_metadata.json with probe_geometry_um");
  let positions: unknown;
  try {
    positions = (JSON.parse(readFileSync(path, "utf8")) as { probe_geometry_um?: unknown } | null)?.probe_geometry_um;
  } catch (cause) {
    throw new UserError(`Cannot read "${path}": ${(cause as Error).message}`, { cause });
  }
  const isPosition = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
  if (Array.isArray(positions) && positions.length > 0 && positions.every(isPosition)) {
    return Float64Array.from(positions.flat());
  }
  throw new UserError(`Cannot use "${path}": probe_geometry_um must be a list of [x, y] in µm, one for every channel`);
}

/**
 * Depth of layer 4 on every shank, µm, [shanks].
 *
 * @throws UserError when the file is missing or cannot be used
 */
export function readLayer4Depths(sessionFolder: string): Float64Array {
  const path = probePaths(sessionFolder).laminar;
  if (!existsSync(path)) throw new UserError("there is no laminar/laminar.npz");
  const file = openNpz(path);
  try {
    return toFloat64(file.read("l4_depths"));
  } finally {
    file.close();
  }
}

/** Channel on which a unit's waveform is largest, up or down, [units]; −1 for a unit without a waveform. */
export function peakChannels({ units, samples, channels, data }: UnitWaveforms): Int32Array {
  return Int32Array.from({ length: units }, (_, unit) => {
    let [best, largest] = [-1, Number.NEGATIVE_INFINITY];
    for (let i = 0; i < samples * channels; i++) {
      const size = Math.abs(data[unit * samples * channels + i]!);
      if (size > largest) [best, largest] = [i % channels, size];
    }
    return best;
  });
}

/**
 * Depth of units less the depth of layer 4 on their shank, µm, [units]; NaN for a unit without a channel, and on a shank whose
 * layer 4 is not known. A probe with one depth has one shank.
 *
 * @param channels of {@link peakChannels}
 * @param geometry of {@link readProbeGeometry}
 * @param l4Depths of {@link readLayer4Depths}
 * @throws UserError when the probe has fewer channels than the waveforms
 */
export function depthsFromLayer4(channels: Int32Array, geometry: Float64Array, l4Depths: Float64Array): Float64Array {
  return Float64Array.from(channels, (channel) => {
    if (channel < 0) return Number.NaN;
    const [x, y] = [geometry[2 * channel], geometry[2 * channel + 1]];
    if (x === undefined || y === undefined) {
      throw new UserError(`probe_geometry_um has ${geometry.length / 2} channels, waveforms have channel ${channel}`);
    }
    const shank = l4Depths.length === 1 || x < SECOND_SHANK_X ? 0 : 1;
    return y - (l4Depths[shank] ?? Number.NaN);
  });
}
