/**
 * @file The addon's functions as TypeScript sees them. Everything here speaks in handles; `tensor.ts` gives them a class.
 */

import type { DType, TypedArray } from "../formats/array.ts";
import { loadAddon } from "./setup/load.ts";

/** A generation-checked index into the addon's tensor slab. */
export type Handle = number;

/** An operator resolved once through the dispatcher: handles and plain values in, handles and plain values out. */
export type NativeOperator = (...args: unknown[]) => unknown;

/** What `native/*.cc` exports. */
export interface Native {
  fromTypedArray(data: TypedArray, dtype: DType, shape: readonly number[]): Handle;
  toTypedArray(handle: Handle): TypedArray;
  item(handle: Handle): number | boolean | bigint;
  shape(handle: Handle): number[];
  stride(handle: Handle): number[];
  dtype(handle: Handle): DType;
  device(handle: Handle): string;
  isAlive(handle: Handle): boolean;
  dispose(...handles: Handle[]): void;
  scopeBegin(): number;
  scopeEnd(depth: number, kept: Handle[]): void;
  keep(handle: Handle): void;
  stats(): { live: number; bytes: number; created: number; scopes: number };

  resolve(name: string, overload: string): NativeOperator | null;
  schemas(): string[];

  backward(loss: Handle, gradient: Handle | null, retainGraph: boolean, createGraph: boolean): void;
  gradientsOf(
    outputs: Handle[],
    inputs: Handle[],
    gradients: Handle[] | null,
    retainGraph: boolean,
    createGraph: boolean,
  ): (Handle | null)[];
  requiresGrad(handle: Handle): boolean;
  setRequiresGrad(handle: Handle, on: boolean): void;
  isLeaf(handle: Handle): boolean;
  setData(handle: Handle, other: Handle): void;
  grad(handle: Handle): Handle | null;
  setGrad(handle: Handle, gradient: Handle | null): void;
  grads(handles: Handle[]): (Handle | null)[];
  clearGrads(handles: Handle[]): void;
  isGradEnabled(): boolean;
  setGradEnabled(on: boolean): void;
  beginInference(): void;
  endInference(): void;

  autocast(device: string, on: boolean, dtype: DType): void;
  createGenerator(seed: number, device: string): number;
  generatorState(id: number): Handle;
  setGeneratorState(id: number, state: Handle): void;
  seedDefault(seed: number, device: string): void;
  defaultGeneratorState(device: string): Handle;
  setDefaultGeneratorState(device: string, state: Handle): void;
  threads(): number;
  setThreads(count: number): void;
  deviceCount(): number;
  synchronize(device: string): void;
  deviceMemory(device: string): { allocated: number; peak: number } | null;
  freeDeviceMemory(device: string): number | null;
  setFlag(name: string, on: boolean): void;
  releaseMemory(): void;
  mapFile(path: string, offset: number, bytes: number): ArrayBuffer;
  gatherFrames(
    out: Handle,
    position: number,
    sources: readonly (Uint8Array | Float32Array)[],
    recordings: Int32Array,
    frames: Int32Array,
    lags: Int32Array,
    channels: number,
    pixels: number,
    normalise: boolean,
  ): void;

  /** The functions from here to `closeGroup` are absent from a libtorch without c10d. */
  hasProcessGroups(): boolean;
  openStore(host: string, port: number, serve: boolean, seconds: number): number;
  storeSet(store: number, key: string, text: string, seconds: number): void;
  storeGet(store: number, keys: readonly string[], seconds: number): (string | null)[];
  closeStore(store: number): void;
  openGroup(store: number, prefix: string, rank: number, world: number, address: string, seconds: number): number;
  allReduce(group: number, tensor: Handle, maximum: boolean, seconds: number): void;
  broadcast(group: number, tensor: Handle, seconds: number): void;
  allGather(group: number, tensor: Handle, world: number, seconds: number): Handle[];
  closeGroup(group: number): void;
  hasNccl(): boolean;
  ncclUniqueId(): string;
  openNccl(id: string, rank: number, world: number, device: string): number;
  ncclAllReduce(comm: number, tensor: Handle, seconds: number): void;
  ncclBroadcast(comm: number, tensor: Handle, seconds: number): void;
  closeNccl(comm: number): void;

  /** Null, or why the functions from here to `closeGraph` cannot be used. */
  cudaGraphsMissing(): string | null;
  openRecorder(device: string): number;
  enterRecorder(recorder: number): void;
  leaveRecorder(recorder: number): void;
  closeRecorder(recorder: number): void;
  beginGraph(recorder: number, inNewMemory: boolean): number;
  endGraph(graph: number): void;
  replayGraph(graph: number): void;
  closeGraph(graph: number): void;

  version(): string;
}

let loaded: Native | undefined;

/**
 * The addon, found, built if necessary and loaded on first use.
 *
 * @throws UserError when libtorch or a compiler is missing, with the remedy
 */
export function native(): Native {
  loaded ??= loadAddon() as Native;
  return loaded;
}
