/**
 * @file A small synthetic population and an untrained twin of it on disk, for tests of evaluation.
 */
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadDatasetConfigs } from "../config/dataset.ts";
import { loadModelConfig } from "../config/load.ts";
import { prepareSession } from "../data/prepare.ts";
import { synthesize } from "../data/synthetic/population.ts";
import { buildModel } from "../models/build.ts";
import { Generator, noGrad, scope } from "../torch/index.ts";
import { saveModelFile } from "../training/model-file.ts";
import { defaultSettings } from "../training/options.ts";
import { describeSession, inputShape } from "../training/session-fit.ts";

const MODEL = join(import.meta.dirname, "../../test/fixtures/cli/tiny-model.yaml");

/** What was made. */
export interface TinyEvaluation {
  /** Temporary folder, to be removed. */
  readonly folder: string;
  /** Folder of the sessions. */
  readonly data: string;
  /** The twin, in a run's folder. */
  readonly checkpoint: string;
  readonly sessions: readonly string[];
}

/** Makes `sessions` sessions of 6 units and a twin whose rates are those of softplus around 0. */
export async function tinyEvaluation({ sessions = 1 } = {}): Promise<TinyEvaluation> {
  const folder = mkdtempSync(join(tmpdir(), "evaluation-"));
  const data = join(folder, "data");
  const { dataset } = await synthesize({ out: data, preset: "tiny", seed: 5, sessions });
  const checkpoint = join(folder, "runs", "tiny", "epoch=00-val_bps_overall=0.1000.safetensors");
  saveTwin(checkpoint, dataset, 0);
  return { folder, data, checkpoint, sessions: loadDatasetConfigs(dataset).sessions.map(({ session }) => session) };
}

/** Saves an untrained twin of a dataset; `damage` makes the weights of the readout's first unit NaN. */
export function saveTwin(path: string, dataset: string, seed: number, { damage = false } = {}): void {
  const { config } = loadModelConfig(MODEL);
  const prepared = loadDatasetConfigs(dataset).sessions.map((session) => prepareSession(session));
  const input = inputShape(prepared[0]!);
  const twin = buildModel(
    config,
    prepared.map(({ session: name, nUnits }) => ({ name, nUnits })),
    { generator: new Generator(seed), ...(input && { input }) },
  );
  if (damage) {
    noGrad(() =>
      scope(() => {
        for (const { name, tensor } of twin.namedParameters()) {
          if (/^readouts\.\d+\.bias$/.test(name)) tensor.select(0, 0).fill_(Number.NaN);
        }
      }),
    );
  }
  mkdirSync(dirname(path), { recursive: true });
  saveModelFile(path, twin, {
    model_config: config,
    input,
    sessions: prepared.map(describeSession),
    epoch: 0,
    global_step: 1,
    metrics: { val_bps_overall: 0.1 },
    settings: defaultSettings("cpu"),
    imported: null,
  });
  twin.dispose();
}
