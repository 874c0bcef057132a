import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openRecording } from "../../src/data/recording-files.ts";
import { toFloat64 } from "../../src/formats/array.ts";
import { readNpy } from "../../src/formats/npy.ts";
import { runCli } from "./run-cli.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures/convert");
const FULL_DISK = resolve(import.meta.dirname, "full-disk.mjs");
const folder = mkdtempSync(join(tmpdir(), "cli-convert-"));
afterAll(() => rmSync(folder, { recursive: true }));
copyFileSync(join(fixtures, "experiment73.mat"), join(folder, "experiment.mat"));
const MAPPING = `session: Mo_2024-05-01
type: movie
rate_hz: 100
file: experiment.mat
keys:
  stim: {from: stimulus, axes: hwt}
  t_bins: {from: frame_times, per_second: 1000}
  trial_inds: {from: trials}
spikes: {from: spikes}
dataset: {lags: 3, train_fraction: 0.5}
`;
writeFileSync(join(folder, "mapping.yaml"), MAPPING);

const run = (command: string, env?: Record<string, string>) =>
  runCli(command.split(" "), { cwd: folder, ...(env && { env }) });

describe("convert list", () => {
  test("prints names, types and shapes, as a table and as JSON", async () => {
    const { status, stdout } = await run("convert list experiment.mat");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^stimulus +uint8 +\[4, 3, 60\]$/m);
    expect(stdout).toMatch(/^spikes\{1\} +double +\[1, 80\]|\[80, 1\]$/m);
    const json = await run("convert list experiment.mat --json");
    expect(JSON.parse(json.stdout)).toContainEqual({ name: "gaze", type: "double", shape: [60, 2] });
  });

  test("drafts a mapping file once", async () => {
    expect((await run("convert list experiment.mat --write-mapping draft.yaml")).status).toBe(0);
    expect(readFileSync(join(folder, "draft.yaml"), "utf8")).toContain('file: "experiment.mat"');
    const again = await run("convert list experiment.mat --write-mapping draft.yaml");
    expect([again.status, again.stderr]).toEqual([
      1,
      expect.stringContaining('Cannot write "draft.yaml": it is there'),
    ]);
    const unfinished = await run("convert mapped draft.yaml");
    expect([unfinished.status, unfinished.stderr]).toEqual([1, expect.stringContaining("session: expected text")]);
  });
});

describe("convert mapped", () => {
  test("writes a recording that inspect and training's loader take", async () => {
    const { status, stdout, stderr } = await run("convert mapped mapping.yaml --out data");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("Mo_2024-05-01/movie: 60 frames of 4 x 3 pixels, 2 units, 2 trials");
    expect(stdout).toContain(join("data", "dataset.yaml"));
    const inspected = await run("inspect recording data/Mo_2024-05-01");
    expect(inspected.stdout).toContain("60 frames");
  });

  test("leaves nothing behind when the disk is full, wherever that happens", async () => {
    for (const bytes of [10, 1500, 3000]) {
      const env = { NODE_OPTIONS: `--import ${FULL_DISK}`, VISIONCORE_FREE_BYTES: String(bytes) };
      const { status, stderr } = await run("convert mapped mapping.yaml --out full", env);
      expect([status, stderr]).toEqual([1, expect.stringContaining("no space left on the disk")]);
      expect(readdirSync(join(folder, "full"), { recursive: true })).toEqual([]);
    }
  });

  test("names the line of a mistake", async () => {
    mkdirSync(join(folder, "bad"));
    writeFileSync(join(folder, "bad", "mapping.yaml"), MAPPING.replace("axes: hwt", "axs: hwt"));
    const { status, stderr } = await run("convert mapped bad/mapping.yaml");
    expect(status).toBe(1);
    expect(stderr).toContain('bad/mapping.yaml:6:26 keys.stim: unknown key "axs": did you mean "axes"?');
    expect(existsSync(join(folder, "data", "bad"))).toBe(false);
  });
});

/** Real recordings, which are not part of this package; see docs/examples/retina.md. */
const REAL_DATA = process.env.VISIONCORE_REALDATA ?? resolve(import.meta.dirname, "../../../shared/realdata");
const RETINA = join(REAL_DATA, "rgc_uzzell2004");
const note = existsSync(RETINA) ? "" : ` (skipped: no real recordings in ${REAL_DATA}, set VISIONCORE_REALDATA)`;

test.skipIf(note !== "")(`convert mapped reads the retina recording as SciPy does${note}`, async () => {
  writeFileSync(
    join(folder, "retina.yaml"),
    `{session: Rgc_2004, type: flicker, dt: 0.008340605, file: "${join(RETINA, "original", "RGCdata.mat")}", trial_length: 1200,
      keys: {stim: {from: Stim, axes: t}, robs: {from: SpCounts}}}`,
  );
  const { status, stderr } = await run("convert mapped retina.yaml --out retina");
  expect([status, stderr]).toEqual([0, ""]);
  const recording = openRecording(join(folder, "retina", "Rgc_2004"), "flicker")!;
  expect(recording.get("stim").data).toEqual(readNpy(join(RETINA, "stim.npy")).data);
  expect(toFloat64(recording.get("robs"))).toEqual(toFloat64(readNpy(join(RETINA, "counts.npy"))));
});
