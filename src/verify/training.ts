/**
 * @file Training against the golden data of the reference implementation.
 */
import { type CaseResult, skippedCase } from "./golden.ts";
import { verifyCollation, verifyContrastScores, verifySampleOrders } from "./training-batches.ts";
import { verifyCheckpoint } from "./training-checkpoint.ts";
import {
  verifyCallbacks,
  verifyNaming,
  verifyParameterGroups,
  verifyRegularizers,
  verifySchedules,
} from "./training-optimiser.ts";
import { verifyDistributedTrajectory } from "./training-processes.ts";
import { verifyScheduleFree } from "./training-schedule-free.ts";
import { verifyBiasInitialisation, verifyBitsPerSpike, verifyLosses, verifyValidation } from "./training-scores.ts";
import { verifyTrajectory } from "./training-trajectory.ts";

const TRAJECTORIES = ["min_adamw", "tiny_full", "tiny_accum", "tiny_prox", "tiny_bf16", "modulator_only_log"];

const SKIPPED: Readonly<Record<string, string>> = {
  checkpoint_frozencore: "compared where PyTorch files are read",
};

/**
 * Runs every golden case of the training subsystem.
 *
 * @param folder with the golden files
 * @throws UserError when a golden file is missing or damaged
 */
export function verifyTraining(folder: string): CaseResult[] {
  const checks = [
    verifyLosses,
    verifyBitsPerSpike,
    verifyValidation,
    verifyBiasInitialisation,
    verifyParameterGroups,
    verifySchedules,
    verifyRegularizers,
    verifyNaming,
    verifyCallbacks,
    verifySampleOrders,
    (golden: string) => [verifyContrastScores(golden)],
    verifyCollation,
  ];
  return [
    ...checks.flatMap((verify) => verify(folder)),
    ...TRAJECTORIES.map((name) => verifyTrajectory(folder, `trajectory_${name}`)),
    verifyCheckpoint(folder, "checkpoint_tiny"),
    ...["min", "tiny"].map((name) => verifyScheduleFree(folder, `trajectory_schedulefree_${name}`)),
    verifyDistributedTrajectory(folder),
    ...Object.entries(SKIPPED).map(([name, reason]) => skippedCase(name, reason)),
  ];
}
