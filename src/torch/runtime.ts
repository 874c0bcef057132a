/**
 * @file Threads, devices and numeric switches of the process.
 */

import { UserError } from "../errors.ts";
import { native } from "./native.ts";

/** Version of the libtorch in use, such as "2.13.0". */
export function libtorchVersion(): string {
  return native().version();
}

/** Threads that one operator may use, in the calling thread. */
export function getNumThreads(): number {
  return native().threads();
}
export function setNumThreads(count: number): void {
  native().setThreads(count);
}

/** Number of CUDA devices this libtorch can use. */
export function cudaDeviceCount(): number {
  return native().deviceCount();
}

/** Waits until a device has finished its queue. Nothing to wait for on the CPU. */
export function synchronize(device: string): void {
  if (device !== "cpu") native().synchronize(device);
}

/** Bytes that the device's allocator has handed out now and at most, or null where nobody counts. */
export function deviceMemory(device: string): { allocated: number; peak: number } | null {
  return device === "cpu" ? null : native().deviceMemory(device);
}

/** Bytes of a GPU that nobody uses; null for the CPU and where this libtorch cannot tell. */
export function freeDeviceMemory(device: string): number | null {
  return device === "cpu" ? null : native().freeDeviceMemory(device);
}

/**
 * Gives CPU memory that freed tensors left behind back to the system. The addon keeps large blocks for the next step, which
 * is what makes steps fast; call this when a long-lived process is done with a model.
 */
export function releaseMemory(): void {
  native().releaseMemory();
}

/** Numeric switches: TF32 products, cuDNN autotuning, deterministic algorithms, oneDNN on the CPU. */
export function setFlag(name: "tf32" | "cudnn_benchmark" | "deterministic" | "mkldnn", on: boolean): void {
  native().setFlag(name, on);
}

/**
 * Checks a device name from the command line: "cpu", "cuda", "cuda:1", or a bare GPU index such as "0".
 *
 * @returns the full name, such as "cuda:0"
 * @throws UserError for an unknown name, or when CUDA is asked for and not there
 */
export function parseDevice(text: string): string {
  if (text === "cpu") return "cpu";
  const match = /^(?:cuda(?::(\d+))?|(\d+))$/.exec(text);
  if (!match) throw new UserError(`Unknown device "${text}"`, { hint: 'Use "cpu", "cuda", "cuda:1" or a GPU index.' });
  const index = Number(match[1] ?? match[2] ?? 0);
  const count = cudaDeviceCount();
  if (count === 0) {
    throw new UserError(`Cannot use device "${text}": libtorch ${libtorchVersion()} sees no CUDA device`, {
      hint: "Train on the CPU with --device cpu, or check the driver and a CUDA build of libtorch with: npx visioncore doctor",
    });
  }
  if (index >= count)
    throw new UserError(
      `Cannot use device "${text}": there ${count === 1 ? "is 1 CUDA device" : `are ${count} CUDA devices`}, numbered from 0`,
    );
  return `cuda:${index}`;
}
