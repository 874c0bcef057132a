/**
 * @file Which golden folders there are, and who checks each.
 */
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { verifyData } from "../verify/data.ts";
import { verifyEval } from "../verify/eval.ts";
import type { CaseResult } from "../verify/golden.ts";
import { verifyModels } from "../verify/models.ts";
import { verifyTraining } from "../verify/training.ts";

/** What checks the golden files of an area. */
const AREAS: Readonly<Record<string, (folder: string, device: string) => CaseResult[]>> = {
  models: (folder, device) => verifyModels(folder, { device }),
  data: (folder) => verifyData(folder),
  training: (folder) => verifyTraining(folder),
  eval: (folder) => verifyEval(folder),
};

/** Options of {@link verifyGolden}. */
export interface VerifyGoldenOptions {
  /** Where models compute; everything else is checked on the CPU. */
  readonly device?: string | undefined;
  /** Receives the name of each area before it is checked. */
  readonly tell?: ((line: string) => void) | undefined;
}

/** The cases of one folder. */
export interface AreaResults {
  readonly area: string;
  readonly results: readonly CaseResult[];
}

/**
 * Checks a golden folder: `models`, `data`, `training` or `eval`, or a folder that holds some of them.
 *
 * @throws UserError when `dir` is neither, or golden files are missing
 */
export function* verifyGolden(
  dir: string,
  { device = "cpu", tell = () => {} }: VerifyGoldenOptions = {},
): Generator<AreaResults> {
  if (!existsSync(dir) || !statSync(dir).isDirectory())
    throw new UserError(`Cannot verify "${dir}": there is no such folder`);
  const areas = Object.keys(AREAS);
  const inside = areas.filter((area) => existsSync(join(dir, area)));
  const name = basename(resolve(dir));
  const folders = inside.length > 0 ? inside.map((area) => [area, join(dir, area)] as const) : [[name, dir] as const];
  if (inside.length === 0 && !areas.includes(name)) {
    throw new UserError(`Cannot verify "${dir}": it holds none of the folders ${areas.join(", ")}`, {
      hint: "Name the folder of the golden data, or one of these folders in it.",
    });
  }
  for (const [area, folder] of folders) {
    tell(`${area} ...`);
    yield { area, results: AREAS[area]!(folder, device) };
  }
}
