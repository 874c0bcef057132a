/**
 * @file Batches of stimuli: ours against per-sample serving as the reference does it, on one CPU thread.
 *
 * `npx tsx bench/loader.ts [--batch 256] [--lags 33] [--sessions 4] [--frames 40000] [--repeats 20]`
 *
 * The reference formulation (data specification, section 17.2): for every sample and key a zero-filled output, an index
 * tensor, a gather and a masked scatter; grey levels, which it keeps as floats, are normalised; then a stack per key and
 * session. It is written with our own tensors, without its language and its worker processes. Targets: 4 ms a batch, 30 times faster.
 */

import { parseArgs } from "node:util";
import { parseSessionConfig } from "../src/config/session.ts";
import { BatchLoader } from "../src/data/loader.ts";
import { type PreparedSession, prepareSession } from "../src/data/prepare.ts";
import { Recording } from "../src/data/recording.ts";
import { groupBySession, TrainSampler } from "../src/data/samplers.ts";
import { fromArray, noGrad, ops, scope, setNumThreads, stack, type Tensor, tensor, zeros } from "../src/torch/index.ts";

const { values: flags } = parseArgs({
  options: {
    batch: { type: "string", default: "256" },
    lags: { type: "string", default: "33" },
    sessions: { type: "string", default: "4" },
    frames: { type: "string", default: "40000" },
    repeats: { type: "string", default: "20" },
  },
});
const [batchSize, lags, sessions, frames, repeats] = (["batch", "lags", "sessions", "frames", "repeats"] as const).map(
  (name) => Number(flags[name]),
) as [number, number, number, number, number];
const SIZE = 51;
const UNITS = 93;
setNumThreads(1);

function randomSession(number: number): PreparedSession {
  const name = `Bench_2024-01-0${number + 1}`;
  const noise = (count: number, seed: number) =>
    Uint8Array.from({ length: count }, (_, i) => Math.imul(i + seed, 0x9e3779b1) >>> 24);
  const f32 = (shape: number[], make: (i: number) => number) => {
    const count = shape.reduce((a, b) => a * b);
    return { dtype: "float32", shape, data: Float32Array.from({ length: count }, (_, i) => make(i)) } as const;
  };
  const recording = new Recording("movie", [
    ["stim", { dtype: "uint8", shape: [frames, SIZE, SIZE], data: noise(frames * SIZE * SIZE, number) }],
    ["robs", f32([frames, UNITS], (i) => ((i * 7 + number) % 11 === 0 ? 1 : 0))],
    ["behavior", f32([frames, 42], (i) => Math.sin(i))],
    ["trial_inds", f32([frames], (i) => Math.floor(i / 500))],
    ["dpi_valid", f32([frames], () => 1)],
  ]);
  const config = parseSessionConfig({
    session: name,
    types: ["movie"],
    cids: Array.from({ length: UNITS }, (_, unit) => unit),
    keys_lags: { robs: 0, dfs: 0, behavior: 0, stim: Array.from({ length: lags }, (_, lag) => lag) },
    transforms: { stim: { source: "stim", ops: [{ pixelnorm: {} }, { unsqueeze: 1 }] } },
    datafilters: { dfs: { ops: [{ valid_nlags: { n_lags: lags - 1 } }] } },
    train_val_split: 0.8,
  });
  const session = { name, types: () => ["movie"], open: () => recording, missingPct: undefined };
  return prepareSession(config, { session });
}

/** Columns of a session as tensors, for the reference formulation. */
interface ReferenceSession {
  columns: { key: string; source: Tensor; lags: readonly number[]; axis: boolean }[];
  frameOf: Int32Array;
}

function referenceSession({ train }: PreparedSession): ReferenceSession {
  const [recording] = train.recordings;
  const columns = Array.from(train.lags, ([key, spec]) => ({
    key,
    source: fromArray(recording!.floats(key)).keep(),
    lags: [...spec.lags],
    axis: spec.axis,
  }));
  return { columns, frameOf: train.frameOf };
}

/** One sample: key by key, as if several recordings could be hit. */
function serveSample({ columns, frameOf }: ReferenceSession, position: number): Map<string, Tensor> {
  const frame = frameOf[position]!;
  return new Map(
    columns.map(({ key, source, lags, axis }) => {
      const out = zeros([1, lags.length, ...source.shape.slice(1)]);
      const rows = tensor(
        BigInt64Array.from(lags, (lag) => BigInt(frame - lag)),
        [lags.length],
      );
      const hit = tensor(Uint8Array.of(1), [1], { dtype: "bool" });
      ops.index_put_(out, [hit], source.indexSelect(0, rows).unsqueeze(0));
      let value = axis ? out.squeeze(0) : out.squeeze(0).squeeze(0);
      if (key === "stim") value = ops.div.Scalar(value.permute([1, 0, 2, 3]).sub(127), 255);
      return [key, value];
    }),
  );
}

function serveReference(
  sets: readonly ReferenceSession[],
  plan: Int32Array,
  offsets: Int32Array,
): Map<string, Tensor>[] {
  return groupBySession(plan, offsets).map(({ session, local }) => {
    const samples = Array.from(local, (position) => serveSample(sets[session]!, position));
    return new Map([...samples[0]!.keys()].map((key) => [key, stack(samples.map((sample) => sample.get(key)!))]));
  });
}

const prepared = Array.from({ length: sessions }, (_, number) => randomSession(number));
const sets = prepared.map(({ train }) => train);
const loader = new BatchLoader(sets);
const loaderForDevice = new BatchLoader(sets, { decodeOn: "device" });
const references = prepared.map(referenceSession);
const sampler = new TrainSampler({ sizes: sets.map(({ length }) => length), batchSize, seed: 1 });

const times = { ours: [] as number[], gather: [] as number[], reference: [] as number[] };
noGrad(() => {
  for (let repeat = 0; repeat < repeats + 3; repeat++) {
    const plan = sampler.next();
    const take = (name: keyof typeof times, body: () => unknown) => {
      const started = performance.now();
      scope(() => void body());
      if (repeat >= 3) times[name].push(performance.now() - started);
    };
    take("ours", () => loader.load(plan));
    take("gather", () => loaderForDevice.stage(plan));
    if (repeat % 4 === 3 || repeat < 3) take("reference", () => serveReference(references, plan, loader.offsets));
  }
  const plan = sampler.next();
  scope(() => {
    const expected = serveReference(references, plan, loader.offsets);
    for (const [i, group] of loader.load(plan).groups.entries()) {
      const difference = group.stimulus!.sub(expected[i]!.get("stim")!).abs().sum().item();
      if (difference !== 0) throw new Error(`The two differ by ${difference}`);
    }
  });
});
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const ours = median(times.ours);
const reference = median(times.reference);
console.log(`${batchSize} samples of ${lags} x ${SIZE} x ${SIZE} from ${sessions} sessions, one thread`);
const gather = median(times.gather);
console.log(`reference ${reference.toFixed(1)} ms`);
console.log(`ours, gathered for a device: ${gather.toFixed(2)} ms, ratio ${(reference / gather).toFixed(1)}`);
console.log(`ours, normalised on this CPU too: ${ours.toFixed(2)} ms, ratio ${(reference / ours).toFixed(1)}`);
