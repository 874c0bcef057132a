/**
 * @file Records as TensorFlow frames them: length (uint64), masked CRC-32C of the length, the record, masked CRC-32C of the
 * record; all numbers little-endian.
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C (Castagnoli) of bytes, unsigned. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** A checksum that may itself be part of checksummed bytes: rotated by 15 bits, plus a constant. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** A record in its frame. */
export function frameRecord(record: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(record.length + 16);
  frame.writeBigUInt64LE(BigInt(record.length), 0);
  frame.writeUInt32LE(maskedCrc32c(frame.subarray(0, 8)), 8);
  frame.set(record, 12);
  frame.writeUInt32LE(maskedCrc32c(record), record.length + 12);
  return frame;
}
