import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadDatasetConfigs } from "../../config/dataset.ts";
import { arrayBytes, toFloat64 } from "../../formats/array.ts";
import type { Recording } from "../recording.ts";
import { openSession } from "../session.ts";
import { spatialFilters, temporalKernel } from "./neurons.ts";
import { generateSession, type SyntheticSession, synthesize } from "./population.ts";
import { PRESETS, type SessionSpec } from "./presets.ts";

const spec: SessionSpec = { ...PRESETS.tiny, name: "Synth_test" };
const SEED = 11;
const session = generateSession(spec, SEED);
const recording = (type: string, from: SyntheticSession = session) => from.recordings.find((one) => one.type === type)!;
const numbers = (one: Recording, key: string) => toFloat64(one.get(key));
const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);

/** Each key with its type, shape and a digest of its bytes: comparing millions of elements one by one takes seconds. */
const digests = (one: Recording, keys = one.keys()) =>
  keys.map((key) => {
    const array = one.get(key);
    const sha = createHash("sha256").update(arrayBytes(array)).digest("hex");
    return `${key} ${array.dtype} ${array.shape.join("x")} ${sha}`;
  });

/** First frame and length of each trial. */
function trialRows(one: Recording): { start: number; frames: number }[] {
  const trial = numbers(one, "trial_inds");
  const starts = [...trial.keys()].filter((t) => t === 0 || trial[t] !== trial[t - 1]);
  return starts.map((start, i) => ({ start, frames: (starts[i + 1] ?? trial.length) - start }));
}

/** Bits per spike of the true rates over a constant rate, for each unit, in 120 Hz bins. */
function oracleBits(recordings: readonly Recording[], units: number): number[] {
  return Array.from({ length: units }, (_, n) => {
    const bins = recordings.flatMap((one) => {
      const [counts, rates] = [numbers(one, "robs"), numbers(one, "true_rates")];
      const pair = (values: Float64Array, i: number) => values[2 * i * units + n]! + values[(2 * i + 1) * units + n]!;
      return Array.from({ length: counts.length / units / 2 }, (_, i) => ({
        count: pair(counts, i),
        rate: pair(rates, i),
      }));
    });
    const spikes = sum(bins.map(({ count }) => count));
    const mean = spikes / bins.length;
    return sum(bins.map(({ count, rate }) => count * Math.log(rate / mean) - rate + mean)) / (spikes * Math.LN2);
  });
}

describe("generateSession()", () => {
  test("repeats exactly for equal seeds and differs for others", () => {
    const again = generateSession(spec, SEED);
    expect(again.recordings.map((one) => digests(one))).toEqual(session.recordings.map((one) => digests(one)));
    expect(again.units).toEqual(session.units);
    expect(again.saccades).toEqual(session.saccades);
    const other = recording("backimage", generateSession(spec, SEED + 1));
    for (const key of ["stim", "eyepos", "robs", "true_rates"]) {
      expect(digests(other, [key])).not.toEqual(digests(recording("backimage"), [key]));
    }
  });

  test("keeps what one type shows when another gets more trials", () => {
    const gratings = { ...spec.blocks.gratings, trials: spec.blocks.gratings.trials + 2 };
    const other = generateSession({ ...spec, blocks: { ...spec.blocks, gratings } }, SEED);
    for (const type of ["backimage", "gaborium", "fixrsvp"]) {
      const keys = ["stim", "eyepos", "dpi_valid"];
      expect(digests(recording(type, other), keys)).toEqual(digests(recording(type), keys));
    }
  });

  test("stores the keys of each type with their element types and shapes", () => {
    const shapes = (type: string) =>
      recording(type)
        .keys()
        .map((key) => [key, recording(type).column(key)] as const)
        .map(([key, { dtype, shape }]) => `${key} ${dtype} ${shape.slice(1).join("x")}`.trim());
    const common = (trials: string, extra: string[]) => [
      "t_bins float64",
      `trial_inds ${trials}`,
      "stim uint8 15x15",
      "robs float32 6",
      "dpi_pix float64 2",
      "eyepos float64 2",
      "dpi_valid float64",
      "roi int64 2x2",
      ...extra,
      "true_rates float32 6",
    ];
    expect(shapes("backimage")).toEqual(common("int64", []));
    expect(shapes("gaborium")).toEqual(common("float64", []));
    expect(shapes("gratings")).toEqual(common("float64", ["sf float64", "ori float64"]));
    expect(shapes("fixrsvp")).toEqual(common("int64", ["psth_inds int64"]));
  });

  test("numbers trials upwards with gaps, each in one recording and of whole 60 Hz bins", () => {
    const all = session.recordings.map((one) => trialRows(one).map(({ start }) => numbers(one, "trial_inds")[start]!));
    for (const trials of all) expect(trials).toEqual([...trials].sort((a, b) => a - b));
    const flat = all.flat();
    expect(new Set(flat).size).toBe(flat.length);
    expect(Math.max(...flat)).toBeGreaterThan(flat.length);
    for (const { frames } of session.recordings.flatMap(trialRows)) expect(frames % 4).toBe(0);
  });

  test("advances time by 1/240 s inside trials and never lets trials overlap", () => {
    const spans = session.recordings.flatMap((one) => {
      const time = numbers(one, "t_bins");
      return trialRows(one).map(({ start, frames }) => {
        for (let t = start + 1; t < start + frames; t++) expect(time[t]! - time[t - 1]!).toBeCloseTo(1 / 240, 9);
        return { from: time[start]!, to: time[start + frames - 1]! };
      });
    });
    spans.sort((a, b) => a.from - b.from);
    for (let i = 1; i < spans.length; i++) expect(spans[i]!.from - spans[i - 1]!.to).toBeGreaterThan(0.5);
  });

  test("centres the crop on gaze: roi = trunc(dpi_pix) + roi_src, and dpi_pix follows eyepos", () => {
    for (const one of session.recordings) {
      const [gaze, pixel, roi] = [numbers(one, "eyepos"), numbers(one, "dpi_pix"), numbers(one, "roi")];
      const { ppd, screen_resolution, roi_src } = one.metadata as {
        ppd: number;
        screen_resolution: number[];
        roi_src: number[][];
      };
      for (let t = 0; t < gaze.length / 2; t++) {
        expect(pixel[2 * t]).toBeCloseTo(screen_resolution[1]! / 2 - gaze[2 * t + 1]! * ppd, 9);
        expect(pixel[2 * t + 1]).toBeCloseTo(screen_resolution[0]! / 2 + gaze[2 * t]! * ppd, 9);
        const wanted = roi_src.flatMap((range, axis) => range.map((edge) => Math.trunc(pixel[2 * t + axis]!) + edge));
        expect([...roi.subarray(4 * t, 4 * t + 4)]).toEqual(wanted);
      }
    }
  });

  test("shows grey levels around 127 with contrast, in every type", () => {
    for (const one of session.recordings) {
      const stim = one.get("stim")!.data as Uint8Array;
      const mean = stim.reduce((total, value) => total + value, 0) / stim.length;
      expect(Math.abs(mean - 127)).toBeLessThan(6);
      expect(Math.sqrt(stim.reduce((total, value) => total + (value - 127) ** 2, 0) / stim.length)).toBeGreaterThan(15);
    }
  });

  test("loses the eye in a few frames only", () => {
    const valid = session.recordings.flatMap((one) => [...numbers(one, "dpi_valid")]);
    const share = sum(valid) / valid.length;
    expect(share).toBeGreaterThan(0.97);
    expect(share).toBeLessThan(1);
  });

  test("repeats psth_inds 0, 1, 2, … in every fixrsvp trial, and the images with them", () => {
    const one = recording("fixrsvp");
    const [psth, roi] = [numbers(one, "psth_inds"), numbers(one, "roi")];
    const stim = one.get("stim")!.data as Uint8Array;
    const pixels = spec.cropSize ** 2;
    const seen = new Map<string, Uint8Array>();
    let repeats = 0;
    for (const { start, frames } of trialRows(one)) {
      for (let t = 0; t < frames; t++) {
        expect(psth[start + t]).toBe(t);
        // Equal image and equal gaze pixel must give an equal crop, whatever the trial.
        const key = `${Math.floor(t / 24)} ${roi.subarray(4 * (start + t), 4 * (start + t) + 4)}`;
        const crop = stim.subarray((start + t) * pixels, (start + t + 1) * pixels);
        if (seen.has(key)) {
          expect(Buffer.compare(crop, seen.get(key)!)).toBe(0);
          repeats++;
        } else seen.set(key, crop);
      }
    }
    expect(repeats).toBeGreaterThan(1000);
  });

  test("lists saccades in order, inside trials, where the eye moves", () => {
    expect(session.saccades.length).toBeGreaterThan(80);
    const starts = session.saccades.map(({ start_time }) => start_time);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    const one = recording("backimage");
    const [time, gaze] = [numbers(one, "t_bins"), numbers(one, "eyepos")];
    let found = 0;
    for (const saccade of session.saccades) {
      const t = time.findIndex((value) => Math.abs(value - saccade.start_time) < 1e-6);
      if (t < 0) continue;
      found++;
      expect(gaze[2 * t]).toBeCloseTo(saccade.start_x, 9);
      expect(saccade.mu).toBeGreaterThan(saccade.start_time);
      expect(saccade.mu).toBeLessThan(saccade.end_time);
    }
    expect(found).toBeGreaterThan(25);
  });

  test("draws counts that scatter around the true rates like Poisson counts", () => {
    for (let n = 0; n < spec.units; n++) {
      let expected = 0;
      let difference = 0;
      let squares = 0;
      let fourth = 0;
      for (const one of session.recordings) {
        const [counts, rates] = [numbers(one, "robs"), numbers(one, "true_rates")];
        expect(Math.min(...rates.filter((_, i) => i % spec.units === n))).toBeGreaterThan(0);
        for (let i = n; i < counts.length; i += spec.units) {
          expected += rates[i]!;
          difference += counts[i]! - rates[i]!;
          squares += (counts[i]! - rates[i]!) ** 2;
          // Variance of a squared Poisson deviation: λ + 2λ².
          fourth += rates[i]! + 2 * rates[i]! ** 2;
        }
      }
      expect(Math.abs(difference) / Math.sqrt(expected)).toBeLessThan(4);
      expect(Math.abs(squares - expected) / Math.sqrt(fourth)).toBeLessThan(4);
    }
  });

  test("fires at the planted mean rates", () => {
    session.units.forEach((unit, n) => {
      const rates = session.recordings.flatMap((one) => [
        ...numbers(one, "true_rates").filter((_, i) => i % spec.units === n),
      ]);
      // Saccadic modulation comes on top of the calibrated rate.
      expect((240 * sum(rates)) / rates.length / unit.mean_rate).toBeGreaterThan(0.85);
      expect((240 * sum(rates)) / rates.length / unit.mean_rate).toBeLessThan(1.2);
    });
  });

  test("plants rates worth at least 0.2 bits per spike in every recording", () => {
    for (const one of session.recordings) expect(sum(oracleBits([one], spec.units)) / spec.units).toBeGreaterThan(0.2);
    const overall = sum(oracleBits(session.recordings, spec.units)) / spec.units;
    expect(overall).toBeGreaterThan(0.3);
    expect(overall).toBeLessThan(1);
  });

  test("lets the spike-triggered average of a simple cell find its planted receptive field", () => {
    const gaborium = { trials: 40, trialSeconds: [3, 4] } as const;
    const none = { trials: 1, trialSeconds: [0.5, 0.5] } as const;
    const blocks = { backimage: none, gratings: none, fixrsvp: none, gaborium };
    const long = generateSession({ ...spec, units: 5, blocks }, SEED);
    const one = recording("gaborium", long);
    const stim = one.get("stim")!.data as Uint8Array;
    const counts = numbers(one, "robs");
    const pixels = spec.cropSize ** 2;
    long.units.forEach((unit, n) => {
      if (unit.kind !== "simple") return;
      const kernel = temporalKernel(unit, 240);
      const lag = kernel.indexOf(Math.max(...kernel));
      const average = new Float64Array(pixels);
      for (let t = lag; t < counts.length / 5; t++) {
        const count = counts[t * 5 + n]!;
        if (count > 0) for (let p = 0; p < pixels; p++) average[p]! += count * (stim[(t - lag) * pixels + p]! - 127);
      }
      expect(correlation(average, spatialFilters(unit, spec.cropSize, spec.ppd)[0]!)).toBeGreaterThan(0.6);
    });
  });
});

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const centred = (values: ArrayLike<number>) => {
    const list = Array.from(values);
    const mean = sum(list) / list.length;
    return list.map((value) => value - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  const dot = (left: number[], right: number[]) => sum(left.map((value, i) => value * right[i]!));
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

const filesBelow = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => statSync(join(folder, file)).isFile());

describe("synthesize()", () => {
  const root = mkdtempSync(join(tmpdir(), "visioncore-synth-"));
  afterAll(() => rmSync(root, { recursive: true }));

  test("writes recordings, saccades and configuration that belong together", async () => {
    const out = join(root, "tiny");
    const progress: { done: number; total: number; session: string }[] = [];
    const result = await synthesize({ out, preset: "tiny", seed: SEED, onProgress: (now) => progress.push(now) });
    expect([...new Set(progress.map((one) => one.session))]).toEqual(["Synth_2024-01-01", "Synth_2024-01-02"]);
    expect(progress.map(({ done }) => done)).toEqual(progress.map(({ done }) => done).sort((x, y) => x - y));
    expect(progress.at(-1)!.done).toBe(progress.at(-1)!.total);

    const name = result.sessions[1]!;
    const wanted = generateSession({ ...PRESETS.tiny, name }, SEED, "tiny");
    for (const one of wanted.recordings) {
      const stored = openSession(out, { session: name, lab: "yates", eye: "right" }).open(one.type)!;
      expect(stored.metadata).toEqual({ ...one.metadata, rate_hz: 240 });
      expect(digests(stored)).toEqual(digests(one));
    }
    expect(JSON.parse(readFileSync(join(out, name, "saccades", "saccades.json"), "utf8"))).toEqual(wanted.saccades);
  });

  test("writes a dataset configuration that loads without a warning", () => {
    const { sessions, warnings } = loadDatasetConfigs(join(root, "tiny", "dataset.yaml"));
    expect(warnings).toEqual([]);
    expect(sessions.map(({ session }) => session)).toEqual(["Synth_2024-01-01", "Synth_2024-01-02"]);
    for (const config of sessions) {
      expect(config.data_dir).toBe(join(root, "tiny"));
      expect(config.types).toEqual(["backimage", "gaborium", "gratings"]);
      expect(config.cids).toEqual([0, 1, 2, 3, 4, 5]);
      expect(config.keys_lags.stim).toEqual(Array.from({ length: 12 }, (_, lag) => lag));
      expect(config.sampling).toMatchObject({ source_rate: 240, target_rate: 120 });
    }
  });

  test("stops between trials when aborted, leaves no unfinished session, and goes on where it was", async () => {
    const out = join(root, "aborted");
    const controller = new AbortController();
    const run = synthesize({
      out,
      preset: "tiny",
      seed: SEED,
      onProgress: ({ done, total, session: name }) => {
        if (name === "Synth_2024-01-02" && done > 0.8 * total) controller.abort();
      },
      signal: controller.signal,
    });
    await expect(run).rejects.toThrow(/abort/i);
    expect(readdirSync(join(out, "sessions"))).toEqual(["Synth_2024-01-01.yaml"]);
    expect(readdirSync(join(out, "Synth_2024-01-02"))).toEqual(["saccades"]);
    expect(existsSync(join(out, "dataset.yaml"))).toBe(false);

    const kept = statSync(join(out, "Synth_2024-01-01", "backimage.safetensors")).ino;
    const result = await synthesize({ out, preset: "tiny", seed: SEED });
    expect(result.kept).toBe(1);
    expect(statSync(join(out, "Synth_2024-01-01", "backimage.safetensors")).ino).toBe(kept);
    for (const file of filesBelow(out)) {
      expect(readFileSync(join(out, file)).equals(readFileSync(join(root, "tiny", file))), file).toBe(true);
    }
  });

  test("makes a session anew that was made with other options", async () => {
    const out = join(root, "changed");
    await synthesize({ out, preset: "tiny", seed: 1, sessions: 1, units: 2 });
    rmSync(join(out, "dataset.yaml"));
    const { kept } = await synthesize({ out, preset: "tiny", seed: 1, sessions: 1, units: 3 });
    expect(kept).toBe(0);
    const stored = openSession(out, { session: "Synth_2024-01-01", lab: "yates", eye: "right" });
    expect(stored.open("gratings")!.column("robs").shape[1]).toBe(3);
  });

  test("gives the same first session whatever their number", async () => {
    const out = join(root, "single");
    await synthesize({ out, preset: "tiny", seed: SEED, sessions: 1 });
    const session = "Synth_2024-01-01";
    for (const file of filesBelow(join(out, session))) {
      expect(readFileSync(join(out, session, file)).equals(readFileSync(join(root, "tiny", session, file)))).toBe(true);
    }
  });

  test("refuses to write over a dataset", async () => {
    await expect(synthesize({ out: join(root, "tiny"), preset: "tiny", seed: 1 })).rejects.toThrow(
      /already has a dataset/,
    );
  });

  test("says why a folder cannot be made", async () => {
    const out = join(root, "tiny", "dataset.yaml", "below");
    await expect(synthesize({ out, preset: "tiny", seed: 1 })).rejects.toThrow(/Cannot make the folder .* is a file/);
  });

  test("names the closest preset, and refuses seeds and counts that are not whole numbers", async () => {
    const out = join(root, "bad");
    await expect(synthesize({ out, preset: "tinny", seed: 1 })).rejects.toMatchObject({ hint: 'Did you mean "tiny"?' });
    await expect(synthesize({ out, preset: "tiny", seed: 1.5 })).rejects.toThrow(/seed must be a whole number/);
    await expect(synthesize({ out, preset: "tiny", seed: 1, sessions: 0 })).rejects.toThrow(
      /sessions must be a whole number/,
    );
    expect(existsSync(out)).toBe(false);
  });
});
