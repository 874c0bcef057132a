/**
 * @file The tensor library: PyTorch's engine with PyTorch's words, usable alone. Knows no neuroscience.
 */

export * from "./autograd.ts";
export * from "./cuda-graph.ts";
export { initProcessGroup, type ProcessGroupOptions } from "./distributed.ts";
export * from "./gather.ts";
export * from "./generator.ts";
export * from "./host-free.ts";
export * from "./mapping.ts";
export * from "./module.ts";
export { freePort } from "./network.ts";
export { hasOperator, ops } from "./ops.ts";
export * from "./optim.ts";
export * from "./optim-schedule-free.ts";
export * from "./parametrize.ts";
export { LostProcessError, ProcessGroup } from "./process-group.ts";
export * from "./runtime.ts";
export { scope, tensorScope, tensorStats } from "./scope.ts";
export * from "./tensor.ts";
