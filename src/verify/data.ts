/**
 * @file Data preparation against the golden data of the reference implementation.
 */
import { verifyDatafilters, verifyDownsampling, verifyRecordings } from "./data-filters.ts";
import { verifyPreparation } from "./data-prepare.ts";
import { verifySamplers, verifySplits } from "./data-samplers.ts";
import { verifyDataModule, verifyServing, verifyTimeEmbedding, verifyTimes } from "./data-samples.ts";
import { verifyTransforms } from "./data-transforms.ts";
import type { CaseResult } from "./golden.ts";

/**
 * Runs every golden case of the data subsystem.
 *
 * @param folder with `raw/` and the golden files
 * @throws UserError when a golden file is missing or damaged
 */
export function verifyData(folder: string): CaseResult[] {
  return [
    verifyRecordings,
    verifyDownsampling,
    verifyDatafilters,
    verifyTransforms,
    verifySplits,
    verifyPreparation,
    verifyServing,
    verifyTimes,
    verifyDataModule,
    verifySamplers,
    verifyTimeEmbedding,
  ].flatMap((verify) => verify(folder));
}
