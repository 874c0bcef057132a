import { crc32, inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { encodePng } from "./png.ts";

/** Reads the chunks back, checking their checksums. */
function chunksOf(png: Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(png);
  expect(bytes.toString("latin1", 1, 4)).toBe("PNG");
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const body = bytes.subarray(at + 4, at + 8 + length);
    expect(bytes.readUInt32BE(at + 8 + length)).toBe(crc32(body));
    chunks.set(body.toString("latin1", 0, 4), body.subarray(4));
    at += 12 + length;
  }
  return chunks;
}

describe("encodePng()", () => {
  test("stores size, depth and grey rows", () => {
    const chunks = chunksOf(encodePng({ width: 3, height: 2, channels: 1, data: Uint8Array.of(0, 128, 255, 1, 2, 3) }));
    expect([...chunks.keys()]).toEqual(["IHDR", "IDAT", "IEND"]);
    expect([...chunks.get("IHDR")!]).toEqual([0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0]);
    expect([...inflateSync(chunks.get("IDAT")!)]).toEqual([0, 0, 128, 255, 0, 1, 2, 3]);
  });

  test("stores colour as red, green, blue", () => {
    const chunks = chunksOf(encodePng({ width: 1, height: 1, channels: 3, data: Uint8Array.of(10, 20, 30) }));
    expect(chunks.get("IHDR")![9]).toBe(2);
    expect([...inflateSync(chunks.get("IDAT")!)]).toEqual([0, 10, 20, 30]);
  });

  test("refuses empty images and data of another length", () => {
    expect(() => encodePng({ width: 0, height: 1, channels: 1, data: new Uint8Array(0) })).toThrow("0 x 1");
    expect(() => encodePng({ width: 2, height: 2, channels: 1, data: new Uint8Array(3) })).toThrow(
      "take 4 bytes: got 3",
    );
  });
});
