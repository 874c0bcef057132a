/**
 * @file The golden training run of two processes (training specification, sections 9, 19 and 29): gradients averaged, scores
 * of both processes added up the reference's way.
 */
import { gradsOf, noGrad, scope, zeros } from "../torch/index.ts";
import { type CaseResult, type GoldenFile, readGolden, runCase } from "./golden.ts";
import { GoldenRun, type Pause, type Trajectory } from "./training-trajectory.ts";

type PerRank = Pick<Trajectory, "per_batch" | "per_optimizer_step">;

/** A run of several processes: what differs between them is listed by rank. */
interface DistributedTrajectory extends Omit<Trajectory, keyof PerRank | "batches" | "val_batches" | "validation"> {
  world_size: number;
  batches: Trajectory["batches"][];
  val_batches: NonNullable<Trajectory["val_batches"]>[];
  per_rank: PerRank[];
  validation_rank0: Trajectory["validation"];
}

const NAME = "trajectory_ddp";

/** The part of one process, as a run of its own. */
export function readGoldenRank(folder: string, rank: number): GoldenFile<Trajectory> & { world: number } {
  const golden = readGolden<DistributedTrajectory>(folder, NAME);
  const { batches, val_batches, per_rank, validation_rank0, trainer, ...common } = golden.json;
  const own = (name: string) => (/^(val)?batch\d/.test(name) ? `rank${rank}.${name}` : name);
  return {
    ...golden,
    world: common.world_size,
    json: {
      ...common,
      ...per_rank[rank]!,
      trainer: { ...trainer, precision: "32" },
      batches: batches[rank]!,
      val_batches: val_batches[rank]!,
      validation: rank === 0 ? validation_rank0 : [],
    },
    has: (name) => golden.has(own(name)),
    tensor: (name) => golden.tensor(own(name)),
  };
}

/**
 * Repeats the run with both processes' models in this one, which take turns. That real processes do the same to each other's
 * gradients is for the tests to show.
 */
export function verifyDistributedTrajectory(folder: string): CaseResult {
  return runCase(NAME, (compare) => {
    const first = readGoldenRank(folder, 0);
    const goldens = [first, ...Array.from({ length: first.world - 1 }, (_, i) => readGoldenRank(folder, i + 1))];
    const runs = goldens.map((golden) => new GoldenRun(golden));
    try {
      const processes = runs.map((run) => run.train(compare));
      for (;;) {
        const pauses = processes.map((process) => process.next().value as Pause | undefined);
        if (pauses[0] === undefined) break;
        const validated = pauses.flatMap((pause) => pause?.validated ?? []);
        if (validated.length === 0) averageGradients(runs);
        else
          runs[0]!.compareValidation(
            compare,
            validated[0]!.epoch,
            validated.map(({ result }) => result),
          );
      }
      for (const run of runs) run.compareFinal(compare);
    } finally {
      for (const run of runs) run[Symbol.dispose]();
    }
  });
}

/** Gives every run the mean gradient; one that only some have is zero in the others, one that none has stays absent. */
function averageGradients(runs: readonly GoldenRun[]): void {
  noGrad(() =>
    scope(() => {
      const gradients = runs.map(({ parameters }) => gradsOf(parameters));
      for (const i of gradients[0]!.keys()) {
        const present = gradients.flatMap((own) => own[i] ?? []);
        if (present.length === 0) continue;
        const mean = present.reduce((sum, gradient) => sum.add(gradient), zeros(present[0]!.shape)).div(runs.length);
        for (const { parameters } of runs) parameters[i]!.setGrad(mean.clone());
      }
    }),
  );
}
