/**
 * @file Grey levels kept on the device that computes: a batch then sends only which frames it shows (data specification,
 * section 17.3).
 */
import { type Tensor, tensor, zeros } from "../torch/index.ts";
import type { Recording } from "./recording.ts";
import type { SampleSet } from "./samples.ts";

/** Stimuli on a device, as many sessions as fit a budget. Sets of the same recordings share them. */
export class ResidentStimuli {
  /** Bytes on the device. */
  bytes = 0;
  readonly #device: string;
  readonly #budget: number;
  readonly #stored = new Map<Recording, Tensor>();

  /** @param budget bytes that may lie on the device */
  constructor(device: string, budget: number) {
    this.#device = device;
    this.#budget = budget;
  }

  /**
   * Frames of all recordings of a session one after the other, uint8 [frames, values]; undefined when they are not uint8 or
   * do not fit any more.
   */
  of({ recordings }: SampleSet): Tensor | undefined {
    const [first] = recordings;
    const known = first && this.#stored.get(first);
    if (known !== undefined) return known;
    const parts = recordings.map((recording) => (recording.has("stim") ? recording.get("stim") : undefined));
    let frames = 0;
    let bytes = 0;
    for (const part of parts) {
      if (part?.dtype !== "uint8") return undefined;
      frames += part.shape[0]!;
      bytes += part.data.length;
    }
    if (first === undefined || this.bytes + bytes > this.#budget) return undefined;
    const all = zeros([frames, bytes / frames], { dtype: "uint8", device: this.#device }).keep();
    let row = 0;
    for (const part of parts) {
      const count = part!.shape[0]!;
      const source = tensor(part!.data as Uint8Array, [count, bytes / frames]);
      const target = all.slice(0, row, row + count);
      target.copy_(source);
      for (const used of [source, target]) used.dispose();
      row += count;
    }
    this.bytes += bytes;
    this.#stored.set(first, all);
    return all;
  }

  /** Frees the device's memory. */
  dispose(): void {
    for (const stored of this.#stored.values()) stored.dispose();
    this.#stored.clear();
    this.bytes = 0;
  }
}

/** Which stimuli lie on a GPU: those of all sessions, of none, as many as leave room for training, or of so many bytes. */
export type OnDevice = "auto" | "always" | "never" | number;

/** Share of the free memory of a GPU that stimuli may take: training needs the rest. */
const AUTOMATIC_SHARE = 0.5;
/** Where the free memory is not known. */
const AUTOMATIC_BYTES = 4 * 2 ** 30;

/**
 * Bytes of stimuli that may lie on a device.
 *
 * @param free bytes of the device that nobody uses, null when unknown
 */
export function deviceBudget(device: string, choice: OnDevice, free: number | null): number {
  if (typeof choice === "number") return choice;
  if (choice === "always") return Number.POSITIVE_INFINITY;
  if (choice === "never" || device === "cpu") return 0;
  return free === null ? AUTOMATIC_BYTES : free * AUTOMATIC_SHARE;
}

/** Row of each recording's first frame in {@link ResidentStimuli.of}, [recordings]. */
export function firstRows({ recordings }: SampleSet): Int32Array {
  let row = 0;
  return Int32Array.from(recordings, ({ length }) => {
    row += length;
    return row - length;
  });
}
