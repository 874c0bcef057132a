/**
 * @file The twin's parts and whole twins against the golden data of the reference implementation.
 */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type CaseResult, readGolden } from "./golden.ts";
import { verifyComponent, verifyModel } from "./model-cases.ts";
import { verifyFullSizeModel } from "./model-fullsize.ts";
import { verifyLosses, verifyTable } from "./model-tables.ts";

export interface VerifyModelsOptions {
  /** Where the twins run, "cpu" unless said otherwise. Other devices round differently and get ten times the tolerance. */
  device?: string;
}

/**
 * Runs every golden case of the models: components and reduced models (both formulations, values and gradients), tables,
 * losses, and full-size models under `fullsize/`.
 *
 * @param folder with the golden files
 * @returns results by case; those of components that are not available are skipped
 * @throws UserError when a golden file is damaged
 */
export function verifyModels(folder: string, { device = "cpu" }: VerifyModelsOptions = {}): CaseResult[] {
  return namesIn(folder)
    .flatMap((name) => {
      const { kind } = readGolden<{ kind: string }>(folder, name).json;
      switch (kind) {
        case "component":
          return verifyComponent(folder, name, device);
        case "model":
          return verifyModel(folder, name, device);
        case "loss":
          return verifyLosses(folder, name, device);
        default:
          return verifyTable(folder, name);
      }
    })
    .concat(
      namesIn(join(folder, "fullsize")).flatMap((name) => verifyFullSizeModel(join(folder, "fullsize"), name, device)),
    );
}

function namesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort();
}
