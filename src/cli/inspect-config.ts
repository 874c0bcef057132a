/**
 * @file A configuration file with all its defaults, for `visioncore inspect config` and `train --print-config`.
 */
import { loadDatasetConfigs } from "../config/dataset.ts";
import { loadModelConfig } from "../config/load.ts";
import { originsOf, printConfig } from "../config/print.ts";
import { readYaml } from "../config/yaml.ts";
import { UserError } from "../errors.ts";

/** A checked configuration. */
export interface InspectedConfig {
  /** Resolved values: of the model, or of every session. */
  readonly values: unknown;
  /** The same as YAML, each value with its origin. */
  readonly text: string;
  /** Spellings that are accepted but should not be relied on. */
  readonly warnings: readonly string[];
}

/**
 * Loads a model or dataset file as training would.
 *
 * @throws ConfigError with every problem; UserError when it is a session file
 */
export function inspectConfig(path: string): InspectedConfig {
  const written = readYaml(path, "configuration").value;
  if ("session_dir" in written || "sessions" in written) return inspectDataset(path);
  if ("cids" in written) {
    throw new UserError(`Cannot inspect "${path}" by itself: it is the file of one session`, {
      hint: "Name the dataset file that lists the session; it has the other settings.",
    });
  }
  return inspectModel(path);
}

/** A model file. */
export function inspectModel(path: string): InspectedConfig {
  const { config, source } = loadModelConfig(path);
  return { values: config, text: printConfig(config, originsOf(source)).trimEnd(), warnings: [] };
}

/** A dataset file and the files of its sessions; `maxDatasets` keeps the first ones. */
export function inspectDataset(path: string, maxDatasets?: number): InspectedConfig {
  const { sessions, sources, warnings } = loadDatasetConfigs(path, { maxDatasets });
  const texts = sessions.map((session, i) => {
    return `# session ${session.session}\n${printConfig(session, originsOf(sources[i]!)).trimEnd()}`;
  });
  return { values: sessions, text: texts.join("\n---\n"), warnings };
}
