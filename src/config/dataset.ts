/**
 * @file Loading a dataset configuration: a parent file with what sessions share, and one file per session.
 *
 * Follows the data specification, sections 2.1 to 2.3.
 */

import { dirname, isAbsolute, join } from "node:path";
import { z } from "zod";
import { problem } from "./checks.ts";
import { ConfigError, type ConfigIssue } from "./config-error.ts";
import { isFolder, MissingFileError } from "./file.ts";
import { mergeConfig } from "./merge.ts";
import { parseSessionConfig, type SessionConfig, sessionShape } from "./session.ts";
import { type ConfigSource, layeredSource } from "./source.ts";
import { validate } from "./validate.ts";
import { readYaml, type YamlDocument } from "./yaml.ts";

const headShape = {
  session_dir: z.string().min(1).describe("Folder of the session files, relative to this file."),
  sessions: z
    .array(z.string().min(1))
    .min(1)
    .check(({ value, issues }) => {
      const again = value.findIndex((name, index) => value.indexOf(name) !== index);
      if (again !== -1) issues.push(problem(value, [again], `session "${value[again]}" is listed twice`));
    })
    .describe("Names of the session files without .yaml. Their order numbers the sessions."),
};
// The other keys of the parent are checked as part of every session.
const HeadSchema = z.object(headShape);

const { cids, session, ...sharedShape } = sessionShape;

/** A parent file by itself: every shared key may be left to the sessions. For editors. */
export const ParentFileSchema = z
  .strictObject({ ...headShape, ...z.object(sharedShape).partial().def.shape })
  .describe("Dataset configuration of VisionCore: what all sessions share.");

/** A session file by itself: every key but `cids` may be left to the parent. For editors. */
export const SessionFileSchema = z
  .strictObject({ cids, ...z.object({ session, ...sharedShape }).partial().def.shape })
  .describe("Session configuration of VisionCore: overrides the parent's keys.");

/** The parent file's own part. */
export interface ParentConfig {
  path: string;
  /** Folder of the session files, as written. */
  session_dir: string;
  /** File stems of the loaded sessions, in order. */
  sessions: string[];
  /** The file's text, for checkpoints. */
  text: string;
}

/** A dataset configuration with everything resolved. */
export interface DatasetConfigs {
  parent: ParentConfig;
  /** In the parent's order; the position is the session's number in a model. */
  sessions: SessionConfig[];
  /** Where each session's values were written, for `printConfig`. */
  sources: ConfigSource[];
  /** Spellings and keys that were accepted but should not be relied on, one sentence each, no two alike. */
  warnings: string[];
}

/** Options of {@link loadDatasetConfigs}. */
export interface LoadDatasetOptions {
  /** Load only the first sessions. */
  maxDatasets?: number | undefined;
}

/**
 * Loads a parent file and its sessions: merged, validated, all defaults filled in.
 *
 * `data_dir` comes back joined to the parent file's folder.
 *
 * @throws MissingFileError when the parent, its session folder or a session file does not exist; ConfigError for
 * anything wrong in the files, with the problems of all sessions together, and for two sessions of the same name.
 */
export function loadDatasetConfigs(parentPath: string, options: LoadDatasetOptions = {}): DatasetConfigs {
  const { parent, document, files } = readFiles(parentPath, options);
  const warnings = new Set<string>();
  const issues = new Map<string, ConfigIssue>();
  const sessions: SessionConfig[] = [];
  const sources = files.map((file) => layeredSource(file.document, document));

  for (const [index, { merged }] of files.entries()) {
    try {
      const config = parseSessionConfig(merged, sources[index], (message) => warnings.add(message));
      if (config.data_dir !== undefined && !isAbsolute(config.data_dir)) {
        config.data_dir = join(dirname(parentPath), config.data_dir);
      }
      sessions.push(config);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      // A mistake in the parent comes back with every session: report it once.
      for (const issue of error.issues) {
        issues.set([issue.file, issue.line, issue.column, issue.message].join(":"), issue);
      }
    }
  }
  if (issues.size > 0) throw new ConfigError([...issues.values()]);
  refuseSameNames(sessions, sources);
  return { parent, sessions, sources, warnings: [...warnings] };
}

/**
 * The merged configuration of every session as plain values, before validation: what the files say and nothing else but
 * `session` and `lab` where absent, `_weight`, `_config_path` and `_parent_config_path`.
 *
 * @throws As {@link loadDatasetConfigs}, but values of the shared keys are not looked at.
 */
export function loadRawDatasetConfigs(parentPath: string, options: LoadDatasetOptions = {}): Record<string, unknown>[] {
  return readFiles(parentPath, options).files.map(({ merged }) => merged);
}

interface SessionFile {
  document: YamlDocument;
  merged: Record<string, unknown>;
}

function readFiles(
  parentPath: string,
  { maxDatasets = Number.POSITIVE_INFINITY }: LoadDatasetOptions,
): { parent: ParentConfig; document: YamlDocument; files: SessionFile[] } {
  const document = readYaml(parentPath, "dataset config");
  const { session_dir, sessions } = validate(HeadSchema, document.value, document);
  const { session_dir: _, sessions: __, ...base } = document.value;

  const folder = isAbsolute(session_dir) ? session_dir : join(dirname(parentPath), session_dir);
  if (!isFolder(folder)) {
    const { line, column } = document.locate(["session_dir"], "value");
    throw new MissingFileError(folder, `Cannot find the session folder "${folder}"`, {
      hint: `It is named at ${parentPath}:${line}:${column}; relative folders start at that file.`,
    });
  }

  const names = sessions.slice(0, maxDatasets);
  const files = names.map((name, index) => {
    const path = join(folder, `${name}.yaml`);
    const { line, column } = document.locate(["sessions", index], "value");
    const own = readYaml(path, "session file", `${parentPath}:${line}:${column}`);
    if (!("cids" in own.value)) {
      const message = 'missing key "cids": expected a list of the units to keep';
      throw new ConfigError([{ ...own.locateGap([]), path: [], message, found: "nothing", expected: "a list" }]);
    }
    const merged = mergeConfig(base, own.value);
    if (!("session" in merged)) merged.session = name;
    if (!("lab" in merged)) merged.lab = "yates";
    return {
      document: own,
      merged: { ...merged, _weight: 1, _config_path: path, _parent_config_path: parentPath },
    };
  });
  return { parent: { path: parentPath, session_dir, sessions: names, text: document.text }, document, files };
}

function refuseSameNames(sessions: readonly SessionConfig[], sources: readonly ConfigSource[]): void {
  const seen = new Map<string, SessionConfig>();
  for (const [index, config] of sessions.entries()) {
    const other = seen.get(config.session);
    if (other !== undefined) {
      const message = `session "${config.session}" is also what ${other._config_path} calls itself`;
      const source = sources[index]!;
      const path = ["session"];
      const found = JSON.stringify(config.session);
      const expected = "a name of its own for every session";
      throw new ConfigError([{ file: source.file, ...source.locate(path, "value"), path, message, found, expected }]);
    }
    seen.set(config.session, config);
  }
}
