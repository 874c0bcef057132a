/**
 * @file How well the units of a session were isolated, and where they lie on the probe (evaluation specification, section
 * 10). One record per session: probes and their depths differ between sessions (E-09).
 */

import { readContaminationPct, readMissingPct } from "../data/unit-quality.ts";
import { UserError } from "../errors.ts";
import { depthsFromLayer4, peakChannels, readLayer4Depths, readProbeGeometry } from "./qc-probe.ts";
import { readWaveforms, type UnitWaveforms } from "./qc-waveforms.ts";

/** Quality of the units of one session, in the order in which they were asked for; NaN where nothing is known of one. */
export interface QualityControl {
  /** Units by their ids, [units]. */
  cids: readonly number[];
  /** Share of spikes of other units, percent, [units]. */
  contamination: Float64Array;
  /** Share of spikes below the detection threshold, percent, [units]. */
  truncation: Float64Array;
  waveforms: UnitWaveforms | null;
  /** Positions of the probe's channels, [channels, 2] µm; null when unknown. */
  probeGeometry: Float64Array | null;
  /** Depth of layer 4 on every shank, µm; null when unknown. */
  l4Depths: Float64Array | null;
  /** Channel with the largest waveform of every unit, [units]; −1 where unknown. */
  peakChannels: Int32Array;
  /** Depth of that channel less the depth of layer 4 on its shank, µm, [units]. */
  depthFromL4: Float64Array;
  /** Why a part is not known, null where it is. */
  reasons: Readonly<Record<QualityPart, string | null>>;
}

/** What can be missing. */
export type QualityPart = "contamination" | "truncation" | "waveforms" | "probeGeometry" | "l4Depths" | "depthFromL4";

/**
 * Reads what spike sorting and histology left in a session's folder:
 *
 * ```
 * qc/refractory/refractory.npz       min_contam_props [units, periods], optionally cid [units]
 * qc/amp_truncation/truncation.npz   mpcts [windows], cid [windows]
 * qc/waveforms/waveforms.npz         waveforms [units, samples, channels], times [samples], optionally cid [units]
 * laminar/laminar.npz                l4_depths [shanks], µm
 * ephys_metadata.json                probe_geometry_um, a list of [x, y]
 * ```
 *
 * Units are found by their ids where a file lists them, else by their position (E-30). A file that is missing or damaged
 * costs only what is in it; `reasons` says so.
 *
 * @param cids ids of the units
 */
export function qualityControl(sessionFolder: string, cids: readonly number[]): QualityControl {
  const contamination = present(
    () => readContaminationPct(sessionFolder, cids),
    "there is no qc/refractory/refractory.npz",
  );
  const truncation = present(() => readMissingPct(sessionFolder, cids), "there is no qc/amp_truncation/truncation.npz");
  const waveforms = attempt(() => readWaveforms(sessionFolder, cids));
  const geometry = attempt(() => readProbeGeometry(sessionFolder));
  const layer4 = attempt(() => readLayer4Depths(sessionFolder));
  const unknown = () => new Float64Array(cids.length).fill(Number.NaN);
  const channels = waveforms.value === null ? new Int32Array(cids.length).fill(-1) : peakChannels(waveforms.value);
  const depths = attempt(() => {
    const lacking = waveforms.reason ?? geometry.reason ?? layer4.reason;
    if (lacking !== null) throw new UserError(lacking);
    return depthsFromLayer4(channels, geometry.value!, layer4.value!);
  });
  return {
    cids,
    contamination: contamination.value ?? unknown(),
    truncation: truncation.value ?? unknown(),
    waveforms: waveforms.value,
    probeGeometry: geometry.value,
    l4Depths: layer4.value,
    peakChannels: channels,
    depthFromL4: depths.value ?? unknown(),
    reasons: {
      contamination: contamination.reason,
      truncation: truncation.reason,
      waveforms: waveforms.reason,
      probeGeometry: geometry.reason,
      l4Depths: layer4.reason,
      depthFromL4: depths.reason,
    },
  };
}

/** Something that was read, or why it was not. */
type Attempt<Value> = { value: Value; reason: null } | { value: null; reason: string };

/** Defects of the program are not reasons: they pass. */
function attempt<Value>(read: () => Value): Attempt<Value> {
  try {
    return { value: read(), reason: null };
  } catch (error) {
    if (error instanceof UserError) return { value: null, reason: error.message };
    throw error;
  }
}

/** What a reader finds, or that there is no such file. */
function present<Value>(read: () => Value | undefined, missing: string): Attempt<Value> {
  const found = attempt(read);
  if (found.reason !== null) return found;
  return found.value === undefined ? { value: null, reason: missing } : { value: found.value, reason: null };
}
