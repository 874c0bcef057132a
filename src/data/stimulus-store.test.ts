import { constants } from "node:buffer";
import { mkdtempSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LazyArray } from "../formats/lazy.ts";
import { openSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import { binStarts, downsampleColumn } from "./downsample.ts";
import { StimulusStore } from "./stimulus-store.ts";

const FRAMES = 5000;
const shape = [FRAMES, 3, 5];
const data = Uint8Array.from({ length: FRAMES * 15 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24);
const starts = binStarts(FRAMES, 2);

let folder: string;
let column: LazyArray;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "store-"));
  writeSafetensors(join(folder, "movie.safetensors"), new Map([["stim", { dtype: "uint8", shape, data }]]));
  column = openSafetensors(join(folder, "movie.safetensors")).tensor("stim");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("StimulusStore", () => {
  test("keeps stimuli in memory while they fit", () => {
    const store = new StimulusStore(FRAMES * 15 + 10, join(folder, "unused"));
    expect(store.hold(column, undefined, 1)).toEqual({ dtype: "uint8", shape, data });
    expect(store).toMatchObject({ inMemory: FRAMES * 15, mapped: 0 });
    store.hold(column, undefined, 1);
    expect(store).toMatchObject({ inMemory: FRAMES * 15, mapped: FRAMES * 15 });
    expect(readdirSync(folder)).toEqual(["movie.safetensors"]);
  });

  test("maps a recording's own bytes where no frame is left out", () => {
    expect(new StimulusStore(0).hold(column, undefined, 1)).toEqual({ dtype: "uint8", shape, data });
  });

  test("maps a copy of the frames that are kept, made once", () => {
    const cache = join(folder, "cache");
    const expected = downsampleColumn("stim", column, starts, 2);
    const store = new StimulusStore(0, cache);
    expect(store.hold(column, starts, 2)).toEqual(expected);
    const files = readdirSync(cache);
    expect(files).toHaveLength(1);
    // A file that could not have been made again: it is read, not written.
    utimesSync(join(cache, files[0]!), 1, 1);
    expect(store.hold(column, starts, 2)).toEqual(expected);
    expect(store.hold(column, binStarts(FRAMES, 4), 4).shape).toEqual([FRAMES / 4, 3, 5]);
    expect(readdirSync(cache)).toHaveLength(2);
  });

  test("makes another copy when the recording has changed", () => {
    const cache = join(folder, "cache-2");
    const path = join(folder, "changing.safetensors");
    const write = (values: Uint8Array) =>
      writeSafetensors(path, new Map([["stim", { dtype: "uint8", shape, data: values }]]));
    const hold = () => new StimulusStore(0, cache).hold(openSafetensors(path).tensor("stim"), starts, 2);
    write(data);
    expect(hold().data[0]).toBe(data[0]);
    write(data.map((level) => 255 - level));
    expect(hold().data[0]).toBe(255 - data[0]!);
    expect(readdirSync(cache)).toHaveLength(2);
    rmSync(path);
  });

  test.each([
    ["was cut short", (path: string) => truncateSync(path, 1000)],
    ["is not what its name says", (path: string) => writeFileSync(path, "damaged")],
    [
      "holds other frames",
      (path: string) =>
        writeSafetensors(path, new Map([["stim", { dtype: "uint8", shape: [1, 15], data: new Uint8Array(15) }]])),
    ],
  ])("makes a copy again that %s", (_, damage) => {
    const cache = mkdtempSync(join(folder, "cache-"));
    const expected = downsampleColumn("stim", column, starts, 2);
    new StimulusStore(0, cache).hold(column, starts, 2);
    damage(join(cache, readdirSync(cache)[0]!));
    expect(new StimulusStore(0, cache).hold(column, starts, 2)).toEqual(expected);
    expect(readdirSync(cache)).toHaveLength(1);
  });

  test("knows where the bytes lie that it mapped", () => {
    const store = new StimulusStore(0, join(folder, "cache-5"));
    const own = store.hold(column, undefined, 1);
    expect(store.locationOf(own)).toEqual(column.location);
    expect(store.locationOf(store.hold(column, starts, 2))!.path).toContain("cache-5");
    expect(store.locationOf({ ...own, data: data.slice() })).toBeUndefined();
  });

  test("refuses stimuli with more bytes than an array can have", () => {
    const shape = [constants.MAX_LENGTH + 1, 1];
    const huge = { ...column, shape, dtype: "uint8" } as LazyArray;
    expect(() => new StimulusStore().hold(huge, undefined, 1)).toThrow("Cannot hold a stimulus of");
  });

  test("keeps in memory what no file holds as it is", () => {
    const decoded = { ...column, shape, dtype: "uint8", read: () => ({ dtype: "uint8", shape, data }) } as LazyArray;
    const store = new StimulusStore(0, join(folder, "cache-4"));
    expect(store.hold(decoded, undefined, 1).data).toBe(data);
    expect(store.inMemory).toBe(FRAMES * 15);
  });
});
