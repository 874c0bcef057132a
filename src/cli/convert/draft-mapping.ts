/**
 * @file A first draft of a mapping file, guessed from the names and shapes of a file's arrays. The user corrects it.
 */
import type { SourceEntry } from "./array-source.ts";

/** Names that arrays tend to have, by the key they become. */
const NAMES: readonly (readonly [key: string, pattern: RegExp])[] = [
  ["stim", /stim|movie|frames?$|images?$|video/i],
  ["robs", /robs|counts?|resp|binned/i],
  ["t_bins", /t_?bins|(frame|flip)_?times?|^times?$|timestamps?/i],
  ["trial_inds", /trial_?(inds?|ids?|num)|^trials?$/i],
  ["eyepos", /eye_?pos|gaze|^eye$/i],
  ["dpi_valid", /valid/i],
];

/**
 * Text of a mapping file for the arrays in `entries`. What could not be guessed is left for the user, marked with TODO.
 *
 * @param file path to write as the source, relative to where the mapping file will be
 */
export function draftMapping(file: string, entries: readonly SourceEntry[]): string {
  const frames = frameCount(entries);
  const taken = new Set<string>();
  const lines = NAMES.flatMap(([key, pattern]) => {
    const fits = (entry: SourceEntry) =>
      entry.isArray && !taken.has(entry.name) && entry.shape.includes(frames) && pattern.test(lastPart(entry.name));
    const entry = entries.find(fits);
    if (entry === undefined) return [];
    taken.add(entry.name);
    return [`  ${key}: {from: ${JSON.stringify(entry.name)}${axesOf(key, entry.shape, frames)}} # ${shapeText(entry)}`];
  });
  const has = (key: string) => lines.some((line) => line.startsWith(`  ${key}:`));
  const spikes = entries.find(({ name, isArray }) => !isArray && /spike|times/i.test(lastPart(name)));
  const others = entries.filter(({ name, isArray }) => isArray && !taken.has(name));
  return [
    "# yaml-language-server: $schema=schema/mapping.schema.json",
    "# A draft guessed from names and shapes: check every line, and fill in what says TODO.",
    "session: # TODO: subject and date, as in Mo_2024-05-01",
    "type: # TODO: name of the stimulus type, as in movie",
    has("t_bins") ? "# rate_hz is taken from t_bins" : "rate_hz: # TODO: frames per second",
    `file: ${JSON.stringify(file)}`,
    "keys:",
    ...(has("stim") ? [] : ["  stim: {from: } # TODO"]),
    ...lines,
    ...(has("robs") || spikes !== undefined ? [] : ["  robs: {from: } # TODO, or spikes below"]),
    ...(has("robs") || spikes === undefined
      ? []
      : [`spikes: {from: ${JSON.stringify(spikes.name)}} # ${shapeText(spikes)}`]),
    ...(has("trial_inds") ? [] : ["trial_length: # TODO: frames; or trial_starts, or keys.trial_inds"]),
    ...(others.length === 0 ? [] : ["# Not used:", ...others.map((entry) => `#   ${entry.name} ${shapeText(entry)}`)]),
    "",
  ].join("\n");
}

function lastPart(name: string): string {
  return name
    .split(/[./]/)
    .at(-1)!
    .replace(/[{(].*$/, "");
}

/** The length that most arrays share: that of the longest axis that occurs most often. */
function frameCount(entries: readonly SourceEntry[]): number {
  const votes = new Map<number, number>();
  for (const { shape, isArray } of entries) {
    if (!isArray) continue;
    for (const length of new Set(shape)) if (length > 1) votes.set(length, (votes.get(length) ?? 0) + 1);
  }
  const [best] = [...votes].sort(([a, voteA], [b, voteB]) => voteB - voteA || b - a);
  return best?.[0] ?? 0;
}

function axesOf(key: string, shape: readonly number[], frames: number): string {
  if (shape.filter((n) => n !== 1).length <= 1) return "";
  const letters = { stim: shape.length === 3 ? "hw" : "w", robs: "n" }[key] ?? "xyz".slice(0, shape.length - 1);
  const at = shape.indexOf(frames);
  return at === 0 ? "" : `, axes: ${letters.slice(0, at)}t${letters.slice(at)}`;
}

function shapeText({ type, shape }: SourceEntry): string {
  return `${type} [${shape.join(", ")}]`;
}
