/**
 * @file What the processor can do, as far as it decides between number formats.
 */

import { readFileSync } from "node:fs";

/** Instructions for bfloat16 products, on x86 and on arm64. With them bf16 autocast is about twice as fast as float32. */
const BF16_FLAGS = ["avx512_bf16", "amx_bf16", "bf16"];

/** The instruction sets of the first core: `flags` of x86, `Features` of arm64. Empty where the kernel does not say. */
export function cpuFlags(cpuinfo: string = readCpuinfo()): string[] {
  return (
    cpuinfo
      .match(/^(?:flags|Features)\s*:(.*)$/m)?.[1]
      ?.trim()
      .split(/\s+/) ?? []
  );
}

/** The flags that make bfloat16 fast on this processor; none means that bf16 should not be the default on it. */
export function bf16Flags(flags: readonly string[] = cpuFlags()): string[] {
  return BF16_FLAGS.filter((flag) => flags.includes(flag));
}

function readCpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}
