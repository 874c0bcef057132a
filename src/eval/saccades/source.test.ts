import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Recording } from "../../data/recording.ts";
import { eyeTrace } from "../../data/synthetic/eye-traces.ts";
import { GAZE_STYLES } from "../../data/synthetic/gaze-styles.ts";
import { Random } from "../../data/synthetic/random.ts";
import { UserError } from "../../errors.ts";
import type { NdArray } from "../../formats/array.ts";
import { loadSaccades, readSaccades } from "./source.ts";

const RECORD = {
  start_time: 2,
  end_time: 2.03,
  A: 100,
  start_x: 0,
  start_y: 0,
  end_x: 1,
  end_y: 0,
  mu: 2.01,
  note: "x",
};

function sessionWith(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), "saccades-"));
  mkdirSync(join(folder, "saccades"));
  writeFileSync(join(folder, "saccades", "saccades.json"), content);
  return folder;
}

describe("readSaccades()", () => {
  test("sorts records by their start and keeps what it knows", () => {
    const later = { ...RECORD, start_time: 5 };
    const folder = sessionWith(JSON.stringify([later, RECORD]));
    const { note, ...known } = RECORD;
    expect(loadSaccades(folder)).toEqual({
      saccades: [known, { ...known, start_time: 5 }],
      origin: "file",
      reason: null,
    });
    expect(note).toBe("x");
  });

  test.each([
    ["[{", "Expected JSON"],
    ['{"start_time": 1}', "expected a list of records"],
    ["[4]", "record 0 is no object"],
    [JSON.stringify([RECORD, { ...RECORD, A: undefined }]), "record 1 has no A"],
    [JSON.stringify([{ ...RECORD, end_x: null }]), "record 0 has end_x = null, expected a number"],
  ])("refuses %s", (content, what) => {
    const path = join(sessionWith(content), "saccades", "saccades.json");
    try {
      readSaccades(path);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      const { message, hint } = error as UserError;
      expect(message).toContain(`Cannot read saccades from "${path}"`);
      expect(`${message} ${hint}`).toContain(what);
    }
  });
});

/** Free viewing in trials of five seconds at 240 Hz, and the saccades that were planted. */
function viewing() {
  const random = new Random(3);
  const [trials, frames] = [12, 1200];
  const gaze = new Float64Array(trials * frames * 2);
  const planted: { time: number; amplitude: number }[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const options = { mode: "free-viewing", frames, rateHz: 240, fieldDeg: 5, style: GAZE_STYLES.ideal } as const;
    const trace = eyeTrace(random.stream("gaze", trial), options);
    gaze.set(trace.gaze, trial * frames * 2);
    for (const { onset, from, to } of trace.saccades) {
      planted.push({ time: trial * 7 + onset / 240, amplitude: Math.hypot(to[0] - from[0], to[1] - from[1]) });
    }
  }
  const times = Float64Array.from(
    { length: trials * frames },
    (_, t) => Math.floor(t / frames) * 7 + (t % frames) / 240,
  );
  const column = (shape: number[], data: Float64Array): NdArray => ({ dtype: "float64", shape, data });
  const recording = new Recording("backimage", [
    ["t_bins", column([times.length], times)],
    ["eyepos", column([times.length, 2], gaze)],
  ]);
  return { recording, planted };
}

describe("loadSaccades()", () => {
  test("detects saccades in eye traces when there is no file", () => {
    const { recording, planted } = viewing();
    const { saccades, origin } = loadSaccades("/nowhere", [recording]);
    expect(origin).toBe("detector");
    const isNear = (time: number) => saccades.some(({ start_time }) => Math.abs(start_time - time) < 0.03);
    const inside = planted.filter(({ time, amplitude }) => amplitude > 0.5 && time % 7 > 0.2 && time % 7 < 4.7);
    const found = inside.filter(({ time }) => isNear(time));
    expect(inside.length).toBeGreaterThan(80);
    expect(found.length / inside.length).toBeGreaterThan(0.9);
    const isPlanted = (time: number) => planted.some((saccade) => Math.abs(saccade.time - time) < 0.03);
    const real = saccades.filter(({ start_time }) => isPlanted(start_time));
    expect(real.length / saccades.length).toBeGreaterThan(0.95);
  });

  test("says why there are none", () => {
    expect(loadSaccades("/nowhere")).toMatchObject({ saccades: [], origin: "none" });
    expect(loadSaccades("/nowhere").reason).toContain('there is no "/nowhere/saccades/saccades.json"');
    expect(loadSaccades(sessionWith("[]")).reason).toContain("lists no saccade");
  });
});
