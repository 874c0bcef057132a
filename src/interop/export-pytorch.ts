/**
 * @file Exporting a twin's weights: for PyTorch as a state_dict or as a checkpoint in the layout of the reference's training
 * (model specification, section 18; training specification, section 5), or as bare safetensors.
 */
import { createSafetensorsWriter } from "../formats/safetensors.ts";
import { StateDict, type TorchValue, writeTorchFile } from "../formats/torchfile-writer.ts";
import { type ModelFile, verifyParameters } from "../training/model-file.ts";
import type { ModelInfo } from "../training/model-info.ts";
import { beyondReference, referenceConfig } from "./export-config.ts";
import { type ExportDType, type ExportedTensors, exportedTensors } from "./export-tensors.ts";

/** Options of the exports. */
export interface ExportOptions {
  /** In front of every name; absent: none, `model.` in a Lightning checkpoint. */
  prefix?: string | undefined;
  /** Element type of floating tensors; float32 when absent. */
  dtype?: ExportDType | undefined;
}

/** What was written. */
export interface Exported {
  /** Names in the file. */
  names: readonly string[];
  /** What the user should know, one sentence each. */
  warnings: readonly string[];
}

/**
 * Writes a state_dict that `torch.load(path, weights_only=True)` opens.
 *
 * @param lightning write the dictionary of a Lightning checkpoint instead, with the model configuration among its
 *   hyper-parameters, as the reference's loader takes it
 * @throws UserError when the model file is damaged, the disk is full, permission is missing and the like
 */
export function exportPytorch(
  file: ModelFile,
  path: string,
  { prefix, dtype = "float32", lightning = false }: ExportOptions & { lightning?: boolean | undefined } = {},
): Exported {
  verifyParameters(file);
  const exported = exportedTensors(file, prefix ?? (lightning ? "model." : ""), dtype);
  const state = new StateDict(exported.tensors);
  writeTorchFile(path, lightning ? lightningCheckpoint(file.info, state) : state);
  return report(file, exported, dtype);
}

/**
 * Writes bare weights as safetensors.
 *
 * @throws UserError like {@link exportPytorch}
 */
export function exportSafetensors(
  file: ModelFile,
  path: string,
  { prefix = "", dtype = "float32" }: ExportOptions = {},
): Exported {
  verifyParameters(file);
  const exported = exportedTensors(file, prefix, dtype);
  // Programs of PyTorch's world look for this entry.
  using writer = createSafetensorsWriter(path, exported.tensors, { format: "pt" });
  for (const name of writer.order) {
    const array = exported.tensors.get(name)!.read();
    if (array.data.length > 0) writer.append(name, array);
  }
  writer.finish();
  return report(file, exported, dtype);
}

function report({ info }: ModelFile, { tensors, overflowing }: ExportedTensors, dtype: ExportDType): Exported {
  const tooLarge = [...overflowing].map((name) => `${name} has values that ${dtype} cannot hold; they became infinite`);
  const unknown = beyondReference(info.model_config, info.sessions).map(
    (text) => `PyTorch code of the reference will not give the same rates: ${text}`,
  );
  return { names: [...tensors.keys()], warnings: [...unknown, ...tooLarge] };
}

/** Version of Lightning's layout that is written; loaders migrate from it. */
const LIGHTNING_VERSION = "2.6.6";

function lightningCheckpoint(info: ModelInfo, state: StateDict): TorchValue {
  return new Map<string, TorchValue>([
    ["epoch", info.epoch ?? 0],
    ["global_step", info.global_step ?? 0],
    ["pytorch-lightning_version", LIGHTNING_VERSION],
    ["state_dict", state],
    ["callbacks", new Map()],
    ["optimizer_states", []],
    ["lr_schedulers", []],
    ["hparams_name", "kwargs"],
    ["hyper_parameters", torchValue(hyperParameters(info))],
  ]);
}

/** Those of the file it was imported from, else the ones the reference's training module is made with. */
function hyperParameters({ model_config, sessions, settings, imported }: ModelInfo): Record<string, unknown> {
  const model_config_dict = referenceConfig(model_config);
  const stored = imported?.hyper_parameters;
  if (typeof stored === "object" && stored !== null) return { model_config_dict, ...stored };
  return {
    model_cfg: "model.yaml",
    cfg_dir: sessions[0]?.config?._parent_config_path || "datasets.yaml",
    lr: settings?.learningRate ?? null,
    wd: settings?.weightDecay ?? null,
    max_ds: sessions.length,
    pretrained_checkpoint: null,
    freeze_vision: false,
    compile_model: false,
    model_config_dict,
    core_lr_scale: settings?.coreLrScale ?? null,
    lr_scheduler: settings?.lrScheduler ?? null,
    warmup_epochs: settings?.warmupEpochs ?? null,
    restart_period: settings?.restartPeriod ?? null,
  };
}

function torchValue(value: unknown): TorchValue {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map(torchValue);
  if (typeof value !== "object") return value as TorchValue;
  return new Map(Object.entries(value).map(([key, item]) => [key, torchValue(item)]));
}
