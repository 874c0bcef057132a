/**
 * @file All analyses, by name, in the order in which they are run.
 */
import type { Analysis } from "../analysis.ts";
import { bpsAnalysis } from "./bps.ts";
import { ccnormAnalysis } from "./ccnorm.ts";
import { ceilingsAnalysis } from "./ceilings.ts";
import { correlationAnalysis } from "./correlation.ts";
import { covarianceAnalysis } from "./covariance.ts";
import { gratingsAnalysis } from "./gratings.ts";
import { meiAnalysis } from "./mei.ts";
import { publicationAnalysis } from "./publication.ts";
import { qcAnalysis } from "./qc.ts";
import { saccadeAnalysisEntry } from "./saccade.ts";
import { staAnalysis } from "./sta.ts";

/** Every analysis. */
export const ANALYSES = {
  bps: bpsAnalysis,
  correlation: correlationAnalysis,
  ccnorm: ccnormAnalysis,
  ceilings: ceilingsAnalysis,
  publication: publicationAnalysis,
  saccade: saccadeAnalysisEntry,
  qc: qcAnalysis,
  sta: staAnalysis,
  gratings: gratingsAnalysis,
  covariance: covarianceAnalysis,
  mei: meiAnalysis,
} as const satisfies Record<string, Analysis>;

/** Name of an analysis. */
export type AnalysisName = keyof typeof ANALYSES;
