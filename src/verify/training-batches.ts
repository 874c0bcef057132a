/**
 * @file Golden sample orders and batches as training sees them (training specification, section 16).
 */
import { frameContrasts, relativeContrasts } from "../data/curriculum.ts";
import { distributedOrder, groupBySession, sessionOffsets } from "../data/samplers.ts";
import { decodeStimulus } from "../data/samples.ts";
import { type CaseResult, readGolden, runCase, skippedCase } from "./golden.ts";

interface SamplerCase {
  kind: "by_dataset" | "contrast" | "distributed";
  index: number;
  sizes: number[];
  drop_last: boolean;
  rng_seed: number;
  epoch: number;
  world: number;
  per_rank: number[][];
  step: number;
  warmup: number;
}

const OTHER_SAMPLERS: Readonly<Record<string, string>> = {
  by_dataset: "repeats its batches in every epoch (T-11): ours walks through each session instead",
  contrast: "weighted draws come from a stream of the reference's library; the weights are compared in golden/data",
};

/** Shuffled orders of several processes. */
export function verifySampleOrders(folder: string): CaseResult[] {
  const { cases } = readGolden<{ cases: SamplerCase[] }>(folder, "samplers").json;
  return [
    ...cases.map(
      ({ kind, index, sizes, drop_last: dropLast, rng_seed: seed, epoch, world, per_rank, step, warmup }) => {
        const name = `samplers/${index}_${kind}`;
        // Once a curriculum has warmed up, its order is that of the distributed sampler.
        const isWarm = kind === "contrast" && step >= warmup;
        if (kind !== "distributed" && !isWarm) return skippedCase(name, OTHER_SAMPLERS[kind]!);
        return runCase(name, (compare) => {
          const samples = sessionOffsets(sizes).at(-1)!;
          for (const [rank, expected] of per_rank.entries()) {
            const order = distributedOrder(samples, { seed, epoch, rank, world, dropLast });
            compare.exact(`rank ${rank}`, order, expected);
          }
        });
      },
    ),
  ];
}

interface ContrastGolden {
  datasets: { name: string; parts: { frames: number }[] }[];
}

/** Contrast scores of the curriculum, which the reference computes in float16. */
export function verifyContrastScores(folder: string): CaseResult {
  const golden = readGolden<ContrastGolden>(folder, "contrast_scores");
  return runCase("contrast_scores", (compare) => {
    const contrasts = relativeContrasts(
      golden.json.datasets.map(({ name, parts }) =>
        parts.map(({ frames }, part) => {
          const stim = golden.tensor(`${name}.part${part}.stim`).data as Uint8Array;
          return frameContrasts({ type: `part ${part}`, frames, stim }, name);
        }),
      ),
    );
    for (const [i, { name }] of golden.json.datasets.entries()) {
      const scores = Float32Array.from(contrasts[i]!.flatMap((part) => [...part]));
      compare.close(name, scores, golden.tensor(`${name}.score`), { atol: 0, rtol: 2e-3 });
    }
  });
}

interface CollateCase {
  sample_dataset_idx: number[];
  groups: { dataset_idx: number; sample_positions: number[] }[];
}

const SAMPLES_PER_SESSION = 10;

/** Grouping of mixed batches, and pixel normalisation. */
export function verifyCollation(folder: string): CaseResult[] {
  const golden = readGolden<{ cases: CollateCase[] }>(folder, "collate");
  return [
    ...golden.json.cases.map(({ sample_dataset_idx: sessions, groups: expected }, i) =>
      runCase(`collate/${i}`, (compare) => {
        const offsets = sessionOffsets([0, 1, 2, 3].map(() => SAMPLES_PER_SESSION));
        const batch = sessions.map((session, position) => offsets[session]! + position);
        const groups = groupBySession(batch, offsets).map(({ session, positions }) => ({
          dataset_idx: session,
          sample_positions: [...positions],
        }));
        compare.same("groups", groups, expected);
      }),
    ),
    runCase("collate/normalisation", (compare) => {
      const levels = golden.tensor("stim_u8");
      compare.exact("normalised", decodeStimulus(levels, true), golden.tensor("stim_normalised_f32"));
      compare.exact("as they are", decodeStimulus(levels, false), golden.tensor("stim_not_normalised_f32"));
    }),
  ];
}
