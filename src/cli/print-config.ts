/**
 * @file Everything a training run would use, with the origin of every value, for `visioncore train --print-config`.
 */
import { stringify } from "yaml";
import { UserError } from "../errors.ts";
import { resumableCheckpoint } from "../training/checkpoint-files.ts";
import { openModelFile } from "../training/model-file.ts";
import type { ModelInfo } from "../training/model-info.ts";
import { DEFAULT_MAX_DATASETS, resolveSettings, type TrainOptions } from "../training/options.ts";
import { inspectDataset, inspectModel } from "./inspect-config.ts";

/**
 * Settings, model and sessions as YAML. Nothing is read but configuration files and, when resuming, the checkpoint.
 *
 * @throws UserError for anything wrong in settings or configurations
 */
export function printRunConfig(options: TrainOptions, device: string): string {
  const { resume, modelConfig, datasetConfigsPath, maxDatasets = DEFAULT_MAX_DATASETS } = options;
  using checkpoint = resume === undefined ? undefined : openModelFile(resumableCheckpoint(resume));
  const parts = [printSettings(options, device, checkpoint?.info)];
  if (typeof modelConfig === "string") parts.push(`# model\n${inspectModel(modelConfig).text}`);
  else
    parts.push(`# model, from the checkpoint\n${stringify(stored(checkpoint?.info, "--model-config").model_config)}`);
  if (datasetConfigsPath !== undefined) parts.push(inspectDataset(datasetConfigsPath, maxDatasets).text);
  else {
    for (const { name, config } of stored(checkpoint?.info, "--dataset-configs").sessions) {
      parts.push(`# session ${name}, from the checkpoint\n${stringify(config)}`);
    }
  }
  return parts.map((part) => part.trimEnd()).join("\n---\n");
}

function printSettings(options: TrainOptions, device: string, info: ModelInfo | undefined): string {
  const { settings } = resolveSettings(options, device, info?.settings ?? undefined);
  const rest = info === undefined ? "default" : "checkpoint";
  const lines = Object.entries(settings).map(([key, value]) => {
    const isGiven = options[key as keyof TrainOptions] !== undefined;
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return `${name}: ${value} # ${isGiven ? `--${name.replaceAll("_", "-")}` : rest}`;
  });
  return ["# settings", `device: ${device}`, ...lines].join("\n");
}

function stored(info: ModelInfo | undefined, flag: string): ModelInfo {
  if (info !== undefined) return info;
  throw new UserError(`Cannot show the configuration of a run: ${flag} is missing`);
}
