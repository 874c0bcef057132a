/**
 * @file Modes around a computation: no gradients, inference, mixed precision; and gradients of chosen inputs.
 */

import type { DType } from "../formats/array.ts";
import { native } from "./native.ts";
import { Tensor } from "./tensor.ts";

/** Runs `body` without recording a graph. */
export function noGrad<T>(body: () => T): T {
  const before = native().isGradEnabled();
  native().setGradEnabled(false);
  try {
    return body();
  } finally {
    native().setGradEnabled(before);
  }
}

/** Runs `body` in inference mode: cheaper than `noGrad`, but its tensors can never take part in a graph. */
export function inferenceMode<T>(body: () => T): T {
  native().beginInference();
  try {
    return body();
  } finally {
    native().endInference();
  }
}

/**
 * Runs `body` under autocast: convolutions and matrix products take and give `dtype`, everything else follows type
 * promotion. With `dtype` "float32" (or null) the body simply runs.
 */
export function autocast<T>(device: string, dtype: "bfloat16" | "float16" | "float32" | null, body: () => T): T {
  if (dtype === null || dtype === "float32") return body();
  const type = device.startsWith("cuda") ? "cuda" : device;
  native().autocast(type, true, dtype);
  active.push({ type, dtype });
  try {
    return body();
  } finally {
    active.pop();
    const outer = active.at(-1);
    native().autocast(type, outer !== undefined, outer?.dtype ?? dtype);
  }
}

const active: { type: string; dtype: DType }[] = [];

/** The element type autocast gives convolutions right now, or null outside it. */
export function autocastDType(): DType | null {
  return active.at(-1)?.dtype ?? null;
}

/** Runs `body` with autocast off, for sums that must stay float32. */
export function withoutAutocast<T>(body: () => T): T {
  const outer = active.at(-1);
  if (!outer) return body();
  native().autocast(outer.type, false, outer.dtype);
  try {
    return body();
  } finally {
    native().autocast(outer.type, true, outer.dtype);
  }
}

/** d(sum of outputs)/d(inputs), null for an input that the outputs do not depend on. Leaves' own gradients stay as they are. */
export function gradientsOf(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  {
    gradients = null,
    retainGraph = false,
    createGraph = false,
  }: { gradients?: readonly Tensor[] | null; retainGraph?: boolean; createGraph?: boolean } = {},
): (Tensor | null)[] {
  const handles = (tensors: readonly Tensor[]) => tensors.map((t) => t.handle);
  return native()
    .gradientsOf(handles(outputs), handles(inputs), gradients && handles(gradients), retainGraph, createGraph)
    .map((handle) => (handle === null ? null : Tensor.wrap(handle)));
}

/** The gradients of many tensors, null where absent. */
export function gradsOf(tensors: readonly Tensor[]): (Tensor | null)[] {
  return native()
    .grads(tensors.map((t) => t.handle))
    .map((handle) => (handle === null ? null : Tensor.wrap(handle)));
}

/** Makes the gradients of many tensors absent (not zero: optimisers skip parameters without one). */
export function clearGrads(tensors: readonly Tensor[]): void {
  native().clearGrads(tensors.map((t) => t.handle));
}
