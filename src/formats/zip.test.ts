import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { memorySource } from "./byte-source.ts";
import { checksum, ZipArchive } from "./zip.ts";
import { ZipWriter } from "./zip-writer.ts";

const folder = mkdtempSync(join(tmpdir(), "zip-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fixtures = new URL("../../test/fixtures/formats/", import.meta.url).pathname;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function zipped(files: Record<string, Uint8Array>, options: { alignment?: number } = {}): Buffer {
  const parts: Uint8Array[] = [];
  const writer = new ZipWriter((bytes) => parts.push(bytes.slice()), options);
  for (const [name, bytes] of Object.entries(files)) writer.add(name, bytes);
  writer.finish();
  return Buffer.concat(parts);
}

function archiveOf(bytes: Uint8Array, options: { maxUnpackedBytes?: number } = {}): ZipArchive {
  return new ZipArchive(memorySource(bytes, "test.zip"), options);
}

/** An archive with one deflated entry, whose declared size may be a lie. */
function deflated(content: Uint8Array, declared = content.length): Buffer {
  const bytes = zipped({ a: deflateRawSync(content) });
  const directory = bytes.lastIndexOf("PK\u0001\u0002");
  bytes.writeUInt16LE(8, 8);
  bytes.writeUInt16LE(8, directory + 10);
  bytes.writeUInt32LE(checksum(content), directory + 16);
  bytes.writeUInt32LE(declared, directory + 24);
  return bytes;
}

describe("ZipWriter", () => {
  test("writes what ZipArchive reads", () => {
    const files = { "x/data.pkl": text("pickle"), "x/µ": new Uint8Array(0), "x/data/0": Uint8Array.of(1, 2, 3) };
    const archive = archiveOf(zipped(files));
    expect([...archive.entries.keys()]).toEqual(Object.keys(files));
    for (const [name, bytes] of Object.entries(files)) expect(archive.read(name)).toEqual(bytes);
    expect(archive.open("x/data/0").read(1, 2)).toEqual(Uint8Array.of(2, 3));
  });

  test("starts the data of every entry at a multiple of the alignment", () => {
    const files = Object.fromEntries(Array.from({ length: 70 }, (_, i) => ["n".repeat(i + 1), text(`content ${i}`)]));
    const bytes = zipped(files, { alignment: 64 });
    for (const content of Object.values(files)) expect(bytes.indexOf(content) % 64).toBe(0);
    const archive = archiveOf(bytes);
    for (const [name, content] of Object.entries(files)) expect(archive.read(name)).toEqual(content);
  });

  test("switches to ZIP64 for more entries than 16 bits count", () => {
    const parts: Uint8Array[] = [];
    const writer = new ZipWriter((bytes) => parts.push(bytes.slice()));
    for (let i = 0; i < 66_000; i++) writer.add(String(i), Uint8Array.of(i & 255));
    writer.finish();
    const archive = archiveOf(Buffer.concat(parts));
    expect(archive.entries.size).toBe(66_000);
    expect([...archive.read("65999")]).toEqual([65999 & 255]);
  });
});

describe("ZipArchive", () => {
  const sound = zipped({ first: text("some bytes"), second: text("more bytes") });

  test("reads stored and deflated archives written by numpy", () => {
    const stored = new ZipArchive(`${fixtures}npy/stored.npz`);
    const packed = new ZipArchive(`${fixtures}npy/deflated.npz`);
    expect([...packed.entries.keys()]).toEqual([...stored.entries.keys()]);
    for (const name of stored.entries.keys()) expect(packed.read(name)).toEqual(stored.read(name));
    expect(packed.open("eye.npy").read(1, 5)).toEqual(text("NUMPY"));
    stored.close();
    packed.close();
  });

  test("reads entries beyond 4 GiB through ZIP64 without reading what lies before", () => {
    const path = join(folder, "large.zip");
    const large = 5 * 2 ** 30;
    const fd = openSync(path, "w");
    // A sparse file: the first entry is 5 GiB of zeros that take no space on the disk.
    const small = text("behind");
    const localHeader = (name: string, size: number) => {
      const header = Buffer.alloc(30 + name.length);
      header.writeUInt32LE(0x04034b50);
      header.writeUInt32LE(Math.min(size, 0xffffffff), 18);
      header.writeUInt32LE(Math.min(size, 0xffffffff), 22);
      header.writeUInt16LE(name.length, 26);
      header.write(name, 30);
      return header;
    };
    const directoryEntry = (name: string, size: number, offset: number, crc: number) => {
      const wide = [size, size, offset].filter((value) => value >= 0xffffffff);
      const record = Buffer.alloc(46 + name.length + (wide.length > 0 ? 4 + 8 * wide.length : 0));
      record.writeUInt32LE(0x02014b50);
      record.writeUInt32LE(crc, 16);
      record.writeUInt32LE(Math.min(size, 0xffffffff), 20);
      record.writeUInt32LE(Math.min(size, 0xffffffff), 24);
      record.writeUInt16LE(name.length, 28);
      record.writeUInt16LE(record.length - 46 - name.length, 30);
      record.writeUInt32LE(Math.min(offset, 0xffffffff), 42);
      record.write(name, 46);
      if (wide.length > 0) record.writeUInt16LE(1, 46 + name.length);
      if (wide.length > 0) record.writeUInt16LE(8 * wide.length, 48 + name.length);
      for (const [i, value] of wide.entries()) record.writeBigUInt64LE(BigInt(value), 50 + name.length + 8 * i);
      return record;
    };
    const secondOffset = 33 + large;
    const directoryOffset = secondOffset + 30 + 6 + small.length;
    const directory = Buffer.concat([
      directoryEntry("big", large, 0, 0),
      directoryEntry("second", small.length, secondOffset, checksum(small)),
    ]);
    const end = Buffer.alloc(56 + 20 + 22);
    end.writeUInt32LE(0x06064b50);
    end.writeBigUInt64LE(2n, 32);
    end.writeBigUInt64LE(BigInt(directory.length), 40);
    end.writeBigUInt64LE(BigInt(directoryOffset), 48);
    end.writeUInt32LE(0x07064b50, 56);
    end.writeBigUInt64LE(BigInt(directoryOffset + directory.length), 64);
    end.writeUInt32LE(0x06054b50, 76);
    end.fill(0xff, 84, 96);
    writeSync(fd, localHeader("big", large), 0, 33, 0);
    writeSync(fd, text("last"), 0, 4, secondOffset - 4);
    writeSync(fd, Buffer.concat([localHeader("second", small.length), small, directory, end]), 0, null, secondOffset);
    closeSync(fd);

    const archive = new ZipArchive(path);
    expect(archive.entries.get("big")?.size).toBe(large);
    expect(archive.open("big").read(large - 4, 4)).toEqual(text("last"));
    expect(archive.read("second")).toEqual(small);
    expect(() => archive.open("big").read(large - 4, 5)).toThrow(UserError);
    archive.close();
    rmSync(path);
  });

  test("names what is wrong with files that are no archives or cut short", () => {
    expect(() => archiveOf(new Uint8Array(0))).toThrow('Cannot read "test.zip": it is not a zip archive');
    expect(() => archiveOf(text("just some text, long enough for a directory"))).toThrow("it is not a zip archive");
    for (const end of [5, 30, sound.length - 60, sound.length - 22, sound.length - 1]) {
      expect(() => archiveOf(sound.subarray(0, end))).toThrow(`cut short after ${end} bytes`);
    }
  });

  test("finds the end behind a comment", () => {
    const comment = Buffer.concat([sound, text("a comment")]);
    comment.writeUInt16LE(9, sound.length - 2);
    expect(archiveOf(comment).entries.size).toBe(2);
  });

  test("refuses entries whose bytes changed", () => {
    const bytes = Buffer.from(sound);
    bytes.write("Some", bytes.indexOf("some"));
    expect(() => archiveOf(bytes).read("first")).toThrow('the checksum of its entry "first" does not match');
    expect(archiveOf(bytes).read("second")).toEqual(text("more bytes"));
    // A part can be read: its checksum is not known.
    expect(archiveOf(bytes).open("first").read(5, 5)).toEqual(text("bytes"));
  });

  test("accepts entries whose writer left the checksum out", () => {
    const bytes = Buffer.from(sound);
    bytes.writeUInt32LE(0, bytes.indexOf("PK\u0001\u0002") + 16);
    expect(archiveOf(bytes).read("first")).toEqual(text("some bytes"));
  });

  test("refuses missing, encrypted, unknown and inconsistent entries", () => {
    const at = sound.indexOf("PK\u0001\u0002");
    const changed = (change: (bytes: Buffer) => void): ZipArchive => {
      const bytes = Buffer.from(sound);
      change(bytes);
      return archiveOf(bytes);
    };
    expect(() => archiveOf(sound).read("third")).toThrow('it has no entry "third"');
    expect(() => changed((b) => b.writeUInt16LE(1, at + 8)).read("first")).toThrow("encrypted");
    expect(() => changed((b) => b.writeUInt16LE(14, at + 10)).read("first")).toThrow("method 14");
    expect(() => changed((b) => b.writeUInt32LE(99, at + 24)).read("first")).toThrow(
      'sizes of its entry "first" disagree',
    );
    expect(() => changed((b) => b.writeUInt32LE(1e6, at + 20))).toThrow('entry "first" lies outside the file');
    expect(() => changed((b) => b.writeUInt32LE(0xffffffff, at + 42))).toThrow("ZIP64 sizes");
    expect(() => changed((b) => b.writeUInt32LE(0, 0)).read("first")).toThrow('header of its entry "first" is damaged');
    expect(() => changed((b) => b.writeUInt16LE(5000, 26)).read("first")).toThrow("reaches into the directory");
    expect(() => changed((b) => b.writeUInt16LE(3, b.length - 12))).toThrow("lists 2 entries, 3 were announced");
    expect(() => changed((b) => b.writeUInt32LE(1e6, b.length - 6))).toThrow("directory lies outside the file");
    expect(() => changed((b) => b.writeUInt16LE(1, b.length - 18))).toThrow("spans several files");
    const twins = zipped({ aa: text("1"), bb: text("2") })
      .toString("latin1")
      .replaceAll("bb", "aa");
    expect(() => archiveOf(Buffer.from(twins, "latin1"))).toThrow('two entries named "aa"');
  });

  test("unpacks no more than an entry declares and the limit allows", () => {
    const zeros = new Uint8Array(1_000_000);
    expect(Buffer.compare(archiveOf(deflated(zeros)).read("a"), zeros)).toBe(0);
    expect(() => archiveOf(deflated(zeros, 1000)).read("a")).toThrow("unpacks to more than its declared 1000 bytes");
    expect(() => archiveOf(deflated(zeros, 2_000_000)).read("a")).toThrow(
      "unpacks to 1000000 bytes, 2000000 were declared",
    );
    expect(() => archiveOf(deflated(zeros), { maxUnpackedBytes: 999_999 }).read("a")).toThrow(
      "unpacks to 1000000 bytes, at most 999999 are read",
    );
    const noise = deflated(zeros);
    noise.fill(0xff, 31, 40);
    expect(() => archiveOf(noise).read("a")).toThrow("cannot be unpacked");
  });

  test("reads a recording written by PyTorch", () => {
    const path = `${fixtures}recording/fixrsvp.dset`;
    const archive = new ZipArchive(path);
    expect(new TextDecoder().decode(archive.read("fixrsvp/byteorder"))).toBe("little");
    // PyTorch aligns storages to 64 bytes.
    const storage = archive.read("fixrsvp/data/2");
    expect(readFileSync(path).indexOf(storage) % 64).toBe(0);
    archive.close();
  });
});
