/**
 * @file The nested form of results that the reference's driver returns (evaluation specification, section 5.3): branches
 * and kinds of leaves, not numbers.
 */
import type { Evaluation, SessionEvaluation } from "../eval/evaluate.ts";
import { DEFAULT_ANALYSIS_OPTIONS } from "../eval/evaluate.ts";
import { referenceLayout } from "../eval/reference-layout.ts";
import { type CaseResult, readGolden, runCase } from "./golden.ts";

interface LayoutGolden {
  data: { tree: { "<model_type>": Record<string, unknown> } };
}

const STIMULI = ["gaborium", "backimage", "fixrsvp", "gratings"];

/** `results_structure`. */
export function verifyResults(folder: string): CaseResult[] {
  const { tree } = readGolden<LayoutGolden>(folder, "results_structure").json.data;
  return [
    runCase("results_structure", (compare) => {
      const made = referenceLayout("model", fakeEvaluation()).model as Record<string, unknown>;
      compare.same("branches", keysOf(made), keysOf(withStimuli(tree["<model_type>"])));
    }),
  ];
}

/** Paths of all branches, sorted. */
function keysOf(tree: Record<string, unknown>, at = ""): string[] {
  return Object.entries(tree)
    .flatMap(([key, value]) => (isBranch(value) ? keysOf(value, `${at}${key}.`) : [`${at}${key}`]))
    .sort();
}

function isBranch(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** The golden tree with a branch for each stimulus in the place of its placeholder. */
function withStimuli(tree: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => {
      if (!isBranch(value)) return [key, value];
      const placeholder = Object.keys(value).find((name) => name.startsWith("<stim"));
      if (placeholder === undefined) return [key, value];
      return [key, Object.fromEntries(STIMULI.map((stimulus) => [stimulus, value[placeholder]]))];
    }),
  );
}

/** Two sessions of one unit, of which the second has no repeats. */
function fakeEvaluation(): Evaluation {
  const one = () => new Float64Array(1);
  const array = { dtype: "float32", shape: [1, 1], data: new Float32Array(1) } as const;
  const arrays = { robs: array, rhat: array, dfs: array };
  const ok = (details: unknown) => ({ status: "ok", scores: [], details, cached: false }) as const;
  const averages = {
    window: [0, 1],
    saccades: 1,
    bins: 1,
    units: 1,
    rbar: one(),
    rbarhat: one(),
    eyevel: new Float64Array(2),
    timePrevious: one(),
    timeNext: one(),
  };
  const session = (name: string, index: number, hasRepeats: boolean): SessionEvaluation => ({
    name,
    index,
    cids: [3],
    frameRate: 120,
    samples: {},
    data: "",
    analyses: {
      bps: ok({ stimuli: Object.fromEntries(STIMULI.map((stimulus) => [stimulus, { bps: one(), arrays }])) }),
      ccnorm: hasRepeats
        ? ok({ stimulus: "fixrsvp", trials: 1, bins: 1, clipped: one(), rbar: one(), rbarhat: one(), aligned: null })
        : { status: "missing", message: "there are no repeats" },
      saccade: ok({
        stimuli: STIMULI.map((stimulus) => ({ stimulus, averages, saccades: [{ start_time: 0 }] })),
        windows: Object.fromEntries(STIMULI.map((stimulus) => [stimulus, arrays])),
      }),
      qc: ok({ contamination: one(), truncation: one(), waveforms: null, probeGeometry: null, l4Depths: null }),
    },
  });
  return {
    checkpoint: { path: "", experiment: "", epoch: null, digest: "" },
    options: DEFAULT_ANALYSIS_OPTIONS,
    sessions: [session("A_1", 0, true), session("B_2", 1, false)],
    warnings: [],
    seconds: { data: 0, forward: 0, analyses: 0 },
  };
}
