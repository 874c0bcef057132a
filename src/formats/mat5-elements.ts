/**
 * @file The building blocks of MATLAB level 5 files: tagged elements, and the header of a matrix.
 *
 * An element is a tag (type, bytes) and its data, padded to 8 bytes; up to 4 bytes of data fit into the tag itself. A
 * matrix is an element of elements: flags with the class, dimensions, name, then what the class needs.
 */
import { UserError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";

/** Element types, in the file's numbers. */
export const ELEMENT = {
  int8: 1,
  uint8: 2,
  uint16: 4,
  int32: 5,
  uint32: 6,
  matrix: 14,
  compressed: 15,
  utf8: 16,
  utf16: 17,
  utf32: 18,
} as const;

/** numpy's spelling of the numeric element types, without byte order. */
export const NUMERIC_ELEMENTS: Readonly<Record<number, string>> = {
  1: "i1",
  2: "u1",
  3: "i2",
  4: "u2",
  5: "i4",
  6: "u4",
  7: "f4",
  9: "f8",
  12: "i8",
  13: "u8",
};

/** Names of MATLAB's classes, in the file's numbers. */
const CLASSES = [
  "",
  "cell",
  "struct",
  "object",
  "char",
  "sparse",
  "double",
  "single",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "function_handle",
  "opaque",
] as const;

/** A class of MATLAB's. */
export type MatlabClass = Exclude<(typeof CLASSES)[number], "">;

const COMPLEX = 0x08;
const LOGICAL = 0x02;

/** Where an element's data lie. */
export interface Mat5Element {
  readonly type: number;
  readonly start: number;
  readonly bytes: number;
  /** Where the next element starts. */
  readonly next: number;
}

/** What every matrix starts with. */
export interface Mat5Header {
  readonly class: MatlabClass;
  readonly isComplex: boolean;
  readonly isLogical: boolean;
  readonly shape: readonly number[];
  readonly name: string;
  /** Name of the class of an object. */
  readonly className: string;
  /** Where the elements after the header start, and where the matrix ends. */
  readonly body: number;
  readonly end: number;
}

/** Reads elements of one source, which is a file or an unpacked variable. */
export class Mat5Elements {
  readonly source: ByteSource;
  readonly isLittleEndian: boolean;

  constructor(source: ByteSource, isLittleEndian: boolean) {
    this.source = source;
    this.isLittleEndian = isLittleEndian;
  }

  /** The error for a file whose bytes make no sense. */
  damaged(what: string): UserError {
    return new UserError(`Cannot read "${this.source.name}": ${what}`, {
      hint: "The file is damaged or was cut short; copy it again, or save it again from MATLAB.",
    });
  }

  /** The element at `offset`, which must lie before `end`. */
  at(offset: number, end: number): Mat5Element {
    if (offset + 8 > end) throw this.damaged(`an element is missing at byte ${offset}`);
    const tag = this.view(offset, 8);
    const word = tag.getUint32(0, this.isLittleEndian);
    const isSmall = word >>> 16 !== 0;
    const type = isSmall ? word & 0xffff : word;
    const bytes = isSmall ? word >>> 16 : tag.getUint32(4, this.isLittleEndian);
    const start = isSmall ? offset + 4 : offset + 8;
    if (isSmall ? bytes > 4 : start + bytes > end) {
      throw this.damaged(`an element of ${bytes} bytes at byte ${offset} does not fit`);
    }
    // The last element may come without its padding.
    const next = isSmall ? offset + 8 : Math.min(end, start + Math.ceil(bytes / 8) * 8);
    return { type, start, bytes, next };
  }

  /** Signed or unsigned 32-bit numbers. */
  words(element: Mat5Element): number[] {
    if (element.type !== ELEMENT.int32 && element.type !== ELEMENT.uint32) {
      throw this.damaged(`an element of type ${element.type} stands where whole numbers belong`);
    }
    const view = this.view(element.start, element.bytes);
    return Array.from({ length: Math.floor(element.bytes / 4) }, (_, i) => view.getInt32(4 * i, this.isLittleEndian));
  }

  /** Plain text such as a name. */
  text(element: Mat5Element): string {
    return Buffer.from(this.source.read(element.start, element.bytes)).toString("latin1").replace(/\0.*$/s, "");
  }

  /** The header of a matrix element. */
  header({ type, start, bytes }: Mat5Element): Mat5Header {
    const end = start + bytes;
    if (type !== ELEMENT.matrix) throw this.damaged(`an element of type ${type} stands where a matrix belongs`);
    const flags = this.at(start, end);
    const [word = 0] = this.words(flags);
    const kind = CLASSES[word & 0xff];
    if (kind === undefined || kind === "") throw this.damaged(`a variable has the unknown class ${word & 0xff}`);
    const common = { class: kind, isComplex: ((word >> 8) & COMPLEX) !== 0, isLogical: ((word >> 8) & LOGICAL) !== 0 };

    if (kind === "opaque") {
      // No dimensions: a name, the type system, and the class.
      const name = this.at(flags.next, end);
      const system = this.at(name.next, end);
      const className = this.at(system.next, end);
      const texts = { name: this.text(name), className: this.text(className) };
      return { ...common, ...texts, shape: [1, 1], body: className.next, end };
    }
    const dimensions = this.at(flags.next, end);
    const shape = this.words(dimensions);
    const isShape = shape.length >= 2 && shape.length <= 64 && shape.every((n) => n >= 0);
    if (!isShape || !Number.isSafeInteger(shape.reduce((product, n) => product * n, 1))) {
      throw this.damaged(`a variable has the shape [${shape.slice(0, 64).join(", ")}]`);
    }
    const name = this.at(dimensions.next, end);
    const className = kind === "object" ? this.at(name.next, end) : undefined;
    return {
      ...common,
      shape,
      name: this.text(name),
      className: className === undefined ? "" : this.text(className),
      body: (className ?? name).next,
      end,
    };
  }

  private view(offset: number, length: number): DataView {
    return new DataView(this.source.read(offset, length).buffer);
  }
}
