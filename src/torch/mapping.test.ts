import { constants } from "node:buffer";
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { gatherFrames } from "./gather.ts";
import { mapFile } from "./mapping.ts";
import { scope } from "./scope.ts";
import { empty } from "./tensor.ts";

/** A sparse file of 9 GiB with a few bytes beyond 4 GiB, and at its end. */
const SIZE = 9 * 2 ** 30;
const FAR = 5 * 2 ** 30 + 3;

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mapping-"));
  path = join(folder, "sparse");
  writeFileSync(path, "");
  truncateSync(path, SIZE);
  const file = openSync(path, "r+");
  writeSync(file, Uint8Array.of(1, 2, 3, 4, 5), 0, 5, FAR);
  writeSync(file, Uint8Array.of(9), 0, 1, SIZE - 1);
  closeSync(file);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("mapFile()", () => {
  test("maps bytes anywhere in a file", () => {
    expect(mapFile(path, FAR + 1, 3)).toEqual(Uint8Array.of(2, 3, 4));
    expect(mapFile(path, 0, 0)).toEqual(new Uint8Array(0));
    const last = mapFile(path, SIZE - 2 ** 31 - 7, 2 ** 31 + 7);
    expect(last.length).toBe(2 ** 31 + 7);
    expect(last[2 ** 31 + 6]).toBe(9);
  });

  test("gathers frames that begin beyond 2 GiB of a mapped recording", () => {
    const start = FAR - 3 * 2 ** 30;
    const source = mapFile(path, start, 4 * 2 ** 30);
    const frame = 3 * 2 ** 30;
    scope(() => {
      const out = empty([4], { dtype: "uint8" });
      const samples = { recordings: Int32Array.of(0), frames: Int32Array.of(frame / 4), lags: Int32Array.of(0) };
      gatherFrames(out, 0, { sources: [source], ...samples, channels: 1, pixels: 4 });
      expect([...(out.toTypedArray() as Uint8Array)]).toEqual([1, 2, 3, 4]);
    });
  });

  test("refuses more bytes than an array can have", () => {
    const bytes = constants.MAX_LENGTH + 1;
    expect(() => mapFile(path, 0, bytes)).toThrow(UserError);
    expect(() => mapFile(path, 0, bytes)).toThrow(`Cannot map ${bytes} bytes of "${path}"`);
  });

  test("refuses files that are missing or end before", () => {
    expect(() => mapFile(join(folder, "absent"), 0, 1)).toThrow("absent");
    expect(() => mapFile(path, SIZE - 1, 2)).toThrow("does not reach");
    expect(() => mapFile(path, -1, 2)).toThrow("does not reach");
  });
});
