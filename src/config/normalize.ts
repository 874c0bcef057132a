/**
 * @file The spellings a model configuration may use beside the canonical ones. This is the one place that knows them.
 *
 * Runs before validation, so that schemas (and the JSON Schemas made from them) only see canonical forms:
 *
 * | written | read as |
 * | --- | --- |
 * | names of norms and activations in any case | lower case |
 * | `identity`, `swish` | `none`, `silu` |
 * | a norm or activation of `null` | `none` |
 * | `pool_params: none` | no pooling |
 * | convnet types `conv` and `cnn` | `vanilla` |
 * | readout type `factorised` | `factorized` |
 * | `params`, `norm_params`, … with nothing behind them | `{}` |
 * | `regularization` with nothing behind it | an empty list |
 * | `n_vars` of a modulator | `behavior_dim` |
 * | no `history_encoder` in a `v1multi_history` model | one with all defaults |
 */

import { isMapping } from "./mapping.ts";

/** Keys that hold the name of a norm or an activation. */
const NAME_KEYS: ReadonlySet<string> = new Set([
  "norm_type",
  "act_type",
  "activation",
  "final_activation",
  "resnet_post_add_activation",
  "output_activation",
]);
const NAME_ALIASES: Readonly<Record<string, string>> = { identity: "none", swish: "silu" };
const CONVNET_ALIASES: Readonly<Record<string, string>> = { conv: "vanilla", cnn: "vanilla" };
const READOUT_ALIASES: Readonly<Record<string, string>> = { factorised: "factorized" };

/** Keys whose mapping may be left empty. */
const MAPPING_KEYS: ReadonlySet<string> = new Set([
  "params",
  "norm_params",
  "act_params",
  "aa_window_kwargs",
  "encoder_params",
]);

/** Canonical key → the older spelling that is read as the same key. */
export const OLD_SPELLINGS: Readonly<Record<string, string>> = { behavior_dim: "n_vars", threshold: "theshold" };

/** A copy of `value` in canonical spelling. Anything unexpected passes unchanged and is left to validation. */
export function normalizeModelConfig(value: unknown): unknown {
  const config = normalizeKeys(value);
  if (!isMapping(config)) return config;
  const { convnet, modulator, readout } = config;
  renameType(convnet, CONVNET_ALIASES);
  renameType(readout, READOUT_ALIASES);
  if (isMapping(modulator) && isMapping(modulator.params) && !("behavior_dim" in modulator.params)) {
    const { n_vars, ...params } = modulator.params;
    if (n_vars !== undefined) modulator.params = { behavior_dim: n_vars, ...params };
  }
  if (config.model_type === "v1multi_history") config.history_encoder ??= {};
  if (config.regularization === null) config.regularization = [];
  return config;
}

/** The same for the sections that a session's own file may hold, `adapter` and `readout`. */
export function normalizeSection(section: unknown): unknown {
  const normalized = normalizeKeys(section);
  renameType(normalized, READOUT_ALIASES);
  return normalized;
}

function renameType(section: unknown, aliases: Readonly<Record<string, string>>): void {
  if (isMapping(section) && typeof section.type === "string") section.type = aliases[section.type] ?? section.type;
}

function normalizeKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalizeKeys);
  if (!isMapping(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, normalizeEntry(key, normalizeKeys(inner))]),
  );
}

function normalizeEntry(key: string, value: unknown): unknown {
  if (NAME_KEYS.has(key)) {
    if (value === null) return "none";
    if (typeof value !== "string") return value;
    const name = value.toLowerCase();
    return NAME_ALIASES[name] ?? name;
  }
  if (MAPPING_KEYS.has(key) && value === null) return {};
  if (key === "pool_params" && value === "none") return null;
  return value;
}
