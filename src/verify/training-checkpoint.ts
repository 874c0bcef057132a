/**
 * @file A golden checkpoint, written by the reference's trainer and imported (training specification, section 5).
 */
import { join } from "node:path";
import { parseModelConfig } from "../config/model.ts";
import { importCheckpoint } from "../interop/import-checkpoint.ts";
import { type CaseResult, readGolden, runCase } from "./golden.ts";
import { PREFIX } from "./training-golden-run.ts";

interface CheckpointGolden {
  epoch: number;
  global_step: number;
  hyper_parameters: { model_config_dict: Record<string, unknown> };
  state_dict: { name: string; shape: number[] }[];
}

/** All weights under the reference's names, the model configuration, and how far the run was. */
export function verifyCheckpoint(folder: string, name: string): CaseResult {
  return runCase(name, (compare) => {
    const golden = readGolden<CheckpointGolden>(folder, name);
    const { epoch, global_step, hyper_parameters, state_dict } = golden.json;
    const { twin, info } = importCheckpoint(join(folder, `${name}.ckpt`));
    try {
      const weights = [...twin.stateDict()];
      const shapes = weights.map(([key, { shape }]) => ({ name: PREFIX + key, shape }));
      const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
      const listed = state_dict.map((entry) => ({ name: entry.name, shape: entry.shape }));
      compare.same("names and shapes", shapes.sort(byName), listed.sort(byName));
      for (const [key, tensor] of weights) compare.exact(key, tensor.toArray(), golden.tensor(PREFIX + key));
      compare.same("progress", [info.epoch, info.global_step], [epoch, global_step]);
      const config = parseModelConfig(hyper_parameters.model_config_dict);
      compare.same("model configuration", parseModelConfig(info.model_config), config);
    } finally {
      twin.dispose();
    }
  });
}
