/**
 * @file PNG images, written only: grey or colour, 8 bits a channel, as heat maps and frames need them.
 *
 * Follows the PNG specification, third edition: signature, then the chunks IHDR, IDAT and IEND.
 */
import { crc32, deflateSync } from "node:zlib";

/** Pixels in rows from the top, channels last. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** 1 is grey, 3 is red, green, blue. */
  readonly channels: 1 | 3;
  /** `height * width * channels` values, 0 to 255. */
  readonly data: Uint8Array;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const COLOUR_TYPES = { 1: 0, 3: 2 } as const;

/**
 * The bytes of a PNG file.
 *
 * @example
 * writeFileAtomic("grey.png", encodePng({ width: 2, height: 1, channels: 1, data: Uint8Array.of(0, 255) }));
 * @throws RangeError when the image is empty or `data` has another length than its size says
 */
export function encodePng({ width, height, channels, data }: Pixels): Uint8Array {
  if (!(width > 0 && height > 0)) throw new RangeError(`Cannot encode an image of ${width} x ${height} pixels`);
  const rowBytes = width * channels;
  if (data.length !== height * rowBytes) {
    throw new RangeError(
      `${width} x ${height} x ${channels} pixels take ${height * rowBytes} bytes: got ${data.length}`,
    );
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  header[9] = COLOUR_TYPES[channels];
  // Each row starts with the number of its filter; 0 stores the bytes as they are.
  const rows = new Uint8Array(height * (rowBytes + 1));
  for (let y = 0; y < height; y++) {
    rows.set(data.subarray(y * rowBytes, (y + 1) * rowBytes), y * (rowBytes + 1) + 1);
  }
  return Buffer.concat([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
