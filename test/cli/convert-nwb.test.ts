import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadDatasetConfigs } from "../../src/config/dataset.ts";
import { prepareSession } from "../../src/data/prepare.ts";
import { runCli } from "./run-cli.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures/convert");
const folder = mkdtempSync(join(tmpdir(), "cli-nwb-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ["session.nwb", "raw.nwb"]) copyFileSync(join(fixtures, name), join(folder, name));

const run = (command: string) => runCli(command.split(" "), { cwd: folder });
const NAMES = "--session Mo_2024-05-01 --type movie";

describe("convert nwb", () => {
  test("--list shows what the file holds, with the paths that other flags take", async () => {
    const { status, stdout, stderr } = await run("convert nwb session.nwb --list");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^3 units$/m);
    expect(stdout).toMatch(/^stimulus +stimulus\/presentation\/movie +ImageSeries +\[60, 6, 8, 3\] +time stamps$/m);
    expect(stdout).toMatch(/^eye +processing\/behavior\/EyeTracking\/right +SpatialSeries +\[401, 2\] +100 Hz$/m);
    expect(stdout).toMatch(/^intervals +intervals\/trials +TimeIntervals +\[2\]/m);
    expect((await run("convert nwb raw.nwb --list")).stdout).toMatch(/^no units$/m);
  });

  test("writes a recording and a dataset that load as they are", async () => {
    const flags =
      "--out data --dataset-config data/mo.yaml --lags 4 --train-fraction 0.5 --crop 0:6,1:7 --height 3 --width 3";
    const { status, stdout, stderr } = await run(`convert nwb session.nwb ${NAMES} ${flags}`);
    expect(status, stderr).toBe(0);
    expect(stdout).toContain(
      "Mo_2024-05-01/movie from stimulus/presentation/movie: 60 frames of 3 x 3 pixels at 30 Hz",
    );
    expect(stdout).toContain("3 units, 2 trials, with gaze; read back and compared");
    expect(stderr.split("\n").filter((line) => !/^(warning: |$)/.test(line))).toEqual([]);
    const header = JSON.parse(readFileSync(join(folder, "data", "Mo_2024-05-01", "movie.json"), "utf8"));
    expect(header.metadata.sources.nwb).toEqual({
      file: "session.nwb",
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const [config] = loadDatasetConfigs(join(folder, "data", "mo.yaml")).sessions;
    const { train, val, nUnits } = prepareSession(config!);
    expect(nUnits).toBe(3);
    expect(Math.min(train.length, val.length)).toBeGreaterThan(0);
    expect(Math.max(train.length, val.length)).toBeLessThanOrEqual(30);
    expect((await run("inspect recording data/Mo_2024-05-01")).stdout).toContain("60 frames");
  });

  test("says what is missing on the command line", async () => {
    const { status, stderr } = await run("convert nwb session.nwb");
    expect([status !== 0, stderr]).toEqual([true, expect.stringContaining("--session <subject>_<date> and --type")]);
    expect((await run(`convert nwb session.nwb ${NAMES} --crop 3:2,0:1`)).stderr).toContain("such as 10:60,20:70");
    expect((await run(`convert nwb session.nwb ${NAMES} --trials a --trial-length 5`)).stderr).toContain(
      "cannot be used with option",
    );
  });

  test("ends in one sentence and a hint on files that cannot be used, and writes nothing", async () => {
    const bytes = readFileSync(join(folder, "session.nwb"));
    writeFileSync(join(folder, "cut.nwb"), bytes.subarray(0, 20_000));
    writeFileSync(join(folder, "text.nwb"), "no data");
    mkdirSync(join(folder, "zarr.nwb"));
    copyFileSync(join(fixtures, "types.h5"), join(folder, "other.nwb"));
    for (const [name, message] of [
      ["cut", "truncated file"],
      ["text", "it is not an HDF5 file"],
      ["zarr", "it is a folder"],
      ["gone", "no such file"],
      ["other", "it states no nwb_version"],
      ["raw", "has no units"],
    ]) {
      const { status, stdout, stderr } = await run(`convert nwb ${name}.nwb ${NAMES} --out refused`);
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(message);
      expect(stderr).toMatch(/^error: .*\n(hint: .*\n)?$/);
    }
    expect(existsSync(join(folder, "refused"))).toBe(false);
  });
});
