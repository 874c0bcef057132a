/**
 * @file Files that PyTorch's `torch.load` opens, `weights_only=True` and `mmap=True` included: a zip archive with a pickle
 * and one stored entry per storage, each aligned to 64 bytes. The counterpart of torchfile.ts.
 *
 * The archive leaves out `.format_version`: with it PyTorch may compute where storages lie instead of looking, which only
 * holds for archives laid out by its own zip writer.
 */
import { arrayBytes, type DType, elementCount, type NdArray } from "./array.ts";
import { createAtomicWriter } from "./atomic.ts";
import { rowMajorStrides } from "./lazy.ts";
import { PickleCall, type PickleValue, PickleWriter } from "./pickle-writer.ts";
import { ZipWriter } from "./zip-writer.ts";

/** A tensor to be saved; its elements are asked for when it is its turn. */
export interface SavedTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  read(): NdArray;
}

/** What a PyTorch file can hold: tensors by name make an ordered dictionary, as `state_dict()` does. */
export type TorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly TorchValue[]
  | ReadonlyMap<string, TorchValue>
  | StateDict;

/** A state_dict. One and the same tensor under two names is saved once, and PyTorch's tensors share memory. */
export class StateDict {
  readonly tensors: ReadonlyMap<string, SavedTensor>;

  constructor(tensors: ReadonlyMap<string, SavedTensor>) {
    this.tensors = tensors;
  }
}

const STORAGE_NAMES: Readonly<Record<DType, string>> = {
  float64: "DoubleStorage",
  float32: "FloatStorage",
  float16: "HalfStorage",
  bfloat16: "BFloat16Storage",
  int64: "LongStorage",
  int32: "IntStorage",
  int16: "ShortStorage",
  int8: "CharStorage",
  uint8: "ByteStorage",
  bool: "BoolStorage",
};

const ALIGNMENT = 64;
const FOLDER = "archive";

/**
 * Writes a value to a PyTorch file, one tensor at a time.
 *
 * @throws UserError when the disk is full, permission is missing and the like; the previous file is intact then
 */
export function writeTorchFile(path: string, root: TorchValue): void {
  const storages = new Map<SavedTensor, string>();
  const pickle = new PickleWriter().value(pickled(root, storages)).finish();
  using file = createAtomicWriter(path);
  const archive = new ZipWriter((bytes) => file.write(bytes), { alignment: ALIGNMENT });
  const add = (name: string, bytes: Uint8Array) => archive.add(`${FOLDER}/${name}`, bytes);
  const ascii = (text: string) => new TextEncoder().encode(text);
  add("data.pkl", pickle);
  add("byteorder", ascii("little"));
  add(".storage_alignment", ascii(String(ALIGNMENT)));
  for (const [tensor, key] of storages) add(`data/${key}`, elementsOf(tensor));
  add("version", ascii("3\n"));
  archive.finish();
  file.commit();
}

function elementsOf(tensor: SavedTensor): Uint8Array {
  const array = tensor.read();
  if (array.dtype !== tensor.dtype || array.data.length !== elementCount(tensor.shape)) {
    throw new RangeError(
      `A tensor was declared ${tensor.dtype} [${tensor.shape.join(", ")}] and is ${array.dtype} [${array.shape.join(", ")}]`,
    );
  }
  return arrayBytes(array);
}

function pickled(value: TorchValue, storages: Map<SavedTensor, string>): PickleValue {
  if (value instanceof StateDict) return orderedDict(value.tensors, storages);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, pickled(item, storages)]));
  if (Array.isArray(value)) return value.map((item) => pickled(item, storages));
  return value as PickleValue;
}

function orderedDict(tensors: ReadonlyMap<string, SavedTensor>, storages: Map<SavedTensor, string>): PickleCall {
  const items = new Map([...tensors].map(([name, tensor]) => [name, tensorCall(tensor, storages)]));
  return new PickleCall((writer) => emptyOrderedDict(writer).items(items));
}

function emptyOrderedDict(writer: PickleWriter): PickleWriter {
  return writer.global("collections", "OrderedDict").tuple([]).reduce();
}

/** `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, backward_hooks)` */
function tensorCall(tensor: SavedTensor, storages: Map<SavedTensor, string>): PickleCall {
  const key = storages.get(tensor) ?? String(storages.size);
  storages.set(tensor, key);
  const { dtype, shape } = tensor;
  const type = new PickleCall((writer) => writer.global("torch", STORAGE_NAMES[dtype]));
  const storage = new PickleCall((writer) =>
    writer.tuple(["storage", type, key, "cpu", elementCount(shape)]).persistentId(),
  );
  const tuple = (items: readonly number[]) => new PickleCall((writer) => writer.tuple(items));
  const hooks = new PickleCall(emptyOrderedDict);
  return new PickleCall((writer) =>
    writer
      .global("torch._utils", "_rebuild_tensor_v2")
      .tuple([storage, 0, tuple(shape), tuple(rowMajorStrides(shape)), false, hooks])
      .reduce(),
  );
}
