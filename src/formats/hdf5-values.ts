/**
 * @file Element types of HDF5 and how their bytes become ours: numbers (integers of 1 to 8 bytes, floats of 2 to 8 bytes,
 * h5py's booleans, enumerations as their integers), and strings.
 *
 * The library hands bytes out in little-endian order whatever the file has.
 */
import type { DType } from "./array.ts";
import type { Hdf5Library, Hdf5Metadata } from "./hdf5-library.ts";
import { type NumpyType, numpyType } from "./numpy-types.ts";

/** Elements that are no numbers. */
export type Hdf5OtherType = "string" | "reference" | "compound" | "variable-length list" | "opaque";

/** H5T_class_t, in the library's numbers. */
const CLASS = { integer: 0, float: 1, string: 3, bitfield: 4, compound: 6, reference: 7, enumeration: 8, list: 9 };

/** How numeric elements are decoded, or undefined when they are no numbers, or of a size that there is not here. */
export function hdf5NumberType(metadata: Hdf5Metadata): NumpyType | undefined {
  const { type, size, signed, enum_type } = metadata;
  if (type === CLASS.integer || type === CLASS.bitfield) return numpyType(`<${signed ? "i" : "u"}${size}`);
  if (type === CLASS.float) return numpyType(`<f${size}`);
  if (type !== CLASS.enumeration || enum_type === undefined) return undefined;
  const { FALSE, TRUE } = enum_type.members;
  const isBoolean = enum_type.nmembers === 2 && FALSE === 0 && TRUE === 1 && size === 1;
  return isBoolean ? numpyType("|b1") : numpyType(`<${signed ? "i" : "u"}${size}`);
}

/** The name of an element type: ours for numbers, else what kind of thing it is. */
export function hdf5TypeName(metadata: Hdf5Metadata): DType | Hdf5OtherType {
  const number = hdf5NumberType(metadata);
  if (number !== undefined) return number.dtype;
  switch (metadata.type) {
    case CLASS.string:
      return "string";
    case CLASS.reference:
      return "reference";
    case CLASS.compound:
      return "compound";
    case CLASS.list:
      return "variable-length list";
    default:
      return "opaque";
  }
}

/** Whether elements are object references (and not references to regions). */
export function isObjectReference({ type, ref_type }: Hdf5Metadata): boolean {
  return type === CLASS.reference && ref_type === "object";
}

/**
 * Strings from their stored bytes. Those of variable length are pointers into the library's memory, so decode them
 * before they are released.
 */
export function decodeStrings(library: Hdf5Library, bytes: Uint8Array, metadata: Hdf5Metadata): string[] {
  const { size, vlen, strpad, total_size } = metadata;
  if (vlen) {
    const pointers = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: total_size }, (_, i) => {
      const pointer = pointers.getUint32(4 * i, true);
      return pointer === 0 ? "" : library.UTF8ToString(pointer);
    });
  }
  const decoder = new TextDecoder();
  return Array.from({ length: total_size }, (_, i) => {
    const padded = bytes.subarray(i * size, (i + 1) * size);
    const end = padded.indexOf(0);
    const text = decoder.decode(end < 0 ? padded : padded.subarray(0, end));
    return strpad === SPACE_PADDED ? text.trimEnd() : text;
  });
}

const SPACE_PADDED = 2;
