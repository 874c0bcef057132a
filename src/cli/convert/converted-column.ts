/**
 * @file Elements on their way into a recording: scaled, shifted and in another type, rows at a time.
 */
import { rowLength } from "../../data/column.ts";
import { UserError } from "../../errors.ts";
import { type DType, type NdArray, toFloat64, zerosArray } from "../../formats/array.ts";
import type { LazyArray } from "../../formats/lazy.ts";
import type { LabelledArray } from "./named-axes.ts";

/** What happens to the elements. */
export interface ElementConversion {
  /** Element type to store. uint8 rounds; int64 takes whole numbers only. */
  readonly dtype: "uint8" | "int64" | "float32" | "float64";
  /** Multiplies every element; 1 when absent. */
  readonly scale?: number | undefined;
  /** Is added after scaling; 0 when absent. */
  readonly offset?: number | undefined;
}

/**
 * The array with its elements converted as they are read. Reading throws a UserError for elements that the type cannot
 * hold: beyond 0 to 255, or no whole numbers.
 */
export function convertedColumn(source: LabelledArray, conversion: ElementConversion): LazyArray {
  const { array } = source;
  const { dtype, scale = 1, offset = 0 } = conversion;
  return array.dtype === dtype && scale === 1 && offset === 0 ? array : new ConvertedColumn(source, conversion);
}

class ConvertedColumn implements LazyArray {
  readonly dtype: DType;
  private readonly source: LabelledArray;
  private readonly conversion: ElementConversion;

  constructor(source: LabelledArray, conversion: ElementConversion) {
    this.source = source;
    this.conversion = conversion;
    this.dtype = conversion.dtype;
  }

  get shape(): readonly number[] {
    return this.source.array.shape;
  }

  read(): NdArray {
    return this.convert(this.source.array.read(), 0);
  }

  readRows(start: number, end: number): NdArray {
    return this.convert(this.source.array.readRows(start, end), start);
  }

  private convert(rows: NdArray, firstFrame: number): NdArray {
    const { dtype, scale = 1, offset = 0 } = this.conversion;
    const values = toFloat64(rows);
    if (scale !== 1 || offset !== 0) for (let i = 0; i < values.length; i++) values[i] = values[i]! * scale + offset;
    const fail = (i: number, expected: string) => {
      const frame = firstFrame + Math.floor(i / rowLength(this.shape));
      return new UserError(
        `Cannot store ${this.source.label} as ${dtype}: frame ${frame} (counted from 0) has ${values[i]}, expected ${expected}`,
        { hint: "Change scale, offset or dtype." },
      );
    };
    const result = zerosArray(dtype, rows.shape);
    const { data } = result;
    if (data instanceof BigInt64Array) {
      for (let i = 0; i < values.length; i++) {
        if (!Number.isSafeInteger(values[i])) throw fail(i, "a whole number");
        data[i] = BigInt(values[i]!);
      }
      return result;
    }
    if (dtype === "uint8") {
      for (let i = 0; i < values.length; i++) {
        values[i] = Math.round(values[i]!);
        if (!(values[i]! >= 0 && values[i]! <= 255)) throw fail(i, "0 to 255");
      }
    }
    data.set(values);
    return result;
  }
}
