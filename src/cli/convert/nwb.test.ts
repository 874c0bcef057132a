import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadDatasetConfigs } from "../../config/dataset.ts";
import { prepareSession } from "../../data/prepare.ts";
import { openRecording } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { type ConvertNwbOptions, convertNwb, listNwb } from "./nwb.ts";

const fixtures = fileURLToPath(new URL("../../../test/fixtures/convert/", import.meta.url));
const expected = JSON.parse(readFileSync(`${fixtures}nwb.json`, "utf8"));

let out: string;
beforeAll(() => {
  out = mkdtempSync(join(tmpdir(), "nwb-"));
});
afterAll(() => rmSync(out, { recursive: true }));

function convert(name: string, options: Partial<ConvertNwbOptions> = {}) {
  return convertNwb({ file: `${fixtures}${name}.nwb`, session: "Mo_2024-05-01", type: "movie", out, ...options });
}

async function problemOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  const { message, hint } = error as UserError;
  return `${message}\n${hint ?? ""}`;
}

describe("listNwb()", () => {
  test("names units, series and tables", async () => {
    expect(await listNwb(`${fixtures}session.nwb`)).toEqual({
      units: 3,
      stimuli: [{ path: "stimulus/presentation/movie", type: "ImageSeries", shape: [60, 6, 8, 3], rateHz: null }],
      eyePositions: [
        { path: "processing/behavior/EyeTracking/right", type: "SpatialSeries", shape: [401, 2], rateHz: 100 },
      ],
      intervals: [{ path: "intervals/trials", rows: 2 }],
    });
  });
});

describe("convertNwb()", () => {
  test("counts spikes in the movie's frames, in grey, with gaze and trials", async () => {
    const dataset = { path: join(out, "movie.yaml"), splitBy: "trial", trainFraction: 0.5, lags: 4 } as const;
    const done = await convert("session", { dataset });
    expect(done).toMatchObject({ frames: 60, height: 6, width: 8, units: 3, trials: 2, rateHz: 30, hasGaze: true });
    expect(done.warnings).toEqual([
      expect.stringMatching(/^\d+ of 260 spikes .* lie outside the frames/),
      "3 of 60 frames have no eye position and do not count as tracked",
    ]);

    const recording = openRecording(join(out, "Mo_2024-05-01"), "movie")!;
    const { movie } = expected;
    const close = (actual: ArrayLike<number>, wanted: number[]) => {
      for (const [i, value] of wanted.entries()) expect(Math.abs(actual[i]! - value)).toBeLessThan(1e-9);
    };
    close(recording.numbers("t_bins"), movie.centres);
    expect([...recording.numbers("trial_inds")]).toEqual(movie.trials);
    expect([...recording.get("robs").data]).toEqual(movie.robs.flat());
    const stim = recording.get("stim");
    expect([stim.dtype, stim.shape]).toEqual(["uint8", [60, 6, 8]]);
    expect([...stim.data.slice(0, 48)]).toEqual(movie.firstFrame);
    expect([...stim.data.slice(-48)]).toEqual(movie.lastFrame);
    const valid = recording.numbers("dpi_valid");
    expect([...valid].map((flag) => 1 - flag)).toEqual(movie.lost);
    const gaze = recording.get("eyepos").data;
    for (const [frame, flag] of [...valid].entries()) {
      if (flag === 1) close([gaze[2 * frame], gaze[2 * frame + 1]] as number[], movie.gaze[frame]);
    }
    expect(recording.metadata).toMatchObject({
      cluster_ids: [3, 11, 12],
      units: { quality: ["good", "good", "mua"], depth: [100, 250, 900] },
      nwb: { identifier: "session.nwb", session_description: "a movie in colour", version: "2.7.0" },
    });

    const [config] = loadDatasetConfigs(dataset.path).sessions;
    const { train, cids } = prepareSession(config!);
    expect(cids).toEqual([3, 11, 12]);
    expect(train.length).toBeGreaterThan(20);
  });

  test("shows numbered images, at a rate of its own, in pieces without a table of trials", async () => {
    const options = {
      session: "Jo_2024-06-01",
      type: "images",
      stimulus: "stimulus/presentation/shown",
      rateHz: 100,
      trialLength: 50,
    };
    const done = await convert("images", options);
    expect(done).toMatchObject({ frames: 150, height: 4, width: 5, units: 2, trials: 3, rateHz: 100, hasGaze: false });
    expect(done.warnings).toContain("no eye position: all frames count as tracked");
    const recording = openRecording(join(out, "Jo_2024-06-01"), "images")!;
    const { robs, pictures, shown } = expected.images;
    expect([...recording.get("robs").data]).toEqual(robs.flat());
    expect([...recording.get("stim").data]).toEqual(shown.flatMap((image: number) => pictures[image]));
  });

  test("leaves files that are there alone, unless they are the same or to be replaced", async () => {
    const twice = { session: "Jo_2024-06-02", type: "twice" };
    const first = await convert("session", twice);
    expect(await convert("session", twice)).toEqual(first);
    const other = { ...twice, height: 3, width: 4 };
    expect(await problemOf(convert("session", other))).toContain("--overwrite");
    expect(await convert("session", { ...other, overwrite: true })).toMatchObject({ height: 3, width: 4 });
  });

  test("refuses files without units, without a version, and choices that are open", async () => {
    expect(await problemOf(convert("raw"))).toContain('has no units: there is no table "units"');
    expect(await problemOf(convertNwb({ ...base(), file: `${fixtures}octave.h5` }))).toContain("states no nwb_version");
    expect(await problemOf(convert("images", { trialLength: 50 }))).toMatch(
      /2 stimulus series[\s\S]*Choose one.*shown/,
    );
    const shown = { stimulus: "stimulus/presentation/shown" };
    expect(await problemOf(convert("images", shown))).toMatch(
      /no table of trials "intervals\/trials"[\s\S]*--trial-length/,
    );
    expect(await problemOf(convert("images", { ...shown, stimulus: "stimulus/presentation/show" }))).toContain(
      'Did you mean "stimulus/presentation/shown"?',
    );
    expect(await problemOf(convert("images", { stimulus: "stimulus/presentation/elsewhere" }))).toContain(
      "its frames are in other files (movie.mp4)",
    );
    expect(await problemOf(convert("session", { cids: [3, 4] }))).toContain("has no unit 4");
    expect(await problemOf(convert("session", { trials: "intervals/epochs" }))).toContain("intervals/trials");
    expect(await problemOf(convert("session", { stimAxes: "tx" }))).toContain("--stim-axes");
  });
});

function base(): ConvertNwbOptions {
  return { file: "", session: "Mo_2024-05-01", type: "movie", out };
}
