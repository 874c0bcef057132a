/**
 * @file Where a command computes: the flags for device and threads, and what becomes of them.
 */
import { type Command, Option } from "commander";
import { wholeNumber } from "./values.ts";

/** Values of the flags. */
export interface DeviceFlags {
  device?: string;
  gpu?: number;
  threads?: number;
}

/** Adds `--device`, `--gpu` and `--threads`. */
export function addDeviceFlags(command: Command): Command {
  return command
    .option("--device <name>", "cpu, cuda, cuda:1 or a GPU's number (default: the first GPU if there is one, else cpu)")
    .addOption(
      new Option("--gpu <index>", "short for --device cuda:<index>").argParser(wholeNumber(0)).conflicts("device"),
    )
    .option("--threads <count>", "threads on the CPU (default: one for each core)", wholeNumber(1));
}

/**
 * Applies the flags to this process.
 *
 * @returns the device's full name: "cpu", "cuda:0"
 * @throws UserError for a device that does not exist, or when libtorch is missing
 */
export async function chooseDevice({ device, gpu, threads }: DeviceFlags): Promise<string> {
  const { cudaDeviceCount, parseDevice, setNumThreads } = await import("../torch/index.ts");
  if (threads !== undefined) setNumThreads(threads);
  const wanted = device ?? gpu?.toString();
  if (wanted !== undefined) return parseDevice(wanted);
  return cudaDeviceCount() > 0 ? "cuda:0" : "cpu";
}
