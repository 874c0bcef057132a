import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadDatasetConfigs } from "../../config/dataset.ts";
import { prepareSession } from "../../data/prepare.ts";
import { openRecording } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { type NdArray, toFloat64 } from "../../formats/array.ts";
import { writeNpy } from "../../formats/npy.ts";
import { convertMapped } from "./mapped.ts";

const fixtures = resolve(import.meta.dirname, "../../../test/fixtures/convert");

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "convert-mapped-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const MATLAB = `
keys:
  stim: {from: stimulus, axes: hwt}
  robs: {from: counts, axes: nt}
  eyepos: {from: gaze}
  dpi_valid: {from: valid}
  trial_inds: {from: trials}
  t_bins: {from: frame_times, per_second: 1000}
`;

/** One experiment in the files of different labs, each with the mapping that it takes. */
const LABS: Record<string, string> = {
  "experiment.mat": MATLAB,
  "experiment73.mat": `${MATLAB.replace("  robs: {from: counts, axes: nt}\n", "")}spikes: {from: spikes}`,
  "experiment.npz": `
keys:
  stim: {from: stimulus}
  eyepos: {from: gaze}
  dpi_valid: {from: valid}
  trial_inds: {from: trials}
  t_bins: {from: frame_starts, at: start}
spikes: {from: samples, unit_ids: units, per_second: 1000000}
`,
  "experiment.h5": `
keys:
  stim: {from: stim/frames}
  eyepos: {from: eye/gaze}
  dpi_valid: {from: eye/valid}
  t_bins: {from: stim/times}
spikes: {from: spikes}
trial_starts: {from: stim/onsets, in: seconds}
`,
};

/** Writes a mapping file; `file` is one of the fixtures. */
function mapping(text: string, file = "experiment.mat"): string {
  const path = join(folder, "mapping.yaml");
  writeFileSync(path, `session: Mo_2024-05-01\ntype: movie\nrate_hz: 100\nfile: ${join(fixtures, file)}\n${text}`);
  return path;
}

function convert(text: string, file?: string, options: { overwrite?: boolean } = {}) {
  return convertMapped({ mapping: mapping(text, file), out: join(folder, "data"), ...options });
}

function written() {
  return openRecording(join(folder, "data", "Mo_2024-05-01"), "movie")!;
}

async function failure(text: string, file?: string): Promise<string> {
  try {
    await convert(text, file);
  } catch (error) {
    if (error instanceof UserError) return `${error.message} ${error.hint}`.replace(/[^"\s(]*fixtures\/convert\//g, "");
    throw error;
  }
  throw new Error("the conversion succeeded");
}

function npy(name: string, shape: number[], data: Float64Array | Float32Array | Uint8Array): string {
  const dtype = data instanceof Uint8Array ? "uint8" : data instanceof Float32Array ? "float32" : "float64";
  writeNpy(join(folder, name), { dtype, shape, data });
  return name;
}

/** A change of the MATLAB mapping. */
function changed(from: string, to: string): string {
  if (!MATLAB.includes(from)) throw new Error(`no "${from}"`);
  return MATLAB.replace(from, to);
}

describe("convertMapped()", () => {
  test.each(Object.entries(LABS))("makes the same recording of %s", async (file, text) => {
    const done = await convert(text, file);
    expect(done).toMatchObject({ frames: 60, height: 4, width: 3, units: 2, trials: 2, warnings: [] });
    const recording = written();
    const shapes = recording.keys().map((key) => [key, recording.column(key).dtype, recording.column(key).shape]);
    expect(Object.fromEntries(shapes.map(([key, ...rest]) => [key, rest]))).toEqual({
      t_bins: ["float64", [60]],
      trial_inds: ["int64", [60]],
      stim: ["uint8", [60, 4, 3]],
      robs: ["float32", [60, 2]],
      eyepos: ["float64", [60, 2]],
      dpi_valid: ["float64", [60]],
    });
    const reference = new Map<string, NdArray>();
    rmSync(join(folder, "data"), { recursive: true });
    await convert(MATLAB);
    for (const key of ["stim", "robs", "eyepos", "dpi_valid"]) {
      reference.set(key, written().get(key));
      expect(recording.get(key), key).toEqual(reference.get(key));
    }
    expect(toFloat64(recording.get("t_bins"))[30]).toBeCloseTo(1.005, 9);
    const trials = toFloat64(recording.get("trial_inds"));
    expect([trials[29], trials[30]]).toEqual(file === "experiment.h5" ? [0, 1] : [4, 9]);
  });

  test("gives a recording that can be prepared, in the order of the frames", async () => {
    const { datasetFile } = await convert(`${MATLAB}val_trials: [9]\ndataset: {lags: 3}`);
    const [config] = loadDatasetConfigs(datasetFile).sessions;
    const prepared = prepareSession(config!);
    expect(prepared.nUnits).toBe(2);
    expect(prepared.train.length).toBeGreaterThan(10);
    expect(prepared.val.length).toBeGreaterThan(10);
  });

  test("names units by the ids of their spikes", async () => {
    const { sessionFile, datasetFile } = await convert(LABS["experiment.npz"]!, "experiment.npz");
    expect(readFileSync(sessionFile, "utf8")).toContain("cids: [3, 17]");
    expect(written().metadata.cluster_ids).toEqual([3, 17]);
    expect(prepareSession(loadDatasetConfigs(datasetFile).sessions[0]!).cids).toEqual([3, 17]);
    expect(await failure(`${LABS["experiment.npz"]}cids: [3, 4]`, "experiment.npz")).toContain(
      'Cannot keep unit 4: "samples" of "experiment.npz" has no spike of it Its units are 3, 17.',
    );
  });

  test("stores where everything came from, and metadata of the user's", async () => {
    await convert(`${MATLAB}metadata: {ppd: 37.5}`);
    const { sources, ppd } = written().metadata as { sources: Record<string, { sha256: string }>; ppd: number };
    expect(ppd).toBe(37.5);
    expect(sources.eyepos).toMatchObject({ file: "experiment.mat", array: "gaze" });
    expect(sources.stim!.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test("scales and changes element types, and keeps further covariates under their names", async () => {
    const file = npy("pupil.npy", [2, 60], new Float64Array(120).fill(0.5, 60));
    const further = `  pupil: {file: ${file}, axes: xt, scale: 4, offset: 1, dtype: float32}\n`;
    const { keys } = await convert(
      changed("axes: hwt}", "axes: hwt, scale: 0.00392156862745098, dtype: float32}") + further,
    );
    expect(keys).toContain("pupil");
    const pupil = written().get("pupil");
    expect([pupil.dtype, pupil.shape, [...toFloat64(pupil)].slice(0, 2)]).toEqual(["float32", [60, 2], [1, 3]]);
    expect(Math.max(...toFloat64(written().get("stim")))).toBeLessThanOrEqual(1);
  });

  test("reads folders of .npy, as spike sorters leave them", async () => {
    mkdirSync(join(folder, "sorted"));
    npy("sorted/spike_times.npy", [3, 1], Float64Array.of(100, 2999, 31000));
    npy("sorted/spike_clusters.npy", [3], Float64Array.of(7, 7, 2));
    const text = changed("  robs: {from: counts, axes: nt}\n", "");
    await convert(`${text}spikes: {file: sorted, from: spike_times, unit_ids: spike_clusters, per_second: 30000}`);
    const robs = toFloat64(written().get("robs"));
    expect(written().metadata.cluster_ids).toEqual([2, 7]);
    expect([...robs.keys()].filter((i) => robs[i]! > 0)).toEqual([1, 9 * 2 + 1, 33 * 2]);
  });

  test("warns about names close to known ones, silent units and spikes outside the frames", async () => {
    const text = changed("eyepos", "eyepso").replace("  robs: {from: counts, axes: nt}\n", "");
    npy("st.npy", [2], Float64Array.of(0.001, 0.5));
    npy("ids.npy", [2], Float64Array.of(1, 5));
    mkdirSync(join(folder, "s"));
    for (const name of ["st.npy", "ids.npy"]) writeFileSync(join(folder, "s", name), readFileSync(join(folder, name)));
    const { warnings } = await convert(`${text}spikes: {file: s, from: st, unit_ids: ids}`);
    expect(warnings.join("\n")).toMatch(
      /1 of 2 spikes .*\n.*Without any response: unit 5\..*\n"eyepso" .* mean "eyepos"\?/,
    );
  });
});

describe("convertMapped() and files that are there already", () => {
  test("changes nothing when it is the same again", async () => {
    await convert(MATLAB);
    const path = join(folder, "data", "Mo_2024-05-01", "movie.json");
    const before = readFileSync(path, "utf8");
    await convert(MATLAB);
    expect(readFileSync(path, "utf8")).toBe(before);
  });

  test("refuses to replace others, unless told to", async () => {
    await convert(MATLAB);
    const fewer = changed("  eyepos: {from: gaze}\n", "");
    expect(await failure(fewer)).toMatch(
      /is there already and differs in: eyepos, metadata Replace it with --overwrite/,
    );
    expect(await failure(`${MATLAB}metadata: {ppd: 1}`)).toContain("differs in: metadata");
    expect(await failure(`${MATLAB}cids: [1]`)).toContain("sessions/Mo_2024-05-01.yaml");
    expect(written().has("eyepos")).toBe(true);
    await convert(fewer, undefined, { overwrite: true });
    expect(written().has("eyepos")).toBe(false);
  });
});

describe("convertMapped() refuses", () => {
  test("arrays and files that are not there, with their place in the mapping file", async () => {
    const message = await failure(changed("from: counts", "from: count"));
    expect(message).toContain('it has no variable "count" (keys.robs in ');
    expect(message).toMatch(/mapping\.yaml:8:16\) Did you mean "counts"\?$/);
    expect(await failure(MATLAB, "experimnt.mat")).toContain('Did you mean "experiment.mat"?');
    expect(await failure(LABS["experiment.h5"]!.replace("eye/gaze", "eye/gaz"), "experiment.h5")).toContain(
      'Did you mean "eye/gaze"?',
    );
    expect(await failure(LABS["experiment.npz"]!.replace("gaze", "gazes"), "experiment.npz")).toContain(
      'Did you mean "gaze"?',
    );
    expect(await failure(changed("from: gaze", "from: spikes"))).toContain("it is cell [1, 2], expected numbers");
  });

  test("covariates of different lengths, naming both files", async () => {
    const file = npy("short.npy", [59, 2], new Float64Array(118));
    expect(await failure(changed("from: gaze", `file: ${file}`))).toMatch(
      /Cannot use ".*short\.npy" as eyepos: it has 59 frames, but the stimulus has 60 frames \("stimulus" of "experiment.mat"\)/,
    );
    expect(await failure(changed("  robs: {from: counts, axes: nt}", "  robs: {from: counts}"))).toMatch(
      /"counts" of "experiment.mat": it has responses to 2 frames.*"stimulus" of .* If units come first, add: axes: nt$/,
    );
    const turned = npy("turned.npy", [2, 60], new Float64Array(120));
    expect(await failure(changed("from: gaze", `file: ${turned}`))).toContain("add: axes: xt");
    const times = npy("times.npy", [3], Float64Array.of(1, 2, 3));
    expect(await failure(changed("from: frame_times", `file: ${times}`))).toContain("as t_bins: it has 3 frames");
  });

  test("negative counts, and counts and pixels that are no numbers", async () => {
    const negative = npy("negative.npy", [60], new Float64Array(60).fill(-1, 4, 5));
    const robs = "from: counts, axes: nt";
    expect(await failure(changed(robs, `file: ${negative}`))).toContain(
      "the response in frame 4, unit 0 (counted from 0) is -1",
    );
    const nan = npy("nan.npy", [60], new Float64Array(60).fill(Number.NaN, 4, 5));
    expect(await failure(changed(robs, `file: ${nan}`))).toContain("is NaN");
    expect(await failure(changed("from: stimulus, axes: hwt", `file: ${nan}`))).toContain(
      "frame 4 (counted from 0) has a pixel",
    );
  });

  test("times that go backwards or at another rate", async () => {
    const backwards = npy(
      "back.npy",
      [60],
      Float64Array.from({ length: 60 }, (_, t) => (t === 9 ? 0 : t / 100)),
    );
    const times = "from: frame_times, per_second: 1000";
    expect(await failure(changed(times, `file: ${backwards}`))).toMatch(
      /back\.npy": time goes backwards in frame 9 \(counted from 0\), 0 s after 0\.08 s/,
    );
    expect(await failure(changed(", per_second: 1000", ""))).toContain("at 0.10000 Hz, expected 100.00 Hz");
  });

  test("spikes on another clock, ids that do not match, and one array without ids", async () => {
    const npz = LABS["experiment.npz"]!;
    expect(await failure(npz.replace("per_second: 1000000", "per_second: 1"), "experiment.npz")).toMatch(
      /no spike lies in the frames, which are at 0 to 1\.3\d* s; they are at \d/,
    );
    expect(await failure(npz.replace("unit_ids: units", "unit_ids: trials"), "experiment.npz")).toContain(
      'but "trials" of "experiment.npz" has 60',
    );
    expect(await failure(npz.replace("unit_ids: units, ", ""), "experiment.npz")).toContain("no unit for each spike");
    const cells = `${LABS["experiment73.mat"]!.replace("{from: spikes}", "{from: spikes, unit_ids: trials}")}`;
    expect(await failure(cells, "experiment73.mat")).toContain("a vector for each unit already");
  });

  test("axes that do not fit", async () => {
    expect(await failure(changed("axes: hwt", "axes: hwct"))).toContain('there is no axis "c"');
    expect(await failure(changed("axes: hwt", "axes: ht"))).toContain("these are 2, the file has 3");
    expect(await failure(changed("axes: hwt", "axes: hww"))).toContain("an axis is named twice");
    expect(await failure(changed("from: gaze", "from: gaze, axes: xy"))).toContain('the axis "t" is missing');
  });

  test("values that the element type cannot hold", async () => {
    expect(await failure(changed("axes: hwt", "axes: hwt, scale: 2, dtype: uint8"))).toMatch(
      /as uint8: frame \d+ .* expected 0 to 255/,
    );
    expect(await failure(`${MATLAB}  roi: {from: gaze}`)).toContain("as int64: frame 0");
  });

  test("trials that come back, leave frames out or do not exist", async () => {
    const text = changed("  trial_inds: {from: trials}\n", "");
    const starts = npy("starts.npy", [2], Float64Array.of(2, 31));
    const add = (way: string) => failure(`${text}trial_starts: {file: ${starts}, in: ${way}}`);
    expect(await add("frames_from_1")).toContain("frames 0 to 0 lie before the first one");
    expect(await add("seconds")).toContain("trial 0 starts in frame 60, there are frames 0 to 59");
    expect(await failure(`${MATLAB}val_trials: [5]`)).toContain("Cannot validate on trial 5");
    expect(await failure(`${text}trial_length: 100`)).toContain("Cannot split one trial");
    expect(existsSync(join(folder, "data"))).toBe(false);
  });

  test("folders without arrays, and files of another kind", async () => {
    mkdirSync(join(folder, "empty"));
    expect(await failure(changed("from: gaze", "from: gaze, file: empty"))).toContain(
      "it is a folder without .npy files",
    );
    writeFileSync(join(folder, "text.csv"), "1,2,3");
    expect(await failure(changed("from: gaze", "from: gaze, file: text.csv"))).toContain(
      "neither .npz, .npy, MATLAB nor HDF5",
    );
    expect(await failure(MATLAB, "level4.mat")).toContain("it is a MATLAB level 4 file");
    expect(readdirSync(folder).sort()).toEqual(["empty", "mapping.yaml", "text.csv"]);
  });
});
