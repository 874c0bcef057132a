/**
 * @file What differs between the configuration of a checkpoint and that of the run that continues from it (training
 * specification, section 22).
 */

import type { ModelConfig } from "../config/model.ts";
import type { SessionConfig } from "../config/session.ts";
import { UserError } from "../errors.ts";
import type { ModelFile } from "./model-file.ts";
import type { ChangedSetting } from "./options.ts";
import { changeHint } from "./process-count.ts";

/**
 * Keys of a session that are not compared: those about where its files lie, as are all with an underscore; and units and lags,
 * which are compared with the data and never accepted.
 */
const ELSEWHERE = ["session", "data_dir", "directory", "cids", "keys_lags"];

/**
 * Keys of the model's and the sessions' configurations that differ, such as `model.convnet.params.channels`. What is the same
 * for all sessions is named once, as `dataset....`.
 */
export function configChanges(
  { info }: ModelFile,
  model: ModelConfig,
  sessions: readonly SessionConfig[],
): ChangedSetting[] {
  const perSession = info.sessions.flatMap(({ name, config }, i) => {
    const given = sessions[i];
    if (config === null || given?.session !== name) return [];
    return differences(without(config), without(given)).map((change) => ({ session: name, change }));
  });
  const grouped = new Map<string, { change: ChangedSetting; names: string[] }>();
  for (const { session, change } of perSession) {
    const key = JSON.stringify(change);
    const same = grouped.get(key);
    if (same) same.names.push(session);
    else grouped.set(key, { change, names: [session] });
  }
  const ofSessions = [...grouped.values()].map(({ change, names }) => {
    const where = names.length === info.sessions.length ? "dataset" : names.join(", ");
    return { ...change, name: `${where}.${change.name}` };
  });
  return [...differences(plain(info.model_config), plain(model), "model."), ...ofSessions];
}

/**
 * Lets changes pass, or not.
 *
 * @returns one sentence for each that is accepted
 * @throws UserError that lists all of them unless they are allowed
 */
export function acceptChanges(
  path: string,
  changes: readonly ChangedSetting[],
  isAllowed: boolean | undefined,
): string[] {
  const lines = changes.map(describe);
  if (isAllowed) return lines.map((line) => `Accepted change: ${line}`);
  if (lines.length === 0) return [];
  throw new UserError([`Cannot resume from "${path}" with another configuration:`, ...lines].join("\n  "), {
    hint: changeHint(changes),
  });
}

function describe({ name, stored, given }: ChangedSetting): string {
  return `${name} is ${shown(given)}, the checkpoint had ${shown(stored)}`;
}

const LONGEST = 80;

function shown(value: unknown): string {
  if (value === undefined) return "absent";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

type Plain = Record<string, unknown>;

function plain(value: unknown): Plain {
  return JSON.parse(JSON.stringify(value)) as Plain;
}

function without(config: SessionConfig): Plain {
  return Object.fromEntries(
    Object.entries(plain(config)).filter(([key]) => !ELSEWHERE.includes(key) && !key.startsWith("_")),
  );
}

/** Mappings are compared key by key, as are lists of mappings of one length; everything else as a whole. */
function differences(stored: Plain, given: Plain, prefix = ""): ChangedSetting[] {
  // Another type has other keys.
  const isOtherType = typeof stored.type === "string" && stored.type !== given.type;
  const keys = isOtherType ? ["type"] : [...new Set([...Object.keys(stored), ...Object.keys(given)])];
  return keys.flatMap((key) => {
    const [before, now] = [stored[key], given[key]];
    if (JSON.stringify(before) === JSON.stringify(now)) return [];
    const name = `${prefix}${key}`;
    if (areBranches(before, now)) return differences(before as Plain, now as Plain, `${name}.`);
    return [{ name, stored: before, given: now }];
  });
}

function areBranches(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (!Array.isArray(a) || !Array.isArray(b)) return true;
  return a.length === b.length && a.every((entry) => typeof entry === "object" && entry !== null);
}
