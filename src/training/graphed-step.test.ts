import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { SessionBatch } from "../data/loader.ts";
import { FakeRecorder } from "../torch/cuda-graph.fake.ts";
import { ones, scope, seedDefaultGenerator, setNumThreads, tensorStats } from "../torch/index.ts";
import type { RunEvent } from "./events.ts";
import { GraphedStep, type GraphFacts, whyNoGraphs } from "./graphed-step.ts";
import { LossScaler } from "./loss-scaling.ts";
import type { TrainOptions } from "./options.ts";
import { TinyStep, type TinyStepOptions, tinyLoader, tinyPlan } from "./step.fake.ts";
import { tinyModel, tinySession } from "./tiny-run.fake.ts";
import { train } from "./trainer.ts";

setNumThreads(1);

const made: { dispose(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0).toReversed()) each.dispose();
});

interface TinyRun {
  tiny: TinyStep;
  scaler: LossScaler | undefined;
  /** Absent where steps are taken as they come. */
  graphed: { step: GraphedStep; recorder: FakeRecorder; reasons: string[] } | undefined;
}

type RunOptions = TinyStepOptions & { dropout?: number; mostShapes?: number };

/** A tiny twin whose device decides, with or without recording. */
function tinyRun(isGraphed: boolean, { mostShapes = 1, ...options }: RunOptions = {}): TinyRun {
  const scaler = options.precision === "16-mixed" ? new LossScaler({ growthInterval: 4 }) : undefined;
  const tiny = new TinyStep({ ...options, scaler, defer: true });
  made.push(tiny, ...(scaler ? [scaler] : []));
  if (!isGraphed) return { tiny, scaler, graphed: undefined };
  const reasons: string[] = [];
  const recorder = new FakeRecorder(() => [
    ...[tiny.twin.stateDict(), tiny.optimizer.stateTensors()].flatMap((named) => [...named.values()]),
    ...(scaler?.stateTensors().values() ?? []),
  ]);
  const onFallback = (reason: string) => void reasons.push(reason);
  const step = new GraphedStep({ step: tiny.step, recorder, mostShapes, onFallback });
  made.push(step);
  return { tiny, scaler, graphed: { step, recorder, reasons } };
}

/** Step `i` of a run: its own samples and rate, what an epoch changes, and what is wrong with its numbers. */
function takeStep({ tiny, graphed }: TinyRun, i: number, plan = tinyPlan(i)) {
  const change = BAD[i] ?? (() => {});
  for (const group of tiny.optimizer.groups) group.lr = 0.01 / (1 + i);
  const { batch, update } = scope(() => {
    const { groups } = tinyLoader.load(plan);
    change(groups);
    return (graphed?.step ?? tiny.step).start(groups, i < 7 ? 0 : 1, true);
  });
  return { batch: batch.read(), update: update!.read() };
}

const BAD: Record<number, (groups: readonly SessionBatch[]) => void> = {
  6: (groups) => void groups[1]!.robs.fill_(Number.NaN),
  11: (groups) => void groups[0]!.stimulus!.fill_(Number.NaN),
};
const STEPS = 14;

describe("GraphedStep", () => {
  test.each([
    ["every session alike", {}],
    ["every sample alike", { weighSamples: true }],
    ["with dropout", { dropout: 0.3 }],
    ["in bfloat16", { precision: "bf16-mixed" }],
    ["in float16 with loss scaling", { precision: "16-mixed" }],
    ["without clipping", { gradientClipVal: 0 }],
  ] satisfies [string, RunOptions][])("does what steps do that come as they are, bit for bit: %s", (_, options) => {
    const outcomes = [false, true].map((isGraphed) => {
      seedDefaultGenerator(7);
      const run = tinyRun(isGraphed, options);
      const reports = Array.from({ length: STEPS }, (_, i) => takeStep(run, i));
      return { run, reports, weights: run.tiny.weights(), moments: run.tiny.moments() };
    });
    const [eager, graphed] = outcomes as [(typeof outcomes)[0], (typeof outcomes)[0]];
    expect(graphed.reports).toEqual(eager.reports);
    expect(graphed.weights).toEqual(eager.weights);
    expect(graphed.moments).toEqual(eager.moments);
    expect(graphed.run.scaler?.scale.item()).toBe(eager.run.scaler?.scale.item());
    expect(graphed.run.graphed!.reasons).toEqual([]);
    const replays = graphed.run.graphed!.recorder.calls.filter((call) => call === "replay");
    // One warms up until moments are there, three do before each recording.
    expect(replays).toHaveLength(STEPS - 1 - 2 * 3);
    expect(eager.reports[6]!.batch.losses[1]!.loss).toBeNaN();
    expect(eager.reports[11]!.update.skipped).toBe(true);
    expect(eager.reports[13]!.batch.penalties).toHaveLength(1);
  });

  test("records a shape after three steps of it, and anew when an epoch changes what penalties weigh", () => {
    const run = tinyRun(true);
    for (let i = 0; i < STEPS; i++) takeStep(run, i);
    expect(run.graphed!.recorder.calls).toEqual([
      // Moments are made in the first step.
      ..."warm up,warm up,warm up,warm up,record,replay,replay,replay,free".split(","),
      ..."warm up,warm up,warm up,record,replay,replay,replay,replay".split(","),
    ]);
  });

  test("follows rates that change after recording", () => {
    const changes = [1, 0].map((factor) => {
      const run = tinyRun(true);
      for (let i = 0; i < 5; i++) takeStep(run, i);
      const before = run.tiny.weights()["readouts.0.bias"]!;
      for (const group of run.tiny.optimizer.groups) group.lr = 0.01 * factor;
      scope(() => run.graphed!.step.start(tinyLoader.load(tinyPlan(5)).groups, 0, true));
      expect(run.graphed!.recorder.calls.at(-1)).toBe("replay");
      return run.tiny.weights()["readouts.0.bias"]!.some((bias, k) => bias !== before[k]);
    });
    expect(changes).toEqual([true, false]);
  });

  test("keeps a recording for each shape, whose inputs share memory", () => {
    const [whole, part] = [tinyPlan(0), tinyPlan(0).slice(0, 3)];
    const both = [false, true].map((isGraphed) => {
      const run = tinyRun(isGraphed, { mostShapes: 2 });
      const losses = Array.from({ length: 12 }, (_, i) => {
        const plan = (i % 2 === 0 ? whole : part).map((index) => index + (i >> 1));
        return scope(() =>
          (run.graphed?.step ?? run.tiny.step).start(tinyLoader.load(plan).groups, 0, true),
        ).batch.read().losses;
      });
      return { run, losses, weights: run.tiny.weights() };
    });
    expect(both[1]!.losses).toEqual(both[0]!.losses);
    expect(both[1]!.weights).toEqual(both[0]!.weights);
    expect(both[1]!.run.graphed!.step.recorded).toBe(2);
  });

  test("gives up when shapes keep changing, says so once, frees all, and goes on", () => {
    const [eager, run] = [tinyRun(false), tinyRun(true)];
    for (let i = 0; i < 8; i++) {
      const plan = i === 5 ? tinyPlan(i).slice(0, 4) : tinyPlan(i);
      expect(takeStep(run, i, plan)).toEqual(takeStep(eager, i, plan));
    }
    expect(run.graphed!.reasons).toEqual(["batches have had 2 different shapes"]);
    expect(run.graphed!.recorder.calls.slice(-3)).toEqual(["replay", "free", "dispose"]);
    expect(run.tiny.weights()).toEqual(eager.tiny.weights());
  });

  test.each([
    ["reads a number", () => void ones([]).item(), "the host reads a number of the device"],
    [
      "cannot be recorded",
      () => {
        throw new Error("operation not permitted when stream is capturing");
      },
      "operation not permitted when stream is capturing",
    ],
  ])("gives up when the step %s, and goes on as if it had not tried", (_, body, reason) => {
    const [eager, run] = [tinyRun(false, { precision: "16-mixed" }), tinyRun(true, { precision: "16-mixed" })];
    const { optimizer } = run.tiny;
    const step = optimizer.step.bind(optimizer);
    optimizer.step = (skip) => {
      if (run.graphed!.recorder.calls.at(-1) === "record") body();
      step(skip);
    };
    for (let i = 0; i < 8; i++) expect(takeStep(run, i)).toEqual(takeStep(eager, i));
    expect(run.graphed!.reasons).toEqual([reason]);
    expect(run.graphed!.recorder.calls).not.toContain("replay");
    expect(run.tiny.weights()).toEqual(eager.tiny.weights());
    expect(run.tiny.moments()).toEqual(eager.tiny.moments());
  });

  test("takes no step of several batches", () => {
    const run = tinyRun(true, { accumulateGradBatches: 2 });
    for (let i = 0; i < 8; i++) {
      const { batch, update } = scope(() =>
        run.graphed!.step.start(tinyLoader.load(tinyPlan(i)).groups, 0, i % 2 === 1),
      );
      for (const reading of [batch, update]) reading?.dispose();
    }
    expect(run.graphed!.recorder.calls).not.toContain("record");
  });

  test("keeps the number of live tensors flat, and frees everything in the end", () => {
    const run = tinyRun(true);
    for (let i = 0; i < 6; i++) takeStep(run, i);
    const before = tensorStats().live;
    for (let i = 0; i < 5; i++) takeStep(run, 5);
    expect(tensorStats().live).toBe(before);
    run.graphed!.step.dispose();
    const inputs = 3 * 3; // stimulus, counts and masks of three sessions
    const outputs = 2;
    expect(tensorStats().live).toBe(before - inputs - outputs);
  });
});

describe("train({ cudaGraphs })", () => {
  async function said(options: TrainOptions): Promise<RunEvent[]> {
    const folder = mkdtempSync(join(tmpdir(), "graphs-"));
    const events: RunEvent[] = [];
    try {
      await train({
        modelConfig: tinyModel(),
        sessions: [tinySession("Allen_2022-02-16")],
        ...{ batchSize: 8, maxEpochs: 1, stepsPerEpoch: 3, readEvery: 2, checkpointDir: folder },
        onEvent: (event) => void events.push(event),
        ...options,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
    return events.filter(({ message }) => message.includes("CUDA graphs"));
  }

  test("on a CPU says why there are none if they were asked for", async () => {
    const message = "Training without CUDA graphs: they are for GPUs, and this is cpu";
    expect(await said({ cudaGraphs: "on" })).toEqual([{ type: "warning", message }]);
    expect(await said({})).toEqual([]);
    expect(await said({ cudaGraphs: "off" })).toEqual([]);
  });

  test("refuses other values", async () => {
    await expect(said({ cudaGraphs: "yes" as "on" })).rejects.toThrow("cudaGraphs is yes, expected auto, off, on");
  });
});

describe("whyNoGraphs()", () => {
  const possible: GraphFacts = {
    missing: null,
    numProcesses: 1,
    accumulateGradBatches: 1,
    optimizer: { name: "adamw", isRecordable: true },
    deferred: true,
    homogeneousBatches: true,
    sessions: 20,
  };
  test("finds nothing against one session, or batches of one session each", () => {
    expect(whyNoGraphs(possible)).toBeNull();
    expect(whyNoGraphs({ ...possible, sessions: 1, homogeneousBatches: false })).toBeNull();
  });
  test.each([
    [{ missing: "they are for GPUs, and this is cpu" }, "they are for GPUs, and this is cpu"],
    [{ numProcesses: 2 }, "the host takes part in the exchange between 2 processes"],
    [{ accumulateGradBatches: 4 }, "a step is made of 4 batches (--accumulate-grad-batches)"],
    [
      { optimizer: { name: "schedule_free", isRecordable: false } },
      "optimizer schedule_free takes numbers from the host in every step",
    ],
    [{ deferred: false }, "the host reads the loss of every step before it goes on"],
    [{ homogeneousBatches: false }, /^batches mix sessions.*--homogeneous-batches/],
  ] satisfies [Partial<GraphFacts>, string | RegExp][])("has a reason: %j", (facts, reason) => {
    expect(whyNoGraphs({ ...possible, ...facts })).toMatch(reason);
  });
});
