import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { allocateBytes, memorySource, openFile } from "./byte-source.ts";

const folder = mkdtempSync(join(tmpdir(), "byte-source-"));
afterAll(() => rmSync(folder, { recursive: true }));

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return `${(error as UserError).message} | ${(error as UserError).hint ?? ""}`;
  }
  throw new Error("nothing was thrown");
}

describe("openFile()", () => {
  const path = join(folder, "numbers.bin");
  writeFileSync(
    path,
    Uint8Array.from({ length: 100 }, (_, i) => i),
  );

  test("reads at any position", () => {
    const file = openFile(path);
    expect(file.size).toBe(100);
    expect([...file.read(97, 3)]).toEqual([97, 98, 99]);
    expect([...file.read(0, 2)]).toEqual([0, 1]);
    expect(file.read(100, 0)).toHaveLength(0);
    file.close();
    file.close();
    expect(() => file.read(0, 1)).toThrow(/was closed/);
  });

  test("refuses reads beyond the end", () => {
    const file = openFile(path);
    expect(messageOf(() => file.read(99, 2))).toContain("has 100 bytes, 2 were expected from byte 99 on");
    expect(messageOf(() => file.read(-1, 2))).toContain("from byte -1 on");
    expect(messageOf(() => file.read(Number.NaN, 2))).toContain("numbers.bin");
    file.close();
  });

  test("notices that a file became shorter", () => {
    const shrinking = join(folder, "shrinking.bin");
    writeFileSync(shrinking, new Uint8Array(100));
    const file = openFile(shrinking);
    truncateSync(shrinking, 50);
    expect(messageOf(() => file.read(0, 100))).toContain("became shorter");
    file.close();
  });

  test("suggests the name of a similar file for a missing one", () => {
    expect(messageOf(() => openFile(join(folder, "number.bin")))).toMatch(
      /Cannot read ".*number.bin": no such file.*Did you mean "numbers.bin"/,
    );
    expect(messageOf(() => openFile(join(folder, "nowhere", "x.bin")))).toContain("no such file or folder | ");
    expect(messageOf(() => openFile(join(path, "x.bin")))).toContain("a part of its path is a file");
  });

  test("refuses folders and devices", () => {
    mkdirSync(join(folder, "inner"), { recursive: true });
    expect(messageOf(() => openFile(join(folder, "inner")))).toContain("it is a folder, not a file");
    expect(messageOf(() => openFile("/dev/null"))).toContain("it is not a regular file");
  });
});

describe("memorySource()", () => {
  test("gives copies, so that changing what was read does not change the source", () => {
    const source = memorySource(Uint8Array.of(1, 2, 3), "bytes");
    source.read(0, 3)[0] = 9;
    expect([...source.read(0, 2)]).toEqual([1, 2]);
    expect(messageOf(() => source.read(2, 2))).toContain('Cannot read "bytes"');
  });
});

test("allocateBytes() says that memory does not suffice", () => {
  expect(messageOf(() => allocateBytes(2 ** 50, "huge.bin"))).toContain(
    '"huge.bin": 1125899906842624 bytes do not fit',
  );
});
