import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Dataset, File, type Group, ready } from "h5wasm/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRecording } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { type ConvertedNwb, type ConvertNwbOptions, convertNwb } from "./nwb.ts";

const FIXTURES = "test/fixtures/convert";
let folder: string;
let copies = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "nwb-errors-"));
  await ready;
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A copy of a fixture with something changed in it. */
function changed(name: string, change: (file: File) => void): string {
  const path = join(folder, `${copies++}.nwb`);
  copyFileSync(`${FIXTURES}/${name}.nwb`, path);
  const file = new File(path, "a");
  change(file);
  file.close();
  return path;
}

/** Replaces elements of a column from `start` on. */
function put(file: File, path: string, start: number, values: Float64Array | Uint32Array): void {
  (file.get(path) as Dataset).write_slice([[start, start + values.length]], values);
}

function addGroup(file: File, path: string, type: string): Group {
  const group = file.create_group(path);
  group.create_attribute("neurodata_type", type);
  return group;
}

function convert(file: string, options: Partial<ConvertNwbOptions> = {}): Promise<ConvertedNwb> {
  const out = join(folder, `out-${copies++}`);
  return convertNwb({ file, session: "Mo_2024-05-01", type: "movie", out, ...options });
}

/** Message and hint of the error that a conversion ends in; nothing may have been written. */
async function failure(file: string, options: Partial<ConvertNwbOptions> = {}): Promise<string> {
  const out = join(folder, `refused-${copies++}`);
  try {
    await convert(file, { out, ...options });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(existsSync(out)).toBe(false);
    return `${error.message} ${error.hint}`;
  }
  throw new Error("the conversion succeeded");
}

describe("convertNwb() refuses", () => {
  const movie = "stimulus/presentation/movie";

  test("times of frames that go backwards, stand still or are missing", async () => {
    const at = (frame: number, time: number) =>
      changed("session", (file) => put(file, `${movie}/timestamps`, frame, Float64Array.of(time)));
    expect(await failure(at(5, 0))).toMatch(/movie" of ".*nwb": time goes backwards in frame 5 .*, 0 s after 1\.13/);
    expect(await failure(at(1, 1))).toContain("time stands still in frame 1");
    expect(await failure(at(7, Number.NaN))).toContain("the time of frame 7 is NaN");
    const untimed = changed("session", (file) => {
      const group = addGroup(file, "stimulus/presentation/untimed", "ImageSeries");
      group.create_dataset({ name: "data", data: new Uint8Array(8), shape: [2, 2, 2] });
    });
    expect(await failure(untimed, { stimulus: "stimulus/presentation/untimed" })).toContain("has no times");
  });

  test("a file without any stimulus series", async () => {
    const path = changed("raw", (file) => {
      const units = addGroup(file, "units", "Units");
      units.create_dataset({ name: "id", data: BigInt64Array.of(0n) });
      units.create_dataset({ name: "spike_times", data: Float64Array.of(1) });
      units.create_dataset({ name: "spike_times_index", data: Uint32Array.of(1) });
    });
    expect(await failure(path)).toMatch(/has no stimulus series in stimulus\/presentation .*--stimulus/);
  });

  test("numbers of images that there are not", async () => {
    const shown = "stimulus/presentation/shown";
    const path = changed("images", (file) => put(file, `${shown}/data`, 2, Uint32Array.of(9)));
    expect(await failure(path, { stimulus: shown, trialLength: 50 })).toContain(
      "sample 2 shows picture 9, there are 0 to 2",
    );
  });

  test("pictures with transparent pixels and with unknown channels", async () => {
    const path = changed("session", (file) => {
      for (const [name, channels] of [
        ["glass", 4],
        ["two", 2],
      ] as const) {
        const group = addGroup(file, `stimulus/presentation/${name}`, "ImageSeries");
        const data = new Uint8Array(60 * channels).map((_, i) => (i % 4 === 3 && i > 200 ? 254 : 255));
        group.create_dataset({ name: "data", data, shape: [60, 1, 1, channels] });
        group.create_dataset({ name: "timestamps", data: Float64Array.from({ length: 60 }, (_, t) => 1 + t / 30) });
      }
    });
    expect(await failure(path, { stimulus: "stimulus/presentation/glass" })).toContain("picture 50 is transparent");
    expect(await failure(path, { stimulus: "stimulus/presentation/two" })).toContain("its pictures have 2 channels");
  });

  test("spikes with a wrong index, without a time, and on another clock", async () => {
    const index = changed("session", (file) => put(file, "units/spike_times_index", 2, Uint32Array.of(9999)));
    expect(await failure(index)).toMatch(/are damaged: 3 ids, 260 spikes, .* up to 9999/);
    const nan = changed("session", (file) => put(file, "units/spike_times", 3, Float64Array.of(Number.NaN)));
    expect(await failure(nan)).toContain("spike 3 of unit 0 (counted from 0) is at NaN");
    const elsewhere = changed("session", (file) => {
      const times = Float64Array.from({ length: 260 }, (_, i) => 1000 + i);
      put(file, "units/spike_times", 0, times);
    });
    expect(await failure(elsewhere)).toMatch(
      /no spike lies in the frames, .*they are at 1000 to 1259 s.*clock of the stimulus/,
    );
  });

  test("trials that overlap, end before they start, or hold no frame", async () => {
    const trials = (start: number[], stop: number[]) =>
      changed("session", (file) => {
        put(file, "intervals/trials/start_time", 0, Float64Array.from(start));
        put(file, "intervals/trials/stop_time", 0, Float64Array.from(stop));
      });
    expect(await failure(trials([1, 1.5], [2, 3]))).toContain("overlap: until 2 s, from 1.5 s");
    expect(await failure(trials([1, 3], [2, 2.5]))).toContain('Trial 1 of "intervals/trials"');
    expect(await failure(trials([1, Number.NaN], [2, 4]))).toContain("runs from NaN to 4 s");
    expect(await failure(trials([100, 200], [101, 201]))).toContain("No frame of the stimulus lies in a trial");
  });

  test("gaze that goes back in time or covers no frame", async () => {
    const right = "processing/behavior/EyeTracking/right";
    const backwards = changed("session", (file) => {
      const data = Float64Array.from({ length: 401 }, (_, i) => (i === 9 ? 0 : i / 100));
      (file.get(right) as Group).create_dataset({ name: "timestamps", data });
    });
    expect(await failure(backwards)).toContain("the time of sample 9 (counted from 0) is 0 s, after 0.08 s");
    const late = changed("session", (file) => {
      const data = Float64Array.from({ length: 401 }, (_, i) => 100 + i);
      (file.get(right) as Group).create_dataset({ name: "timestamps", data });
    });
    expect(await failure(late)).toMatch(/no frame has an eye position.*samples at 100 to 500 s .*--eye none/);
    expect(await failure(`${FIXTURES}/session.nwb`, { eye: movie })).toContain("expected [samples, 2]");
  });

  test("parts of frames that lie outside of them", async () => {
    const crop = { rows: [0, 7], columns: [0, 8] } as const;
    expect(await failure(`${FIXTURES}/session.nwb`, { crop })).toContain("its frames have 6 x 8 pixels");
  });
});

describe("convertNwb() warns about", () => {
  test("frames outside the trials, and pauses inside them", async () => {
    const shorter = changed("session", (file) => {
      put(file, "intervals/trials/stop_time", 0, Float64Array.of(1.5));
    });
    const { frames, warnings } = await convert(shorter);
    expect(frames).toBe(45);
    expect(warnings).toContain("15 of 60 frames of the stimulus lie outside the trials and are left out");
    const pieces = await convert(`${FIXTURES}/session.nwb`, { trialLength: 20 });
    expect(pieces.warnings[0]).toContain("frames pause 1 times inside trials, first before 2.5 s");
  });

  test("eye positions in another unit; radians become degrees", async () => {
    const withUnit = (unit: string) =>
      changed("session", (file) => {
        const data = file.get("processing/behavior/EyeTracking/right/data") as Dataset;
        data.delete_attribute("unit");
        data.create_attribute("unit", unit);
      });
    const gazeOf = (out: string) => [
      ...(openRecording(join(out, "Mo_2024-05-01"), "movie")!.get("eyepos").data as Float64Array),
    ];
    const outs = ["degrees", "meters", "radians"].map((unit) => [unit, join(folder, unit)] as const);
    const warned: string[] = [];
    for (const [unit, out] of outs) warned.push((await convert(withUnit(unit), { out })).warnings.join());
    expect(warned.map((text) => text.includes("is in meters, not in degrees"))).toEqual([false, true, false]);
    const [degrees, meters, radians] = outs.map(([, out]) => gazeOf(out));
    expect(meters).toEqual(degrees);
    for (const [i, value] of degrees!.entries()) expect(radians![i]).toBeCloseTo((value * 180) / Math.PI, 9);
  });

  test("gaps in the eye position", async () => {
    const gap = changed("session", (file) => {
      const data = Float64Array.from({ length: 401 }, (_, i) => (i < 260 ? i / 100 : 0.4 + i / 100));
      const right = file.get("processing/behavior/EyeTracking/right") as Group;
      right.create_dataset({ name: "timestamps", data });
    });
    // The eye was lost from 2.59 to 3 s, and 3 frames around 1.25 s as always.
    expect((await convert(gap)).warnings).toContain("15 of 60 frames have no eye position and do not count as tracked");
  });

  test("units that were observed for a part of the time", async () => {
    const path = changed("session", (file) => {
      (file.get("units") as Group).create_dataset({
        name: "obs_intervals",
        data: Float64Array.of(0, 1),
        shape: [1, 2],
      });
    });
    expect((await convert(path)).warnings.join()).toContain("obs_intervals");
  });
});

describe("convertNwb()", () => {
  test("cuts a part out of every frame, and averages it", async () => {
    const [out, cut, small] = ["whole", "cut", "small"].map((name) => join(folder, name)) as [string, string, string];
    const file = `${FIXTURES}/session.nwb`;
    const crop = { rows: [1, 5], columns: [2, 8] } as const;
    await convert(file, { out });
    expect(await convert(file, { out: cut, crop })).toMatchObject({ height: 4, width: 6 });
    expect(await convert(file, { out: small, crop, height: 1, width: 1 })).toMatchObject({ height: 1, width: 1 });
    const [whole, part, mean] = [out, cut, small].map((path) =>
      [...openRecording(join(path, "Mo_2024-05-01"), "movie")!.get("stim").data].map(Number),
    );
    for (const frame of [0, 31, 59]) {
      const rows = Array.from({ length: 4 }, (_, row) =>
        whole!.slice(48 * frame + 8 * (row + 1) + 2, 48 * frame + 8 * (row + 2)),
      );
      expect(part!.slice(24 * frame, 24 * (frame + 1))).toEqual(rows.flat());
      expect(mean![frame]).toBe(Math.round(rows.flat().reduce((sum, pixel) => sum + pixel) / 24));
    }
  });

  test("shows numbered frames of another series", async () => {
    const path = changed("session", (file) => {
      const group = addGroup(file, "stimulus/presentation/again", "IndexSeries");
      group.create_dataset({ name: "data", data: Uint32Array.of(59, 0, 0, 5) });
      const start = group.create_dataset({ name: "starting_time", data: Float64Array.of(1), shape: [] });
      start.create_attribute("rate", 4, null, "<f");
      group.create_soft_link("/stimulus/presentation/movie", "indexed_timeseries");
    });
    const [out, again] = [join(folder, "movie"), join(folder, "again")];
    await convert(path, { out, stimulus: "stimulus/presentation/movie" });
    const options = { out: again, stimulus: "/stimulus/presentation/again", trialLength: 2 };
    expect(await convert(path, options)).toMatchObject({ frames: 4, rateHz: 4 });
    const [movie, shown] = [out, again].map(
      (folderOf) => openRecording(join(folderOf, "Mo_2024-05-01"), "movie")!.get("stim").data,
    );
    const frame = (t: number) => [...movie!.slice(48 * t, 48 * (t + 1))];
    expect([...shown!]).toEqual([59, 0, 0, 5].flatMap(frame));
  });
});
