/**
 * @file From samples of a set to the frames of one recording.
 */
import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";

/** The samples of one stimulus type. */
export interface TypeSamples {
  /** Number of the recording in the set. */
  readonly recording: number;
  /** Which samples of the set these are, [samples]. */
  readonly positions: Int32Array;
}

/**
 * The samples of a stimulus type, in order.
 *
 * @throws UserError when there are none
 */
export function samplesOfType(set: SampleSet, type: string): TypeSamples {
  const recording = set.recordings.findIndex((candidate) => candidate.type === type);
  const positions = Int32Array.from(set.recordingOf.keys()).filter((i) => set.recordingOf[i] === recording);
  if (positions.length > 0) return { recording, positions };
  throw new UserError(`Cannot analyse "${type}" of session "${set.session}": there are no samples of it`, {
    hint: `The session has ${set.recordings.map((candidate) => candidate.type).join(", ")}.`,
  });
}

/** Rows of a table, [rows, width]. */
export function rowsAt(table: Float32Array, width: number, rows: Int32Array): Float32Array {
  const taken = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) taken.set(table.subarray(row * width, (row + 1) * width), i * width);
  return taken;
}

/** Rows of samples at their frames in the recording, [frames, width]; 0 in frames without a sample. */
export function scatterRows(rows: Float32Array, width: number, frameOf: Int32Array, frames: number): Float32Array {
  const table = new Float32Array(frames * width);
  for (const [i, frame] of frameOf.entries()) table.set(rows.subarray(i * width, (i + 1) * width), frame * width);
  return table;
}

/** Share of units for which a frame is valid, [frames]. */
export function frameValidity(set: SampleSet, recording: number): Float64Array {
  const { frames, dfs, dfsColumns } = set.arrays(recording);
  return Float64Array.from({ length: frames }, (_, frame) => {
    let sum = 0;
    for (let column = 0; column < dfsColumns; column++) sum += dfs[frame * dfsColumns + column]!;
    return sum / dfsColumns;
  });
}
