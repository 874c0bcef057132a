import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { makeFolder } from "./folder.ts";

const folder = mkdtempSync(join(tmpdir(), "folder-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("makeFolder()", () => {
  test("makes the folders above as well, and accepts one that is there", () => {
    const path = join(folder, "a", "b");
    makeFolder(path);
    makeFolder(path);
    expect(existsSync(path)).toBe(true);
  });

  test("says that a file is in the way", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const userError = (message: string) => expect.objectContaining({ name: "UserError", message });
    expect(() => makeFolder(file)).toThrow(
      userError(`Cannot make the folder "${file}": a file of that name is in the way`),
    );
    expect(() => makeFolder(join(file, "run"))).toThrow(
      userError(`Cannot make the folder "${join(file, "run")}": a part of its path is a file, not a folder`),
    );
  });
});
