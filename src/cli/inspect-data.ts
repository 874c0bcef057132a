/**
 * @file What a dataset configuration finds in its recordings, for `visioncore inspect data`: sizes, rates, what the filters
 * leave, what is missing, and what deserves a second look. One session is in memory at a time, and no stimulus is read.
 */
import { loadDatasetConfigs } from "../config/dataset.ts";
import type { SessionConfig } from "../config/session.ts";
import type { Doubt } from "../data/doubts.ts";
import { modelRate } from "../data/frame-rate.ts";
import { type PreparedSession, prepareSession } from "../data/prepare.ts";
import type { Verification } from "../data/recording-digests.ts";
import { type FolderSession, openSession } from "../data/session.ts";
import { StimulusStore } from "../data/stimulus-store.ts";
import type { UnitQuality } from "../data/unit-quality.ts";
import { UserError } from "../errors.ts";
import { formatBytes, formatDuration } from "./quantities.ts";
import { formatTable } from "./terminal.ts";

/** One recording of a session. */
export interface TypeReport {
  readonly type: string;
  /** Frames at the recorded rate, and at the model's. */
  readonly recordedFrames: number;
  readonly frames: number;
  readonly trials: { readonly train: number; readonly val: number; readonly all: number };
  readonly samples: { readonly train: number; readonly val: number };
  /** Share of frames (and units) that each filter passes by itself, and of frames that all pass for some unit. */
  readonly filters: readonly { readonly name: string; readonly share: number }[];
  readonly usable: number;
  /** Spikes of the selected units over all frames. */
  readonly spikes: number;
}

/** One session. */
export interface SessionReport {
  readonly session: string;
  readonly units: number;
  /** Frames per second at the model's rate; null when neither configuration nor recording says. */
  readonly rateHz: number | null;
  readonly stimulus: { readonly channels: number; readonly height: number; readonly width: number } | null;
  readonly types: readonly TypeReport[];
  /** Types of the configuration that the session lacks. */
  readonly droppedTypes: readonly string[];
  /** Mean rate of every unit over all frames, spikes per frame, in the order of `cids`. */
  readonly spikesPerFrame: readonly number[];
  /** Bytes that training keeps: of the stimulus, and of everything else. */
  readonly memory: { readonly stimulus: number; readonly rest: number };
  readonly warnings: readonly string[];
  readonly doubts: readonly Doubt[];
  /** Percent of spikes missed and of foreign spikes, by unit, NaN for unknown ones; null without the file. */
  readonly quality: {
    readonly missingPct: readonly number[] | null;
    readonly contaminationPct: readonly number[] | null;
  };
  /** What the bytes of every type were compared with; null when that was not asked for. */
  readonly verified: Readonly<Record<string, Verification>> | null;
}

/** A dataset: its sessions, and those that cannot be used. */
export interface DataReport {
  readonly sessions: readonly SessionReport[];
  readonly failures: readonly { readonly session: string; readonly problem: string }[];
  /** Spellings and keys of the files that are accepted but should not be relied on. */
  readonly warnings: readonly string[];
  /** Whether doubts count as failures. */
  readonly strict: boolean;
}

/** Options of {@link inspectData}. */
export interface InspectDataOptions {
  /** Folder with the sessions' folders; `data_dir` of the file when absent. */
  readonly dataDir?: string | undefined;
  readonly maxDatasets?: number | undefined;
  /** Whatever deserves a second look counts as a failure; the session is reported all the same. */
  readonly strict?: boolean | undefined;
  /** Read every recording as a whole and compare it with the digests its files state. */
  readonly verify?: boolean | undefined;
  /** Told before each session how many are done. */
  readonly onSession?: ((name: string, done: number, total: number) => void) | undefined;
}

/**
 * Prepares the sessions of a dataset file one after the other and reports what they hold.
 *
 * @throws ConfigError for anything wrong in the files; what is wrong with a session's data is part of the report
 */
export function inspectData(path: string, options: InspectDataOptions = {}): DataReport {
  const { dataDir, maxDatasets, verify, onSession } = options;
  const { sessions: configs, warnings } = loadDatasetConfigs(path, { maxDatasets });
  const strict = options.strict ?? configs.some(({ strict_data }) => strict_data);
  const sessions: SessionReport[] = [];
  const failures: { session: string; problem: string }[] = [];
  for (const [done, config] of configs.entries()) {
    onSession?.(config.session, done, configs.length);
    try {
      const verified = verify ? verifySession(config, dataDir ?? config.data_dir) : null;
      const store = StimulusStore.counting();
      const prepared = prepareSession(config, { dataDir, strict: false, store, keepKeys: ["trial_inds"] });
      const { quality, warnings: about } = qualityOf(prepared);
      sessions.push({ ...report(prepared, store), quality, verified, warnings: [...prepared.warnings, ...about] });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push({ session: config.session, problem: [error.message, error.hint].filter(Boolean).join("\n") });
    }
  }
  return { sessions, failures, warnings, strict };
}

/** Whether training would go through: no session fails and, when strict, none has doubts. */
export function isUsable({ sessions, failures, strict }: DataReport): boolean {
  return failures.length === 0 && !(strict && sessions.some(({ doubts }) => doubts.length > 0));
}

function verifySession(config: SessionConfig, dataDir: string | undefined): Record<string, Verification> {
  // Preparation says what is wrong when there is no folder.
  if (dataDir === undefined) return {};
  const session = openSession(dataDir, config);
  const found = config.types.map((type) => [type, session.verify(type)] as const);
  return Object.fromEntries(found.flatMap(([type, by]) => (by === null ? [] : [[type, by]])));
}

/** Training does without these files, so a damaged one is a warning. */
function qualityOf({ config, cids }: PreparedSession): Pick<SessionReport, "quality" | "warnings"> {
  const { problem, missingPct, contaminationPct } = readQuality(openSession(config.data_dir!, config), cids);
  return {
    quality: {
      missingPct: missingPct === undefined ? null : [...missingPct],
      contaminationPct: contaminationPct === undefined ? null : [...contaminationPct],
    },
    warnings: problem === undefined ? [] : [problem],
  };
}

function readQuality(session: FolderSession, cids: readonly number[]): Partial<UnitQuality> & { problem?: string } {
  try {
    return session.quality(cids);
  } catch (error) {
    if (error instanceof UserError) return { problem: error.message };
    throw error;
  }
}

function report(
  prepared: PreparedSession,
  store: StimulusStore,
): Omit<SessionReport, "verified" | "quality" | "warnings"> {
  const { session, config, train, val, cids, types, droppedTypes, doubts } = prepared;
  const totals = new Float64Array(cids.length);
  let frames = 0;
  let rest = 0;
  const reports = train.recordings.map((recording, i): TypeReport => {
    const { recordedFrames, filters, trials } = types[i]!;
    const { robs, units } = train.arrays(i);
    let spikes = 0;
    for (let at = 0; at < robs.length; at++) {
      // What the masks leave out may be no number.
      const count = robs[at]! || 0;
      totals[at % units]! += count;
      spikes += count;
    }
    frames += recording.length;
    for (const key of recording.keys()) if (key !== "stim") rest += recording.get(key).data.byteLength;
    const samples = { train: train.framesOf(i).length, val: val.framesOf(i).length };
    const usable = (samples.train + samples.val) / recording.length;
    return { type: recording.type, recordedFrames, frames: recording.length, trials, samples, filters, usable, spikes };
  });
  const [first] = train.recordings;
  const { channels, height, width } = train.arrays(0);
  const stimulus = train.lags.has("stim") ? { channels, height, width } : null;
  const floats = store.inMemory > 0 || stimulus === null ? 0 : 4 * frames * channels * height * width;
  return {
    session,
    units: cids.length,
    rateHz: modelRate(config, first!.metadata),
    stimulus,
    types: reports,
    droppedTypes,
    spikesPerFrame: Array.from(totals, (total) => total / frames),
    memory: { stimulus: store.inMemory + floats, rest },
    doubts,
  };
}

/** A report as text for a terminal. */
export function formatDataReport({ sessions, failures, warnings, strict }: DataReport): string {
  const blocks = sessions.map(formatSession);
  if (warnings.length > 0) blocks.push(warnings.map((warning) => `warning: ${warning}`).join("\n"));
  const doubts = formatDoubts(sessions, strict);
  if (doubts !== "") blocks.push(doubts);
  if (failures.length > 0) {
    const list = failures.map(({ session, problem }) => `${session}: ${problem.replaceAll("\n", "\n  ")}`);
    blocks.push(
      [`${failures.length} of ${sessions.length + failures.length} sessions cannot be used:`, ...list].join("\n"),
    );
  }
  blocks.push(totalLine(sessions));
  return blocks.join("\n\n");
}

/** Every kind of doubt once, with one example: most are the same in all sessions. */
function formatDoubts(sessions: readonly SessionReport[], strict: boolean): string {
  const all = sessions.flatMap(({ session, doubts }) => doubts.map((doubt) => ({ session, ...doubt })));
  const names = [...new Set(all.map(({ name }) => name))];
  if (names.length === 0) return "";
  const entries = names.map((name) => {
    const alike = all.filter((doubt) => doubt.name === name);
    const [{ session, message, remedy }] = alike as [(typeof all)[number]];
    const where = new Set(alike.map((doubt) => doubt.session)).size;
    const others = new Set(alike.map((doubt) => doubt.message)).size - 1;
    const more = others === 0 ? "" : ` (and ${others} more like it)`;
    return `${name}, ${where} of ${sessions.length} sessions: ${session}: ${message}${more}. ${remedy}`;
  });
  const head = strict
    ? "refused by the strict checks (accept: [name, ...] in the dataset file takes what you know of):"
    : "look at (--strict refuses these):";
  return [head, ...entries.map((entry) => `  ${entry}`)].join("\n");
}

const COLUMNS = ["type", "time", "frames", "trials", "train/val", "samples", "train/val", "usable", "spikes"];

function formatSession(report: SessionReport): string {
  const { session, units, rateHz, stimulus, types, droppedTypes, memory, warnings, doubts, verified } = report;
  const size = stimulus === null ? [] : [`${stimulus.height} x ${stimulus.width} pixels`];
  const rate = rateHz === null ? [] : [`${rateHz} Hz`];
  const head = [`${units} units`, ...size, ...rate, rateRange(report)].join(", ");
  const rows = types.map(({ type, frames, trials, samples, usable, spikes }) => [
    type,
    rateHz === null ? "" : formatDuration(frames / rateHz),
    String(frames),
    String(trials.all),
    `${trials.train}/${trials.val}`,
    String(samples.train + samples.val),
    `${samples.train}/${samples.val}`,
    percent(usable),
    String(Math.round(spikes)),
  ]);
  const filters = types.flatMap(({ type, filters }) =>
    filters.length === 0
      ? []
      : [`${type}: ${filters.map(({ name, share }) => `${name} passes ${percent(share)}`).join(", ")}`],
  );
  return [
    `${session}  ${head}`,
    formatTable(COLUMNS, rows),
    ...filters.map((line) => `filters of ${line}`),
    `memory for training: stimulus ${formatBytes(memory.stimulus)}, the rest ${formatBytes(memory.rest)}`,
    qualityLine(report.quality),
    ...(verified === null ? [] : [verifiedLine(verified)]),
    ...(droppedTypes.length > 0 ? [`missing: ${droppedTypes.join(", ")}`] : []),
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(doubts.length > 0 ? [`look at: ${[...new Set(doubts.map(({ name }) => name))].join(", ")}`] : []),
  ].join("\n");
}

function qualityLine({ missingPct, contaminationPct }: SessionReport["quality"]): string {
  const say = (what: string, file: string, values: readonly number[] | null) => {
    if (values === null) return `${what} unknown (no qc/${file})`;
    const known = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
    const middle = known.length === 0 ? "unknown" : `median ${known[known.length >> 1]!.toFixed(1)} %`;
    return `${what} ${middle}${known.length === values.length ? "" : ` of ${known.length} units`}`;
  };
  return [
    say("missing spikes", "amp_truncation/truncation.npz", missingPct),
    say("contamination", "refractory/refractory.npz", contaminationPct),
  ].join(", ");
}

function verifiedLine(verified: Readonly<Record<string, Verification>>): string {
  const say = { sha256: "has its SHA-256", crc32: "has its checksums", none: "states no digest" };
  return `bytes: ${Object.entries(verified)
    .map(([type, by]) => `${type} ${say[by]}`)
    .join(", ")}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function rateRange({ spikesPerFrame, rateHz }: SessionReport): string {
  const sorted = [...spikesPerFrame].sort((a, b) => a - b);
  const say = (perFrame: number) => (rateHz === null ? perFrame.toPrecision(2) : (perFrame * rateHz).toFixed(1));
  const unit = rateHz === null ? "spikes per frame" : "Hz";
  return `rates ${say(sorted[0]!)} to ${say(sorted.at(-1)!)} ${unit}, median ${say(sorted[sorted.length >> 1]!)}`;
}

function totalLine(sessions: readonly SessionReport[]): string {
  const sum = (value: (session: SessionReport) => number) =>
    sessions.reduce((total, session) => total + value(session), 0);
  const ofTypes = (value: (type: TypeReport) => number) =>
    sum(({ types }) => types.reduce((t, type) => t + value(type), 0));
  const hours = sum(({ rateHz, types }) =>
    rateHz === null ? 0 : types.reduce((t, { frames }) => t + frames, 0) / rateHz / 3600,
  );
  return [
    `in all: ${sessions.length} sessions`,
    `${sum(({ units }) => units)} units`,
    hours < 1 ? `${(60 * hours).toFixed(1)} minutes` : `${hours.toFixed(1)} hours`,
    `${ofTypes(({ samples }) => samples.train)} training and ${ofTypes(({ samples }) => samples.val)} validation samples`,
    `${Math.round(ofTypes(({ spikes }) => spikes))} spikes`,
    `stimuli ${formatBytes(sum(({ memory }) => memory.stimulus))}, the rest ${formatBytes(sum(({ memory }) => memory.rest))}`,
  ].join(", ");
}
