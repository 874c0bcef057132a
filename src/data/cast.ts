/**
 * @file Changing the element type of a host array, with the rounding of PyTorch.
 */
import { type DType, type NdArray, toFloat64, zerosArray } from "../formats/array.ts";

/**
 * The elements in another type; the array itself when it has that type already.
 *
 * Floating types round to the nearest value, ties to even. Integers drop the fraction and keep the low bits. Everything
 * that is not zero is true.
 */
export function castArray(array: NdArray, dtype: DType): NdArray {
  if (array.dtype === dtype) return array;
  const source = toFloat64(array);
  const out = zerosArray(dtype, array.shape);
  const { data } = out;
  for (let i = 0; i < source.length; i++) {
    const value = source[i]!;
    if (data instanceof BigInt64Array) data[i] = Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
    else if (dtype === "bfloat16") data[i] = bfloat16Bits(value);
    else if (dtype === "float16") data[i] = float16Bits(value);
    else if (dtype === "bool") data[i] = value !== 0 ? 1 : 0;
    else data[i] = value;
  }
  return out;
}

const float32 = new Float32Array(1);
const float32Bits = new Uint32Array(float32.buffer);

/** The 16 bits of the bfloat16 nearest to a float32 value. */
function bfloat16Bits(value: number): number {
  float32[0] = value;
  const bits = float32Bits[0]!;
  if (Number.isNaN(value)) return 0x7fc0;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The 16 bits of the float16 nearest to a value. */
export function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  // Normal numbers have exponents -14…15; below them all values are multiples of 2^-24.
  const exponent = size < 2 ** -14 ? -14 : Math.floor(Math.log2(size));
  const steps = roundHalfEven(size / 2 ** (exponent - 10));
  // A normal number counts 1024…2048 steps of its exponent; 2048 carries into the next one by itself.
  return sign | (((exponent + 14) << 10) + steps);
}

function roundHalfEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}
