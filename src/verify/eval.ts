/**
 * @file Evaluation against the golden data of the reference implementation.
 */
import { verifyEvalBps } from "./eval-bps.ts";
import { verifyCcnorm } from "./eval-ccnorm.ts";
import { verifyEvalCovariance } from "./eval-covariance.ts";
import { verifyEvalGratings } from "./eval-gratings.ts";
import { verifyEvalMaps } from "./eval-maps.ts";
import { verifyEvalMei } from "./eval-mei.ts";
import { verifyQuality } from "./eval-qc.ts";
import { verifyResults } from "./eval-results.ts";
import { verifySaccades } from "./eval-saccades.ts";
import { verifyEvalStatistics } from "./eval-statistics.ts";
import { verifyTrials } from "./eval-trials.ts";
import type { CaseResult } from "./golden.ts";

/**
 * Runs every golden case of evaluation: `out.` tensors in compatibility mode where the reference is known to be wrong,
 * `fix.` tensors by default.
 *
 * @param folder with the golden files
 * @throws UserError when a golden file is missing or damaged
 */
export function verifyEval(folder: string): CaseResult[] {
  return [
    verifyEvalBps,
    verifyResults,
    verifyCcnorm,
    verifyTrials,
    verifySaccades,
    verifyQuality,
    verifyEvalMaps,
    verifyEvalGratings,
    verifyEvalMei,
    verifyEvalCovariance,
    verifyEvalStatistics,
  ].flatMap((verify) => verify(folder));
}
