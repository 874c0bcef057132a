import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { createAtomicWriter, writeFileAtomic } from "./atomic.ts";

const root = mkdtempSync(join(tmpdir(), "atomic-"));
afterAll(() => rmSync(root, { recursive: true }));

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(root, "case-"));
  path = join(folder, "weights.bin");
});

function caught(run: () => void): UserError {
  try {
    run();
  } catch (error) {
    return error as UserError;
  }
  throw new Error("nothing was thrown");
}

function expectOnlyPrevious(): void {
  expect(readdirSync(folder)).toEqual(["weights.bin"]);
  expect(readFileSync(path, "utf8")).toBe("previous");
}

describe("writeFileAtomic()", () => {
  test("writes bytes, text and what a function writes", () => {
    writeFileAtomic(path, Uint8Array.of(1, 2));
    expect([...readFileSync(path)]).toEqual([1, 2]);
    writeFileAtomic(path, "µ");
    expect(readFileSync(path, "utf8")).toBe("µ");
    writeFileAtomic(path, (fd) => void writeSync(fd, "by hand"));
    expect(readFileSync(path, "utf8")).toBe("by hand");
    expect(readdirSync(folder)).toEqual(["weights.bin"]);
  });

  test("keeps the permissions of the file it replaces", () => {
    writeFileSync(path, "previous", { mode: 0o600 });
    writeFileAtomic(path, "next");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("keeps the previous file when the disk is full", () => {
    writeFileSync(path, "previous");
    const fill = () => {
      const full = openSync("/dev/full", "w");
      try {
        writeSync(full, "x");
      } finally {
        closeSync(full);
      }
    };
    const error = caught(() => writeFileAtomic(path, fill));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe(`Cannot write "${path}": no space left on the disk; the previous file is intact`);
    expect(error.hint).toContain("Free some space");
    expectOnlyPrevious();
  });

  test("leaves nothing behind when there was no previous file", () => {
    const error = caught(() =>
      writeFileAtomic(path, () => {
        throw Object.assign(new Error("quota"), { code: "EDQUOT" });
      }),
    );
    expect(error.message).toContain("the disk quota is used up; no file was left behind");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("passes on errors of the function that are not about this file", () => {
    writeFileSync(path, "previous");
    const own = new RangeError("own");
    expect(
      caught(() =>
        writeFileAtomic(path, () => {
          throw own;
        }),
      ),
    ).toBe(own);
    expect(caught(() => writeFileAtomic(path, () => void readFileSync(join(folder, "missing"))))).not.toBeInstanceOf(
      UserError,
    );
    expectOnlyPrevious();
  });

  test("refuses missing folders, folders and devices", () => {
    expect(caught(() => writeFileAtomic(join(folder, "runs", "x"), "")).message).toContain("no such file or folder");
    expect(caught(() => writeFileAtomic(join(folder, "runs", "x"), "")).hint).toContain(
      `Create the folder "${folder}/runs"`,
    );
    mkdirSync(path);
    expect(caught(() => writeFileAtomic(path, "")).message).toBe(`Cannot write "${path}": it is a folder`);
    symlinkSync("/dev/full", join(folder, "device"));
    expect(caught(() => writeFileAtomic(join(folder, "device"), "")).message).toContain("it is not a regular file");
  });

  test.each([
    ["EACCES", "permission denied"],
    ["EROFS", "the file system is read-only"],
    ["EXYZ", "the system reported EXYZ"],
  ])("says what %s means and keeps the previous file", (code, meaning) => {
    writeFileSync(path, "previous");
    const error = caught(() =>
      writeFileAtomic(path, () => {
        throw Object.assign(new Error(code), { code });
      }),
    );
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe(`Cannot write "${path}": ${meaning}; the previous file is intact`);
    expectOnlyPrevious();
  });

  test("says when renaming is not possible, and keeps what is there", () => {
    writeFileSync(path, "previous");
    const error = caught(() =>
      writeFileAtomic(path, () => {
        rmSync(path);
        mkdirSync(path);
      }),
    );
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain("it is a folder, not a file");
    expect(readdirSync(folder)).toEqual(["weights.bin"]);
  });
});

describe("createAtomicWriter()", () => {
  test("shows the file only when committed", () => {
    writeFileSync(path, "previous");
    const writer = createAtomicWriter(path);
    writer.write(Buffer.from("one "));
    writer.write(Buffer.from("two"));
    expect(readFileSync(path, "utf8")).toBe("previous");
    writer.commit();
    expect(readFileSync(path, "utf8")).toBe("one two");
    writer.abort();
    expect(() => writer.write(Buffer.from("late"))).toThrow(/closed/);
    expect(readdirSync(folder)).toEqual(["weights.bin"]);
  });

  test("leaves no trace when disposed of before the commit", () => {
    writeFileSync(path, "previous");
    const abandon = () => {
      using writer = createAtomicWriter(path);
      writer.write(Buffer.from("half"));
      throw new Error("interrupted");
    };
    expect(abandon).toThrow("interrupted");
    expectOnlyPrevious();
  });
});
