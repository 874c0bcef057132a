/**
 * @file The Tensor class: PyTorch's words in camelCase over the operators of `ops.ts`.
 *
 * A tensor owns native memory that garbage collection does not see. Make tensors inside a scope (`scope.ts`), which frees
 * them deterministically; tensors made outside any scope are freed by `dispose()` or, some time later, by a finalizer.
 */

import type { DType, NdArray, TypedArray } from "../formats/array.ts";
import type { Generator } from "./generator.ts";
import { type Handle, native } from "./native.ts";
import { ops } from "./ops.ts";
import { insideScope } from "./scope.ts";

export type { DType } from "../formats/array.ts";

/** Memory layouts that operators accept. */
export type MemoryFormat = "contiguous_format" | "preserve_format" | "channels_last" | "channels_last_3d";

/** A tensor, or a number that is broadcast. */
export type Operand = Tensor | number;

const strays = new FinalizationRegistry<Handle>((handle) => native().dispose(handle));

export class Tensor {
  /** Index into the addon's slab; stale after disposal. */
  readonly handle: Handle;
  #shape: readonly number[] | undefined;
  #dtype: DType | undefined;
  #registered = false;

  private constructor(handle: Handle) {
    this.handle = handle;
  }

  /** Gives a handle its object. For the engine's own files; everyone else gets tensors from operators. */
  static wrap(handle: Handle): Tensor {
    const tensor = new Tensor(handle);
    if (!insideScope()) tensor.#register();
    return tensor;
  }

  #register(): void {
    this.#registered = true;
    strays.register(this, this.handle, this);
  }

  // --- properties ---------------------------------------------------------------------------------------------------

  get shape(): readonly number[] {
    this.#shape ??= native().shape(this.handle);
    return this.#shape;
  }
  get ndim(): number {
    return this.shape.length;
  }
  /** Number of elements. */
  get numel(): number {
    return this.shape.reduce((product, n) => product * n, 1);
  }
  get dtype(): DType {
    this.#dtype ??= native().dtype(this.handle);
    return this.#dtype;
  }
  /** "cpu", "cuda:0", ... */
  get device(): string {
    return native().device(this.handle);
  }
  get stride(): number[] {
    return native().stride(this.handle);
  }
  /** Length of an axis; negative axes count from the end. */
  size(dim: number): number {
    const { shape } = this;
    const length = shape[dim < 0 ? dim + shape.length : dim];
    if (length === undefined)
      throw new RangeError(`Cannot take the size of axis ${dim}: the tensor has shape (${shape.join(", ")})`);
    return length;
  }
  /** False once the tensor was disposed of. */
  get isAlive(): boolean {
    return native().isAlive(this.handle);
  }

  // --- lifetime -----------------------------------------------------------------------------------------------------

  /** Frees the tensor now. Harmless when it is gone already. */
  dispose(): void {
    if (this.#registered) strays.unregister(this);
    native().dispose(this.handle);
  }
  /** Exempts the tensor from the scope it was made in; it then lives until `dispose()`. Returns itself. */
  keep(): this {
    native().keep(this.handle);
    if (!this.#registered) this.#register();
    return this;
  }

  // --- to the host --------------------------------------------------------------------------------------------------

  /** The only element, as a number. Waits for the device. */
  item(): number {
    return Number(native().item(this.handle));
  }
  /** A copy of the elements in host memory, row-major; half types are widened to float32. Waits for the device. */
  toTypedArray(): TypedArray {
    return native().toTypedArray(this.handle);
  }
  /** A copy as a host array. */
  toArray(): NdArray {
    const dtype = this.dtype === "bfloat16" || this.dtype === "float16" ? "float32" : this.dtype;
    return { dtype, shape: [...this.shape], data: this.toTypedArray() };
  }
  toString(): string {
    return this.isAlive ? `Tensor(${this.dtype}, [${this.shape.join(", ")}], ${this.device})` : "Tensor(disposed)";
  }

  // --- autograd -----------------------------------------------------------------------------------------------------

  get requiresGrad(): boolean {
    return native().requiresGrad(this.handle);
  }
  setRequiresGrad(on = true): this {
    native().setRequiresGrad(this.handle, on);
    return this;
  }
  /** Takes over another tensor's storage, element type and device; identity and trainability stay. */
  setData(other: Tensor): void {
    native().setData(this.handle, other.handle);
    this.#shape = undefined;
    this.#dtype = undefined;
  }
  get isLeaf(): boolean {
    return native().isLeaf(this.handle);
  }
  /** The gradient as a new tensor object over the same memory, or null when there is none. */
  get grad(): Tensor | null {
    const handle = native().grad(this.handle);
    return handle === null ? null : Tensor.wrap(handle);
  }
  setGrad(gradient: Tensor | null): void {
    native().setGrad(this.handle, gradient?.handle ?? null);
  }
  /** Accumulates d(this)/d(leaf) into the leaves' gradients. `gradient` is needed unless this is a scalar. */
  backward(gradient: Tensor | null = null, { retainGraph = false, createGraph = false } = {}): void {
    native().backward(this.handle, gradient?.handle ?? null, retainGraph, createGraph);
  }
  /** The same values outside the graph, sharing memory. */
  detach(): Tensor {
    return ops.detach(this);
  }

  // --- conversion ---------------------------------------------------------------------------------------------------

  /** Another element type and/or device; itself when nothing changes. */
  to({
    dtype = this.dtype,
    device = this.device,
    nonBlocking = false,
  }: {
    dtype?: DType;
    device?: string;
    nonBlocking?: boolean;
  }): Tensor {
    if (dtype === this.dtype && device === this.device) return this;
    return ops._to_copy(this, { dtype, device, non_blocking: nonBlocking });
  }
  float(): Tensor {
    return this.to({ dtype: "float32" });
  }
  double(): Tensor {
    return this.to({ dtype: "float64" });
  }
  clone(): Tensor {
    return ops.clone(this);
  }
  contiguous(memory_format: MemoryFormat = "contiguous_format"): Tensor {
    return ops.contiguous(this, { memory_format });
  }

  // --- arithmetic ---------------------------------------------------------------------------------------------------

  add(other: Operand): Tensor {
    return typeof other === "number" ? ops.add.Scalar(this, other) : ops.add.Tensor(this, other);
  }
  sub(other: Operand): Tensor {
    return typeof other === "number" ? ops.sub.Scalar(this, other) : ops.sub.Tensor(this, other);
  }
  mul(other: Operand): Tensor {
    return typeof other === "number" ? ops.mul.Scalar(this, other) : ops.mul.Tensor(this, other);
  }
  div(other: Operand): Tensor {
    return typeof other === "number" ? ops.div.Scalar(this, other) : ops.div.Tensor(this, other);
  }
  /** other - this */
  rsub(other: number): Tensor {
    return ops.rsub.Scalar(this, other);
  }
  pow(exponent: Operand): Tensor {
    return typeof exponent === "number" ? ops.pow.Tensor_Scalar(this, exponent) : ops.pow.Tensor_Tensor(this, exponent);
  }
  neg(): Tensor {
    return ops.neg(this);
  }
  abs(): Tensor {
    return ops.abs(this);
  }
  square(): Tensor {
    return ops.square(this);
  }
  sqrt(): Tensor {
    return ops.sqrt(this);
  }
  rsqrt(): Tensor {
    return ops.rsqrt(this);
  }
  exp(): Tensor {
    return ops.exp(this);
  }
  log(): Tensor {
    return ops.log(this);
  }
  sin(): Tensor {
    return ops.sin(this);
  }
  cos(): Tensor {
    return ops.cos(this);
  }
  relu(): Tensor {
    return ops.relu(this);
  }
  sigmoid(): Tensor {
    return ops.sigmoid(this);
  }
  tanh(): Tensor {
    return ops.tanh(this);
  }
  softplus(): Tensor {
    return ops.softplus(this);
  }
  clamp(min: number | null, max: number | null = null): Tensor {
    return ops.clamp(this, min, max);
  }
  matmul(other: Tensor): Tensor {
    return ops.matmul(this, other);
  }

  // --- comparison: bool tensors ---------------------------------------------------------------------------------------

  eq(other: Operand): Tensor {
    return typeof other === "number" ? ops.eq.Scalar(this, other) : ops.eq.Tensor(this, other);
  }
  gt(other: Operand): Tensor {
    return typeof other === "number" ? ops.gt.Scalar(this, other) : ops.gt.Tensor(this, other);
  }
  lt(other: Operand): Tensor {
    return typeof other === "number" ? ops.lt.Scalar(this, other) : ops.lt.Tensor(this, other);
  }

  // --- reductions -----------------------------------------------------------------------------------------------------

  /** Sum over all elements, or over `dim`. */
  sum(dim?: number | readonly number[], keepdim = false): Tensor {
    return dim === undefined ? ops.sum(this) : ops.sum.dim_IntList(this, list(dim), keepdim);
  }
  mean(dim?: number | readonly number[], keepdim = false): Tensor {
    return dim === undefined ? ops.mean(this) : ops.mean.dim(this, list(dim), keepdim);
  }
  /** Largest element overall, or along `dim`. */
  amax(dim: number | readonly number[] = [], keepdim = false): Tensor {
    return ops.amax(this, list(dim), keepdim);
  }
  amin(dim: number | readonly number[] = [], keepdim = false): Tensor {
    return ops.amin(this, list(dim), keepdim);
  }
  /** Euclidean norm over all elements, or over `dim`. */
  norm(dim: number | readonly number[] | null = null, keepdim = false): Tensor {
    return ops.linalg_vector_norm(this, 2, dim === null ? null : list(dim), keepdim);
  }

  // --- shape: views where possible --------------------------------------------------------------------------------------

  reshape(shape: readonly number[]): Tensor {
    return ops.reshape(this, shape);
  }
  view(shape: readonly number[]): Tensor {
    return ops.view(this, shape);
  }
  flatten(start = 0, end = -1): Tensor {
    return ops.flatten.using_ints(this, start, end);
  }
  permute(dims: readonly number[]): Tensor {
    return ops.permute(this, dims);
  }
  transpose(dim0: number, dim1: number): Tensor {
    return ops.transpose.int(this, dim0, dim1);
  }
  unsqueeze(dim: number): Tensor {
    return ops.unsqueeze(this, dim);
  }
  squeeze(dim: number): Tensor {
    return ops.squeeze.dim(this, dim);
  }
  expand(shape: readonly number[]): Tensor {
    return ops.expand(this, shape);
  }
  flip(dims: number | readonly number[]): Tensor {
    return ops.flip(this, list(dims));
  }
  /** Index `index` of axis `dim`, without that axis. */
  select(dim: number, index: number): Tensor {
    return ops.select.int(this, dim, index);
  }
  /** Elements `start` up to but not including `end` of axis `dim`. */
  slice(dim: number, start: number, end: number | null = null, step = 1): Tensor {
    return ops.slice.Tensor(this, dim, start, end, step);
  }
  indexSelect(dim: number, index: Tensor): Tensor {
    return ops.index_select(this, dim, index);
  }
  /** Pieces along `dim` with the given lengths. */
  split(lengths: readonly number[], dim = 0): Tensor[] {
    return ops.split_with_sizes(this, lengths, dim);
  }

  // --- in place ---------------------------------------------------------------------------------------------------------

  add_(other: Operand): this {
    if (typeof other === "number") ops.add_.Scalar(this, other);
    else ops.add_.Tensor(this, other);
    return this;
  }
  mul_(other: Operand): this {
    if (typeof other === "number") ops.mul_.Scalar(this, other);
    else ops.mul_.Tensor(this, other);
    return this;
  }
  copy_(source: Tensor): this {
    ops.copy_(this, source);
    return this;
  }
  fill_(value: number): this {
    ops.fill_.Scalar(this, value);
    return this;
  }
  zero_(): this {
    ops.zero_(this);
    return this;
  }
  clamp_(min: number | null, max: number | null = null): this {
    ops.clamp_(this, min, max);
    return this;
  }
}

function list(dims: number | readonly number[]): readonly number[] {
  return typeof dims === "number" ? [dims] : dims;
}

// --- factories -----------------------------------------------------------------------------------------------------------

/** Where and as what a new tensor is made; float32 on the CPU unless said otherwise. */
export interface TensorOptions {
  dtype?: DType;
  device?: string;
}

const options = ({ dtype = "float32", device = "cpu" }: TensorOptions) => ({ dtype, device });

const ARRAYS: Partial<Record<DType, new (values: ArrayLike<number>) => TypedArray>> = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/**
 * A tensor over a typed array's own memory (no copy: a change to one is seen in the other), or from plain numbers.
 * The element type follows the array; `Uint16Array` needs `dtype` to say which half type it is.
 */
export function tensor(
  data: TypedArray | readonly number[] | number,
  shape?: readonly number[],
  { dtype, device = "cpu" }: TensorOptions = {},
): Tensor {
  const made =
    typeof data === "number"
      ? fromNumbers([data], shape ?? [], dtype)
      : isTypedArray(data)
        ? fromTyped(data, shape, dtype)
        : fromNumbers(data, shape, dtype);
  return made.to({ device });
}

/** A tensor over a host array's own memory. */
export function fromArray(array: NdArray): Tensor {
  return Tensor.wrap(native().fromTypedArray(array.data, array.dtype, array.shape));
}

function isTypedArray(data: TypedArray | readonly number[]): data is TypedArray {
  return ArrayBuffer.isView(data);
}

function fromTyped(data: TypedArray, shape: readonly number[] | undefined, dtype: DType | undefined): Tensor {
  const own = dtypeOf(data);
  // bytes can be booleans and 16-bit words can be half floats; everything else is what it looks like
  const type =
    dtype && (dtype === own || (own === "uint8" && dtype === "bool") || data instanceof Uint16Array) ? dtype : own;
  if (!type) throw new TypeError("tensor: a Uint16Array needs dtype float16 or bfloat16");
  const made = Tensor.wrap(native().fromTypedArray(data, type, shape ?? [data.length]));
  return dtype ? made.to({ dtype }) : made;
}

function fromNumbers(
  values: readonly number[],
  shape: readonly number[] = [values.length],
  dtype: DType = "float32",
): Tensor {
  if (dtype === "int64") return Tensor.wrap(native().fromTypedArray(BigInt64Array.from(values, BigInt), dtype, shape));
  const HostArray = ARRAYS[dtype];
  if (HostArray) return Tensor.wrap(native().fromTypedArray(new HostArray(values), dtype, shape));
  return Tensor.wrap(native().fromTypedArray(new Float32Array(values), "float32", shape)).to({ dtype });
}

function dtypeOf(data: TypedArray): DType | undefined {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof BigInt64Array) return "int64";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof Int16Array) return "int16";
  if (data instanceof Int8Array) return "int8";
  return data instanceof Uint16Array ? undefined : "uint8";
}

export function zeros(shape: readonly number[], o: TensorOptions = {}): Tensor {
  return ops.zeros(shape, options(o));
}
export function ones(shape: readonly number[], o: TensorOptions = {}): Tensor {
  return ops.ones(shape, options(o));
}
export function empty(shape: readonly number[], o: TensorOptions = {}): Tensor {
  return ops.empty.memory_format(shape, options(o));
}
export function full(shape: readonly number[], value: number, o: TensorOptions = {}): Tensor {
  return ops.full(shape, value, options(o));
}
/** 0, 1, ... n - 1; int64 unless said otherwise. */
export function arange(n: number, { dtype = "int64", device = "cpu" }: TensorOptions = {}): Tensor {
  return ops.arange(n, { dtype, device });
}
/** `steps` evenly spaced values, both ends included. */
export function linspace(start: number, end: number, steps: number, o: TensorOptions = {}): Tensor {
  return ops.linspace(start, end, steps, options(o));
}
/** Standard normal draws from `generator`. */
export function randn(shape: readonly number[], generator: Generator, o: TensorOptions = {}): Tensor {
  return ops.randn.generator(shape, { generator, ...options(o) });
}
/** Uniform draws from [low, high) from `generator`. */
export function uniform(
  shape: readonly number[],
  low: number,
  high: number,
  generator: Generator,
  o: TensorOptions = {},
): Tensor {
  return ops.uniform_(empty(shape, o), low, high, { generator });
}
/** Joins tensors along an existing axis; a single tensor is returned as it is. */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  return tensors.length === 1 ? tensors[0]! : ops.cat(tensors, dim);
}
/** Joins tensors along a new axis. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  return ops.stack(tensors, dim);
}
