/**
 * @file Cost of one operator call: a four-element add on one thread, through `Tensor.add` and through the bare addon, and
 * the same in Python when an interpreter with torch is given: `VISIONCORE_PYTHON=python3 npx tsx bench/ops.ts`.
 *
 * Target: at most 1.2 µs through the Tensor class. The 10th percentile of many short batches, so that other work on the
 * machine counts little.
 */

import { setNumThreads, tensor, tensorScope } from "../src/torch/index.ts";
import { native } from "../src/torch/native.ts";
import { pythonResult } from "./python.ts";

function percentile10(samples: number[]): number {
  return samples.sort((a, b) => a - b)[Math.floor(samples.length / 10)]!;
}

/** Nanoseconds per call of `call`. */
function cost(call: () => void): number {
  const samples: number[] = [];
  for (let batch = 0; batch < 300; batch++) {
    using _scope = tensorScope();
    const start = process.hrtime.bigint();
    for (let i = 0; i < 1000; i++) call();
    samples.push(Number(process.hrtime.bigint() - start) / 1000);
  }
  return percentile10(samples);
}

setNumThreads(1);
const a = tensor([1, 2, 3, 4]).keep();
const b = tensor([1, 2, 3, 4]).keep();
const bare = native().resolve("add", "Tensor")!;

const viaClass = cost(() => a.add(b));
const viaAddon = cost(() => bare(a.handle, b.handle));
console.log(`add of 4 elements: ${viaClass.toFixed(0)} ns through Tensor, ${viaAddon.toFixed(0)} ns through the addon`);

const python = pythonResult("ops.py");
if (python) {
  const ns = python.add_ns as number;
  console.log(`Python ${python.torch}: ${ns.toFixed(0)} ns; ours / Python ${(viaClass / ns).toFixed(2)}`);
}
