/**
 * @file Loading a model configuration from its YAML file.
 */

import { readConfigFile } from "./file.ts";
import { type ModelConfig, parseModelConfig } from "./model.ts";
import type { ConfigSource } from "./source.ts";
import { parseYaml } from "./yaml.ts";

/** A model configuration with its origin. */
export interface LoadedModelConfig {
  /** Typed values with all defaults filled in. */
  config: ModelConfig;
  path: string;
  /** The file's text, unchanged, for checkpoints. */
  text: string;
  /** Where values were written, for `printConfig`. */
  source: ConfigSource;
}

/**
 * Loads a model configuration.
 *
 * @throws MissingFileError when there is no such file, with similar names from its folder; ConfigError with every
 * problem, each with line and column.
 */
export function loadModelConfig(path: string): LoadedModelConfig {
  return readModelConfig(readConfigFile(path, "model config"), path);
}

/**
 * The same from text that is already in memory, such as a checkpoint's copy of the file. `path` is used in messages.
 *
 * @throws ConfigError with every problem.
 */
export function readModelConfig(text: string, path: string): LoadedModelConfig {
  const source = parseYaml(text, path);
  return { config: parseModelConfig(source.value, source), path, text, source };
}
