/**
 * @file The golden sessions: recordings in `raw/`, and the missing-spike percentages that belong to them.
 */
import { join } from "node:path";
import { interpolatedMissingPct } from "../data/missing-pct.ts";
import type { Recording } from "../data/recording.ts";
import { openRecording } from "../data/recording-files.ts";
import type { Session } from "../data/session.ts";
import { toFloat64 } from "../formats/array.ts";
import { readGolden } from "./golden.ts";

/** A golden session. Its percentages are interpolated between golden knots. */
export function goldenSession(folder: string, name: string): Session {
  const golden = readGolden(folder, "missing_pct");
  const times = toFloat64(golden.tensor(`${name}/knot_times`));
  const knots = golden.tensor(`${name}/knot_values`);
  const values = toFloat64(knots);
  const units = knots.shape[1]!;
  const curves = Array.from({ length: units }, (_, unit) => {
    const ofUnit = values.filter((_, i) => i % units === unit);
    return [unit, { times, values: ofUnit }] as const;
  });
  return {
    name,
    open: (type) => openRecording(join(folder, "raw", name), type, name),
    types: () => [],
    missingPct: interpolatedMissingPct(new Map(curves)),
  };
}

/** A golden recording. */
export function goldenRecording(folder: string, session: string, type: string): Recording {
  return openRecording(join(folder, "raw", session), type, session)!;
}
