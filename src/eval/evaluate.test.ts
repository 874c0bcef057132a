import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadDatasetConfigs } from "../config/dataset.ts";
import { Recording } from "../data/recording.ts";
import { openRecording, writeRecording } from "../data/recording-files.ts";
import { toFloat64 } from "../formats/array.ts";
import { setNumThreads, tensorStats } from "../torch/index.ts";
import { ANALYSES } from "./analyses/index.ts";
import {
  type EvaluateOptions,
  type Evaluation,
  evaluateModelMultidataset,
  type SessionEvaluation,
} from "./evaluate.ts";
import { loadModel } from "./load-model.ts";
import { referenceLayout } from "./reference-layout.ts";
import { saveTwin, type TinyEvaluation, tinyEvaluation } from "./tiny-evaluation.fake.ts";

setNumThreads(1);

let made: TinyEvaluation;
let folderOf: string;
beforeAll(async () => {
  made = await tinyEvaluation({ sessions: 2 });
  folderOf = join(made.data, made.sessions[0]!);
});
afterAll(() => rmSync(made.folder, { recursive: true }));

/** The twin evaluated on its first session. */
async function evaluateFirst(
  options: Partial<EvaluateOptions>,
): Promise<{ all: Evaluation; first: SessionEvaluation }> {
  const all = await evaluateModelMultidataset({
    checkpoint: made.checkpoint,
    sessions: [made.sessions[0]!],
    splits: 10,
    saccadeWindow: [-5, 20],
    ...options,
  });
  return { all, first: all.sessions[0]! };
}

function valuesOf(session: SessionEvaluation, key: string): number[] {
  for (const outcome of Object.values(session.analyses)) {
    if (outcome.status !== "ok") continue;
    const score = outcome.scores.find((one) => one.key === key);
    if (score !== undefined) return [...score.values];
  }
  throw new Error(`there is no score ${key}`);
}

/** Replaces a recording's column by what `change` makes of it, and puts the original back afterwards. */
async function withChanged<Result>(
  type: string,
  key: string,
  change: (values: Float32Array, width: number) => void,
  body: () => Promise<Result>,
): Promise<Result> {
  const copy = () => {
    const recording = openRecording(folderOf, type)!;
    return recording.keys().map((name) => [name, recording.get(name)] as const);
  };
  const original = copy();
  const { metadata } = openRecording(folderOf, type)!;
  const changed = original.map(([name, array]) => {
    if (name !== key) return [name, array] as const;
    const data = Float32Array.from(toFloat64(array));
    change(data, data.length / array.shape[0]!);
    return [name, { dtype: "float32" as const, shape: array.shape, data }] as const;
  });
  writeRecording(folderOf, new Recording(type, changed, metadata));
  try {
    return await body();
  } finally {
    writeRecording(folderOf, new Recording(type, original, metadata));
  }
}

describe("evaluateModelMultidataset()", () => {
  test("gives every analysis of every session, and leaves no tensors", async () => {
    const { live } = tensorStats();
    const all = await evaluateModelMultidataset({
      checkpoint: made.checkpoint,
      analyses: Object.keys(ANALYSES),
      splits: 10,
      saccadeWindow: [-5, 20],
      meiUnits: 1,
    });
    expect(tensorStats().live).toBe(live);
    expect(all.sessions.map(({ name, index }) => [name, index])).toEqual(made.sessions.map((name, i) => [name, i]));
    for (const { analyses } of all.sessions) {
      const failed = Object.entries(analyses).filter(([, { status }]) => status === "failed");
      expect(failed).toEqual([]);
      const done = Object.entries(analyses).filter(([, { status }]) => status === "ok");
      expect(done.map(([name]) => name)).toEqual(
        expect.arrayContaining([
          "bps",
          "correlation",
          "ccnorm",
          "ceilings",
          "publication",
          "saccade",
          "sta",
          "gratings",
          "mei",
        ]),
      );
      expect(analyses.qc).toEqual({
        status: "missing",
        message: expect.stringContaining("there is no quality control"),
      });
    }
    const bps = valuesOf(all.sessions[0]!, "bps");
    const truth = valuesOf(all.sessions[0]!, "bps_true_rates");
    expect(bps.every((value, unit) => value < truth[unit]!)).toBe(true);
  }, 60_000);

  test("scores do not depend on batch size, and on other sessions", async () => {
    const { first } = await evaluateFirst({ analyses: ["bps", "ccnorm"] });
    const other = await evaluateModelMultidataset({
      checkpoint: made.checkpoint,
      analyses: ["ccnorm", "bps"],
      batchSize: 37,
      splits: 10,
    });
    for (const key of ["bps", "ccabs", "ccmax"]) {
      const expected = valuesOf(first, key).map((value) => (Number.isNaN(value) ? value : expect.closeTo(value, 4)));
      expect(valuesOf(other.sessions[0]!, key)).toEqual(expected);
    }
  });

  test("a missing stimulus is said, and costs only what needs it", async () => {
    const { first } = await evaluateFirst({ analyses: ["bps", "ccnorm", "ceilings"], repeats: ["movies"] });
    expect(first.analyses.bps!.status).toBe("ok");
    const message = "there are no repeats: no stimulus of type movies";
    expect(first.analyses.ccnorm).toEqual({ status: "missing", message });
    expect(first.analyses.ceilings).toEqual({ status: "missing", message });
  });

  test("a stimulus that was shown once has no repeats, which is said", async () => {
    const count = (bins: Float32Array) => bins.set([...bins.keys()]);
    const { first } = await withChanged(
      "fixrsvp",
      "trial_inds",
      (trials) => trials.fill(0),
      () => withChanged("fixrsvp", "psth_inds", count, () => evaluateFirst({ analyses: ["ccnorm"] })),
    );
    expect(first.analyses.ccnorm).toMatchObject({
      status: "missing",
      message: expect.stringContaining("one valid trial only"),
    });
  });

  test("too few trials give NaN and the reason, never 0", async () => {
    const { first } = await evaluateFirst({ analyses: ["ccnorm"], minTrials: 30 });
    const outcome = first.analyses.ccnorm!;
    if (outcome.status !== "ok") throw new Error(outcome.status);
    const [ccnorm, ccmax] = outcome.scores;
    for (const { values, reasons } of [ccnorm!, ccmax!]) {
      expect(values.every(Number.isNaN)).toBe(true);
      expect(reasons!.every((reason) => reason?.includes("30"))).toBe(true);
    }
  });

  test("masks that leave nothing cost only that stimulus, which is said", async () => {
    const { first, all } = await withChanged(
      "fixrsvp",
      "dpi_valid",
      (valid) => valid.fill(0),
      () => evaluateFirst({ analyses: ["bps", "ccnorm"] }),
    );
    expect(first.analyses.bps!.status).toBe("ok");
    expect(first.analyses.ccnorm).toMatchObject({ status: "missing", message: expect.stringContaining("repeats") });
    expect(all.sessions[0]!.samples.fixrsvp ?? 0).toBe(0);
  });

  test("a unit without spikes has no score, and the reason", async () => {
    const silence = (robs: Float32Array, width: number) => {
      for (let i = 2; i < robs.length; i += width) robs[i] = 0;
    };
    const { first } = await withChanged("backimage", "robs", silence, () =>
      withChanged("gaborium", "robs", silence, () => evaluateFirst({ analyses: ["bps"] })),
    );
    const outcome = first.analyses.bps!;
    if (outcome.status !== "ok") throw new Error(outcome.status);
    const [bps] = outcome.scores;
    expect(Number.isNaN(bps!.values[2])).toBe(true);
    expect(bps!.reasons![2]).toBe("no spike in valid samples");
    expect(bps!.reasons![1]).toBeNull();
  });

  test("predictions that are NaN are counted and told, and cost only their unit", async () => {
    const checkpoint = join(made.folder, "runs", "damaged", "last.safetensors");
    saveTwin(checkpoint, join(made.data, "dataset.yaml"), 0, { damage: true });
    const told: string[] = [];
    const { first } = await evaluateFirst({ checkpoint, analyses: ["bps"], onWarning: (text) => told.push(text) });
    expect(told.join("\n")).toMatch(/predictions for backimage are not finite, in 1 of 6 units/);
    const bps = valuesOf(first, "bps");
    expect(bps.map(Number.isNaN)).toEqual([true, false, false, false, false, false]);
    const outcome = first.analyses.bps!;
    expect(outcome.status === "ok" && outcome.scores[0]!.reasons![0]).toMatch(
      /^\d+ of \d+ predictions are not finite$/,
    );
  });

  test("units are matched by number when the data's list has changed, and differences are listed", async () => {
    const whole = await evaluateFirst({ analyses: ["bps"] });
    const [config] = loadDatasetConfigs(join(made.data, "dataset.yaml")).sessions;
    const changed = { ...config!, cids: [4, 1, 3] };
    const told: string[] = [];
    const { first } = await evaluateFirst({
      analyses: ["bps"],
      sessionConfigs: new Map([[changed.session, changed]]),
      onWarning: (text) => told.push(text),
    });
    expect(first.cids).toEqual([1, 3, 4]);
    expect(told.join("\n")).toContain("no unit 0, 2, 5 of the twin; 3 are scored");
    const expected = [1, 3, 4].map((cid) => expect.closeTo(valuesOf(whole.first, "bps")[cid]!, 5));
    expect(valuesOf(first, "bps")).toEqual(expected);
    const elsewhere = { ...config!, session: "Other_2020-01-01" };
    const absent = await evaluateFirst({
      analyses: ["bps"],
      sessionConfigs: new Map([[elsewhere.session, elsewhere]]),
    });
    expect(absent.all.warnings.join("\n")).toContain("The twin has no session Other_2020-01-01, left out");
    expect(absent.all.warnings.join("\n")).toContain(`for want of a configuration: ${made.sessions[0]}`);
    const strangers = { ...config!, cids: [] as number[] };
    await expect(evaluateFirst({ sessionConfigs: new Map([[strangers.session, strangers]]) })).rejects.toThrow(
      "the data share no unit with the twin",
    );
  });

  test("refuses sessions that the twin does not know, and analyses that do not exist", async () => {
    const [name] = made.sessions;
    await expect(evaluateFirst({ sessions: [`${name}x`] })).rejects.toMatchObject({
      message: expect.stringContaining(`Cannot use session "${name}x"`),
      hint: `Did you mean "${name}"?`,
    });
    await expect(evaluateFirst({ analyses: ["bps", "ccnrom"] })).rejects.toMatchObject({
      message: expect.stringContaining('There is no analysis "ccnrom"'),
      hint: 'Did you mean "ccnorm"?',
    });
    await expect(evaluateFirst({ analyses: ["constructor"] })).rejects.toThrow('There is no analysis "constructor"');
    await expect(evaluateFirst({ dataDir: join(made.folder, "elsewhere") })).rejects.toMatchObject({
      hint: expect.stringContaining("--data-dir"),
    });
  });

  test("stops when told to", async () => {
    await expect(evaluateFirst({ signal: AbortSignal.abort() })).rejects.toThrow("aborted");
  });

  describe("with a cache", () => {
    const analyses = ["bps", "ccnorm"];

    test("computes nothing twice, and gives the same", async () => {
      const cacheDir = join(made.folder, "cache");
      const { first } = await evaluateFirst({ analyses, cacheDir });
      expect(readdirSync(join(cacheDir, "tiny")).length).toBeGreaterThan(2);
      const activities: string[] = [];
      const again = await evaluateFirst({
        analyses,
        cacheDir,
        onProgress: ({ activity }) => activities.push(activity),
      });
      expect(activities.some((activity) => activity.startsWith("predicting"))).toBe(false);
      for (const name of analyses as ["bps", "ccnorm"]) {
        expect(again.first.analyses[name]).toEqual({ ...first.analyses[name], cached: true });
      }
      const anew = await evaluateFirst({ analyses, cacheDir, recalc: true });
      expect(anew.first.analyses.bps).toMatchObject({ cached: false });
    });

    test("does not take results of another checkpoint of the same run, of other options or of other data", async () => {
      const cacheDir = join(made.folder, "cache-2");
      const { first } = await evaluateFirst({ analyses, cacheDir });
      const checkpoint = join(made.folder, "runs", "tiny", "last.safetensors");
      saveTwin(checkpoint, join(made.data, "dataset.yaml"), 1);
      const other = await evaluateFirst({ checkpoint, analyses, cacheDir });
      expect(other.first.analyses.bps).toMatchObject({ cached: false });
      expect(valuesOf(other.first, "bps")).not.toEqual(valuesOf(first, "bps"));
      expect(other.all.warnings.join("\n")).toContain("what was kept is from another checkpoint");
      const options = await evaluateFirst({ checkpoint, analyses, cacheDir, splits: 11 });
      expect(options.first.analyses).toMatchObject({ bps: { cached: true }, ccnorm: { cached: false } });
      const data = await withChanged(
        "backimage",
        "robs",
        (robs) => robs.fill(1, 0, robs.length / 2),
        () => evaluateFirst({ checkpoint, analyses, cacheDir }),
      );
      expect(data.all.warnings.join("\n")).toContain("what was kept is from other data");
    });

    test("does not take results for other covariates that only analyses read", async () => {
      const cacheDir = join(made.folder, "cache-3");
      await evaluateFirst({ analyses: ["ccnorm"], cacheDir });
      const later = (bins: Float32Array) => bins.set(bins.map((bin) => bin + 1));
      const { first } = await withChanged("fixrsvp", "psth_inds", later, () =>
        evaluateFirst({ analyses: ["ccnorm"], cacheDir }),
      );
      expect(first.analyses.ccnorm).toMatchObject({ status: "ok", cached: false });
    });

    test("writes nothing without a folder for it", async () => {
      await evaluateFirst({ analyses: ["bps"] });
      expect(existsSync(join(made.folder, "runs", "tiny", "evaluation"))).toBe(false);
    });
  });

  test("rescaled predictions are labelled, and correlate as before", async () => {
    const [plain, rescaled] = [
      await evaluateFirst({ analyses: ["bps", "correlation"] }),
      await evaluateFirst({ analyses: ["bps", "correlation"], rescale: true }),
    ];
    const outcome = rescaled.first.analyses.bps!;
    expect(outcome.status === "ok" && outcome.scores[0]!.title).toBe("bits per spike, rescaled (in-sample)");
    const expected = valuesOf(plain.first, "correlation_backimage").map((value) => expect.closeTo(value, 4));
    expect(valuesOf(rescaled.first, "correlation_backimage")).toEqual(expected);
    const gains = valuesOf(rescaled.first, "bps").map((value, unit) => value - valuesOf(plain.first, "bps")[unit]!);
    expect(gains.every((gain) => gain > 0)).toBe(true);
  });
});

describe("referenceLayout()", () => {
  test("has the samples and trials of a real evaluation", async () => {
    const { all, first } = await evaluateFirst({ analyses: ["bps", "ccnorm", "saccade"], keepArrays: true });
    const tree = referenceLayout("tiny", all).tiny as Record<string, Record<string, Record<string, unknown[]>>>;
    const { robs, cids } = tree.bps!.backimage!;
    expect(robs![0]).toMatchObject({ dtype: "float32", shape: [first.samples.backimage, 6] });
    expect(cids).toEqual([...first.cids]);
    expect(tree.ccnorm!.fixrsvp!.robs_trial![0]).toMatchObject({ shape: [24, expect.any(Number), 6] });
  });
});

describe("loadModel()", () => {
  test("finds the best checkpoint of a type in a folder of runs", async () => {
    const model = await loadModel({ dir: join(made.folder, "runs"), modelType: "tiny" });
    expect(model).toMatchObject({ experiment: "tiny", path: made.checkpoint });
    model.twin.dispose();
  });

  test("says what there is when the type or rank does not exist", async () => {
    const dir = join(made.folder, "runs");
    await expect(loadModel({ dir, modelType: "tinny" })).rejects.toMatchObject({ hint: 'Did you mean "tiny"?' });
    await expect(loadModel({ dir, modelType: "tiny", modelIndex: 7 })).rejects.toThrow("there are 1");
    await expect(loadModel({ dir: join(dir, "tiny") })).rejects.toThrow("no folder in it holds a checkpoint");
    await expect(loadModel({})).rejects.toThrow("neither a checkpoint nor a folder of runs");
  });
});
