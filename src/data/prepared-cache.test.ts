import { spawn } from "node:child_process";
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { SessionConfig } from "../config/session.ts";
import { UserError } from "../errors.ts";
import { type PreparedSession, type PrepareOptions, prepareSession } from "./prepare.ts";
import { prepareWithCache } from "./prepared-cache.ts";
import { writeRecording } from "./recording-files.ts";
import { fakeConfig, fakeRecording } from "./session.fake.ts";
import { StimulusStore } from "./stimulus-store.ts";

const disk = vi.hoisted(() => ({ free: Number.POSITIVE_INFINITY }));
vi.mock("node:fs", async (importActual) => {
  const fs = await importActual<typeof import("node:fs")>();
  const writeSync = (descriptor: number, bytes: Uint8Array, ...rest: number[]): number => {
    disk.free -= bytes.length;
    if (disk.free < 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    return fs.writeSync(descriptor, bytes, ...rest);
  };
  return { ...fs, writeSync };
});

const TYPES = ["gaborium", "backimage"];
const DOWNSAMPLED = { sampling: { source_rate: 240, target_rate: 120 } };

let dataDir: string;
let cache: string;
beforeEach(() => {
  disk.free = Number.POSITIVE_INFINITY;
  dataDir = mkdtempSync(join(tmpdir(), "prepared-"));
  cache = join(dataDir, "cache");
  for (const [seed, type] of TYPES.entries()) {
    writeRecording(
      join(dataDir, "Fake_2020-01-01"),
      fakeRecording(type, { seed, metadata: { rate_hz: 240, rig: [1] } }),
    );
  }
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const configOf = (overrides: Record<string, unknown> = {}) =>
  fakeConfig({ types: [...TYPES, "gratings"], ...overrides });
const prepare = (config = configOf(), options: PrepareOptions = {}) =>
  prepareWithCache(config, { dataDir, ...options }, cache);
const files = () => readdirSync(cache).sort();
const preparedFiles = () => files().filter((file) => file.startsWith("Fake_"));

/** Everything a session serves and says. */
function contents({ train, val, ...rest }: PreparedSession): unknown {
  const part = (set: typeof train) => ({
    recordingOf: set.recordingOf,
    frameOf: set.frameOf,
    pixelnorm: set.pixelnorm,
    recordings: set.recordings.map((recording) => ({
      name: recording.name,
      metadata: recording.metadata,
      columns: recording.keys().map((key) => [key, recording.get(key)]),
    })),
    served: set.serve(set.frameOf.map((_, i) => i)),
  });
  return { ...rest, train: part(train), val: part(val) };
}

/** How often a session was prepared while `body` ran, told by the files that were written. */
function writes(body: () => void): number {
  const before = new Map(files().map((file) => [file, statSync(join(cache, file)).ino]));
  body();
  return files().filter((file) => before.get(file) !== statSync(join(cache, file)).ino).length;
}

describe("prepareWithCache()", () => {
  test.each([
    ["as recorded", {}],
    ["down-sampled", DOWNSAMPLED],
    [
      "with a stimulus of floats",
      {
        transforms: { stim: { ops: [{ pixelnorm: {} }, { mul: 2 }, { unsqueeze: 1 }] } },
        keys_lags: { robs: 0, dfs: 0, stim: [0, 1] },
      },
    ],
    [
      "without a stimulus",
      {
        keys_lags: { robs: 0, dfs: 0, behavior: 0, history: [1, 2] },
        transforms: {
          gaze: { source: "eyepos", expose_as: "behavior" },
          spikes: { source: "robs", expose_as: "history" },
        },
      },
    ],
  ])("gives what prepareSession() gives, the second time from a file: %s", (_, overrides) => {
    const config = configOf(overrides);
    const expected = contents(prepareSession(config, { dataDir, keepKeys: ["t_bins"] }));
    for (const budget of [0, Number.POSITIVE_INFINITY]) {
      expect(contents(prepare(config, { keepKeys: ["t_bins"], store: new StimulusStore(budget) }))).toEqual(expected);
      expect(writes(() => prepare(config, { keepKeys: ["t_bins"] }))).toBe(0);
    }
    expect(preparedFiles()).toHaveLength(1);
  });

  test("maps the stimuli that the store has no room for", () => {
    const bytes = 2 * 150 * 12;
    for (const [budget, inMemory] of [
      [0, 0],
      [bytes / 2, bytes / 2],
      [bytes, bytes],
    ] as const) {
      const store = new StimulusStore(budget);
      prepare(configOf(DOWNSAMPLED), { store });
      expect([store.inMemory, store.mapped]).toEqual([inMemory, bytes - inMemory]);
    }
  });

  test("prepares again when a recording has changed", () => {
    const before = prepare();
    const recording = fakeRecording("backimage", { seed: 9 });
    writeRecording(join(dataDir, "Fake_2020-01-01"), recording);
    const after = prepare();
    expect(contents(after)).not.toEqual(contents(before));
    expect(contents(after)).toEqual(contents(prepareSession(configOf(), { dataDir })));
    expect(preparedFiles()).toHaveLength(2);
  });

  test("prepares again when a recording was touched, or one appeared that had been missing", () => {
    prepare();
    utimesSync(join(dataDir, "Fake_2020-01-01", "gaborium.safetensors"), 5, 5);
    expect(writes(prepare)).toBe(1);
    writeRecording(join(dataDir, "Fake_2020-01-01"), fakeRecording("gratings"));
    expect(prepare().config.types).toEqual([...TYPES, "gratings"]);
  });

  test.each([
    ["another split", { seed: 7 }, {}],
    [
      "other transforms",
      {
        transforms: { ...configOf().transforms, gaze: { source: "eyepos", ops: [{ mul: 2 }], expose_as: "behavior" } },
      },
      {},
    ],
    ["other units", { cids: [2, 0] }, {}],
    ["more keys", {}, { keepKeys: ["t_bins"] }],
  ])("prepares again for %s", (_, overrides, options) => {
    prepare();
    const config = configOf(overrides);
    expect(contents(prepare(config, options))).toEqual(contents(prepareSession(config, { dataDir, ...options })));
    expect(preparedFiles()).toHaveLength(2);
  });

  test("is not put off by what belongs to the model, which it passes on", () => {
    prepare();
    const readout: SessionConfig["readout"] = configOf({ readout: { type: "gaussian", params: {} } }).readout;
    let prepared: PreparedSession | undefined;
    expect(writes(() => (prepared = prepare({ ...configOf(), readout })))).toBe(0);
    expect(prepared!.config.readout).toEqual(readout);
  });

  test("refuses doubtful data when it is to be strict, although they were prepared before", () => {
    const config = configOf({ keys_lags: { ...configOf().keys_lags, stim: [0, 20] } });
    expect(prepare(config).doubts.length).toBeGreaterThan(0);
    expect(() => prepare(config, { strict: true })).toThrow(UserError);
  });

  test.each([
    ["is cut short", (path: string) => truncateSync(path, statSync(path).size - 1)],
    ["is empty", (path: string) => writeFileSync(path, "")],
    ["has a damaged description", (path: string) => replaceIn(path, '\\"key\\":', '\\"kex\\":')],
    ["has a description that is no JSON", (path: string) => replaceIn(path, '{\\"droppedTypes', '[\\"droppedTypes')],
    ["lacks an array", (path: string) => replaceIn(path, '"val/frames"', '"val/framez"')],
  ])("prepares again when the file %s", (_, damage) => {
    const expected = contents(prepare());
    damage(join(cache, preparedFiles()[0]!));
    expect(writes(() => expect(contents(prepare())).toEqual(expected))).toBe(1);
    expect(writes(prepare)).toBe(0);
  });

  test("does not take another session's file under its name", () => {
    prepare();
    const [first] = preparedFiles();
    prepare(configOf({ seed: 7 }));
    const second = preparedFiles().find((file) => file !== first)!;
    copyFileSync(join(cache, first!), join(cache, second));
    expect(contents(prepare(configOf({ seed: 7 })))).toEqual(
      contents(prepareSession(configOf({ seed: 7 }), { dataDir })),
    );
  });

  test.each([
    ["is gone", (path: string) => rmSync(path)],
    ["is cut short", (path: string) => truncateSync(path, 500)],
  ])("prepares again when a copy of a stimulus %s", (_, damage) => {
    const config = configOf(DOWNSAMPLED);
    const expected = contents(prepare(config));
    damage(join(cache, files().find((file) => !file.startsWith("Fake_"))!));
    expect(contents(prepare(config))).toEqual(expected);
    expect(writes(() => prepare(config))).toBe(0);
  });

  test("leaves no part of a file when the disk is full", () => {
    const config = configOf(DOWNSAMPLED);
    // Not enough for a stimulus, enough for one, for both, for all but the end.
    for (const free of [1000, 2500, 4500, 6000]) {
      disk.free = free;
      expect(() => prepare(config)).toThrow("no space left on the disk; no file was left behind");
      expect(preparedFiles()).toEqual([]);
      expect(files().filter((file) => file.endsWith(".tmp"))).toEqual([]);
    }
    disk.free = Number.POSITIVE_INFINITY;
    expect(contents(prepare(config))).toEqual(contents(prepareSession(config, { dataDir })));
  });

  test("lets two processes prepare the same session at once", async () => {
    const script = `
      import { prepareWithCache } from ${JSON.stringify(import.meta.resolve("./prepared-cache.ts"))};
      const config = ${JSON.stringify(configOf(DOWNSAMPLED))};
      const { train } = prepareWithCache(config, { dataDir: ${JSON.stringify(dataDir)} }, ${JSON.stringify(cache)});
      console.log(JSON.stringify([...train.serve([0, 5]).stim.data, ...train.frameOf]));`;
    const tsx = fileURLToPath(import.meta.resolve("tsx"));
    const run = () =>
      new Promise<string>((done) => {
        const child = spawn(process.execPath, ["--import", tsx, "--input-type=module", "-e", script]);
        let text = "";
        child.stdout.on("data", (chunk) => (text += chunk));
        child.on("close", () => done(text));
      });
    const { train } = prepareSession(configOf(DOWNSAMPLED), { dataDir });
    const expected = [...(train.serve([0, 5]).stim!.data as Float32Array), ...train.frameOf];
    const [first, second] = await Promise.all([run(), run()]);
    expect(JSON.parse(first!)).toEqual(expected);
    expect(second).toBe(first);
    expect(preparedFiles()).toHaveLength(1);
    expect(writes(() => prepare(configOf(DOWNSAMPLED)))).toBe(0);
  }, 60_000);

  test("prepares sessions that lie elsewhere without a file", () => {
    const session = {
      name: "Fake_2020-01-01",
      types: () => TYPES,
      open: () => fakeRecording("gaborium"),
      missingPct: undefined,
    };
    expect(prepareWithCache(fakeConfig(), { session }, cache).train.length).toBeGreaterThan(0);
    expect(() => files()).toThrow("ENOENT");
    expect(() => prepareWithCache(fakeConfig(), {}, cache)).toThrow("no data folder is set");
  });
});

/** Replaces text of equal length in a file. */
function replaceIn(path: string, old: string, by: string): void {
  const bytes = readFileSync(path);
  const at = bytes.indexOf(old);
  expect(at).toBeGreaterThan(0);
  bytes.write(by, at);
  writeFileSync(path, bytes);
}
