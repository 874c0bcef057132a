import { expect, test } from "vitest";
import { crc32c, frameRecord, maskedCrc32c } from "./tfrecord.ts";

test("crc32c() gives the check value of the algorithm and the examples of RFC 3720", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
});

test("maskedCrc32c() rotates and adds", () => {
  const crc = 0xe3069283;
  expect(maskedCrc32c(Buffer.from("123456789"))).toBe((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
});

test("frameRecord() adds 16 bytes around a record", () => {
  const frame = Buffer.from(frameRecord(Buffer.from("abc")));
  expect(frame.length).toBe(19);
  expect(frame.readBigUInt64LE()).toBe(3n);
  expect(frame.subarray(12, 15).toString()).toBe("abc");
});
