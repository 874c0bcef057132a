/**
 * @file Preparing one recording of a session; see prepare.ts for the order of events.
 */
import { type DatafilterOp, datafilterOps, transformOps } from "../config/ops.ts";
import type { SessionConfig } from "../config/session.ts";
import { UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";
import { toFloat32 } from "./column.ts";
import { type DatafilterInputs, datafilterMask, fallbackFilter, type Mask } from "./datafilters.ts";
import { binDoubts, type Doubt, qualityDoubts, timeDoubts } from "./doubts.ts";
import { binStarts, downsampleColumn } from "./downsample.ts";
import { selectLast } from "./elementwise.ts";
import { inContext } from "./error-context.ts";
import { refuseBackwardTimes, refuseNegativeCounts } from "./prepare-checks.ts";
import { Recording } from "./recording.ts";
import type { Session } from "./session.ts";
import { requireTrialNumbers } from "./split.ts";
import { StimulusStore } from "./stimulus-store.ts";
import { concatenateLast, runPipeline, type TransformContext } from "./transforms.ts";
import { unitColumns, unitNames } from "./units.ts";

/** A stimulus that stays uint8: what its transform asks for beside the shape is done when it is served. */
export interface StoredStimulus {
  /** Name of the transform, undefined when the stimulus has none. */
  transform: string | undefined;
  pixelnorm: boolean;
}

/** What preparing a recording needs to know, the same for all recordings of a session. */
export interface PreparationPlan {
  readonly config: SessionConfig;
  /** Down-sampling factor, 1 for none. */
  readonly factor: number;
  /** Masks by exposed name. */
  readonly filters: readonly (readonly [exposeAs: string, ops: readonly DatafilterOp[]])[];
  /** Whether the configuration has no datafilters. */
  readonly usesFallbackMask: boolean;
  /** Lags up to this stay within a trial in every frame that passes `dfs`. */
  readonly guaranteedLags: number;
  /** Undefined when the stimulus is stored as float32. */
  readonly storedStimulus: StoredStimulus | undefined;
  readonly keepKeys: ReadonlySet<string>;
  readonly store: StimulusStore;
}

/** Plans the preparation of a session's recordings, without reading data. */
export function planPreparation(
  config: SessionConfig,
  recordings: readonly Recording[],
  factor: number,
  options: {
    keepKeys?: readonly string[] | undefined;
    store?: StimulusStore | undefined;
  },
): PreparationPlan {
  const configured = Object.values(config.datafilters).map((entry) => [entry.expose_as, datafilterOps(entry)] as const);
  const usesFallbackMask = configured.length === 0;
  const filters = usesFallbackMask ? [["dfs", fallbackFilter(config.n_lags)] as const] : configured;
  const history = filters
    .filter(([exposeAs]) => exposeAs === "dfs")
    .flatMap(([, ops]) => ops)
    .map((op) => (op.name === "valid_nlags" ? op.params.n_lags : 0));
  return {
    config,
    factor,
    filters,
    usesFallbackMask,
    guaranteedLags: Math.max(0, ...history),
    storedStimulus: recordings.every(hasByteStimulus) ? storedStimulus(config) : undefined,
    keepKeys: new Set(["robs", "dfs", ...Object.keys(config.keys_lags), ...(options.keepKeys ?? [])]),
    store: options.store ?? new StimulusStore(),
  };
}

function hasByteStimulus(recording: Recording): boolean {
  return recording.has("stim") && recording.column("stim").dtype === "uint8";
}

/** A uint8 stimulus can stay one if at most a single transform touches it, with nothing but pixelnorm and unsqueeze. */
function storedStimulus({ transforms }: SessionConfig): StoredStimulus | undefined {
  const touching = Object.entries(transforms).filter(
    ([, { source, expose_as }]) => source === "stim" || expose_as === "stim",
  );
  const [entry, ...others] = touching;
  if (entry === undefined) return { transform: undefined, pixelnorm: false };
  const [name, transform] = entry;
  const ops = transformOps(transform).map((op) => op.name);
  const norms = ops.filter((op) => op === "pixelnorm").length;
  const isPlain = ops.every((op) => op === "pixelnorm" || op === "unsqueeze") && norms <= 1;
  const isOnItself = transform.source === "stim" && transform.expose_as === "stim";
  return others.length === 0 && isPlain && isOnItself ? { transform: name, pixelnorm: norms === 1 } : undefined;
}

/** A recording at the model's rate, and what preparation found out about it. */
export interface PreparedRecording {
  readonly prepared: Recording;
  /** Number of the trial of every frame, [frames]. */
  readonly trialInds: Float64Array;
  /** Frames at the recorded rate. */
  readonly recordedFrames: number;
  /** What share of frames (and selected units) each filter of `dfs` passes by itself, in order. */
  readonly filters: readonly { readonly name: string; readonly share: number }[];
  readonly doubts: readonly Doubt[];
}

/**
 * Prepares a recording: a new one at the model's rate with the selected units, holding served and kept keys only.
 *
 * @throws UserError when a key or unit is missing, times go backwards within a trial, counts are negative, or a filter or
 *   transform cannot be applied
 */
export function prepareRecording(source: Recording, session: Session, plan: PreparationPlan): PreparedRecording {
  const { config } = plan;
  const columns = unitColumns(source, config.cids);
  requireKeys(source, plan);
  const starts =
    plan.factor === 1
      ? undefined
      : binStarts(source.length, plan.factor, config.trial_aware ? source.numbers("trial_inds") : undefined);
  const working = atModelRate(source, session, plan, starts);
  if (working.length === 0) throw new UserError("it has no frames at the model's rate");
  const trialInds = working.numbers("trial_inds");
  requireTrialNumbers(trialInds);
  refuseBackwardTimes(source);
  if (!Object.values(config.transforms).some((transform) => transform.expose_as === "robs")) {
    refuseNegativeCounts(working);
  }
  const units = working.column("robs").shape[1]!;

  const inputs = filterInputs(working, session, units);
  const passed: { name: string; share: number }[] = [];
  const doubts = [...binDoubts(source, { starts, factor: plan.factor }, config), ...timeDoubts(source, config)];
  for (const [exposeAs, ops] of plan.filters) {
    const mask = datafilterMask(ops, inputs, (op, own) => {
      if (exposeAs !== "dfs") return;
      passed.push({ name: op.name, share: shareOf(own, columns) });
      if (op.name !== "missing_pct") return;
      const known = working.has("missing_pct") || session.missingPct !== undefined;
      const multiUnits = config.cids.filter((_, i) => own.multiUnits?.includes(columns[i]!));
      doubts.push(...qualityDoubts(source, { known, multiUnits }, columns.length));
    });
    working.set(exposeAs, mask);
  }
  runTransforms(working, plan, {
    unitColumns: columns,
    trialStarts: config.transform_per_trial ? trialStarts(trialInds) : undefined,
  });
  const results = new Map<string, NdArray>();
  for (const key of working.pick(plan.keepKeys).keys()) {
    results.set(key, finalForm(key, selectUnits(key, working.get(key), columns, units)));
    // The column it was made from is not needed any more.
    working.set(key, results.get(key)!);
  }
  // The stimulus comes last, when everything that was needed on the way is gone.
  if (keepsStimulus(plan)) results.set("stim", finalForm("stim", storedStimulusOf(source, plan, starts)));
  const order = new Set([...source.keys(), ...results.keys()]);
  const prepared = [...order].flatMap((key) => (results.has(key) ? [[key, results.get(key)!] as const] : []));
  return {
    prepared: new Recording(source.type, prepared, preparedMetadata(source, config), session.name),
    trialInds,
    recordedFrames: source.length,
    filters: passed,
    doubts,
  };
}

/** Metadata of a prepared recording. */
export function preparedMetadata({ type, metadata }: Recording, { cids }: SessionConfig): Record<string, unknown> {
  return { ...metadata, name: type, cids: [...cids] };
}

function shareOf({ columns: width, passes }: Mask, selected: Int32Array): number {
  const columns = width === 1 ? [0] : selected;
  let passed = 0;
  for (let row = 0; row < passes.length; row += width) {
    for (const column of columns) passed += passes[row + column]!;
  }
  return passed / Math.max(1, (passes.length / width) * columns.length);
}

/** Finds missing keys before any data is read, while the whole recording can still suggest the right ones. */
function requireKeys(source: Recording, { config, filters }: PreparationPlan): void {
  if (!source.has("trial_inds")) {
    throw new UserError(`Recording "${source.name}" has no "trial_inds": it has ${source.keys().join(", ")}`, {
      hint: "Training and validation are divided by trials: add the number of the trial of every frame.",
    });
  }
  if (filterNames(filters).has("valid_nlags")) source.column("dpi_valid");
  const made = new Set(filters.map(([exposeAs]) => exposeAs));
  const find = (key: string): unknown => made.has(key) || source.column(key);
  for (const [name, transform] of Object.entries(config.transforms)) {
    inContext(`transform ${name}`, () => find(transform.source));
    made.add(transform.expose_as);
  }
  inContext("keys_lags", () => Object.keys(config.keys_lags).forEach(find));
}

function filterNames(filters: PreparationPlan["filters"]): Set<string> {
  return new Set(filters.flatMap(([, ops]) => ops.map((op) => op.name)));
}

/** Whether the stimulus is kept as the bytes it is, and served: it is then left out of all that comes before. */
function keepsStimulus({ storedStimulus, keepKeys }: PreparationPlan): boolean {
  return storedStimulus !== undefined && keepKeys.has("stim");
}

/** The stimulus at the model's rate as uint8, with what its transform does to its shape. */
function storedStimulusOf(source: Recording, plan: PreparationPlan, starts: Int32Array | undefined): NdArray {
  const stim = plan.store.hold(source.column("stim"), starts, plan.factor);
  const name = plan.storedStimulus!.transform;
  if (name === undefined) return stim;
  const ops = transformOps(plan.config.transforms[name]!).filter((op) => op.name !== "pixelnorm");
  return inContext(`transform ${name}`, () =>
    runPipeline(stim, ops, { unitColumns: new Int32Array(0), trialStarts: undefined }),
  );
}

/** The needed columns in memory, down-sampled, but for a stimulus that is kept as it is; the source is left alone. */
function atModelRate(
  source: Recording,
  session: Session,
  plan: PreparationPlan,
  starts: Int32Array | undefined,
): Recording {
  const { config, factor } = plan;
  const names = filterNames(plan.filters);
  const needed = new Set([
    ...plan.keepKeys,
    ...Object.values(config.transforms).map((transform) => transform.source),
    "trial_inds",
    ...(names.has("valid_nlags") ? ["dpi_valid"] : []),
    ...(names.has("missing_pct") ? ["missing_pct", "t_bins"] : []),
  ]);
  if (keepsStimulus(plan)) needed.delete("stim");
  const columns = source.pick(needed);
  if (starts === undefined) return columns;
  const options = { strictValidity: config.strict_validity };
  return new Recording(
    source.type,
    columns.keys().map((key) => [key, downsampleColumn(key, source.column(key), starts, factor, options)]),
    source.metadata,
    session.name,
  );
}

function filterInputs(recording: Recording, session: Session, units: number): DatafilterInputs {
  const names = unitNames(recording, units);
  return {
    frames: recording.length,
    units,
    trialInds: () => recording.numbers("trial_inds"),
    dpiValid: () => recording.numbers("dpi_valid"),
    missingPct(unit) {
      if (recording.has("missing_pct")) return storedMissingPct(recording, unit, units);
      return session.missingPct?.(names[unit]!, recording.numbers("t_bins"));
    },
  };
}

function storedMissingPct(recording: Recording, unit: number, units: number): Float64Array {
  const { data, shape } = recording.floats("missing_pct");
  if (shape.length !== 2 || shape[1] !== units) {
    throw new UserError(`missing_pct has shape [${shape.join(", ")}], expected [frames, ${units}] as robs has`);
  }
  return Float64Array.from({ length: recording.length }, (_, t) => data[t * units + unit]!);
}

function runTransforms(working: Recording, plan: PreparationPlan, context: TransformContext): void {
  const joined = new Map<string, NdArray[]>();
  for (const [name, transform] of Object.entries(plan.config.transforms)) {
    if (plan.storedStimulus?.transform === name) continue;
    const { source, expose_as: exposeAs, concatenate } = transform;
    // Other types are converted to an array of their own.
    const inPlace = working.column(source).dtype !== "float32";
    const result = inContext(`transform ${name}`, () =>
      runPipeline(working.floats(source), transformOps(transform), { ...context, inPlace }),
    );
    if (concatenate) joined.set(exposeAs, [...(joined.get(exposeAs) ?? []), result]);
    else working.set(exposeAs, result);
  }
  for (const [exposeAs, parts] of joined) working.set(exposeAs, concatenateLast(parts, exposeAs));
}

/** Keys that loaders hand to a model or a loss, as float32. */
const MODEL_KEYS = new Set(["behavior", "history", "true_rates"]);
/** Those that are small whole numbers as a rule, a quarter of the memory; they are served as float32 all the same. */
const COUNT_KEYS = new Set(["robs", "dfs"]);

function finalForm(key: string, array: NdArray): NdArray {
  if (key === "stim") {
    if (array.shape.length !== 3 && array.shape.length !== 4) {
      throw new UserError(
        `stim has shape [${array.shape.join(", ")}] after its transforms, expected [frames, height, width] or ` +
          "[frames, channels, height, width]",
      );
    }
    return array.dtype === "uint8" ? array : toFloat32(array);
  }
  if (COUNT_KEYS.has(key)) return asBytes(array);
  return MODEL_KEYS.has(key) ? toFloat32(array) : array;
}

/** Whole numbers from 0 to 255 as uint8, anything else as float32. */
function asBytes(array: NdArray): NdArray {
  if (array.dtype === "uint8") return array;
  const floats = toFloat32(array);
  const { shape, data } = floats;
  const bytes = new Uint8Array(data);
  for (let i = 0; i < data.length; i++) if (data[i] !== bytes[i]) return floats;
  return { dtype: "uint8", shape, data: bytes };
}

/** Keys with one column per unit of the recording. */
const UNIT_KEYS = new Set(["robs", "dfs", "true_rates"]);

function selectUnits(key: string, array: NdArray, columns: Int32Array, units: number): NdArray {
  if (!UNIT_KEYS.has(key)) return array;
  const width = array.shape[1];
  // A mask with one column judges frames, not units.
  if (key === "dfs" && width === 1) return array;
  if (array.shape.length === 2 && width === units) return selectLast(array, columns);
  throw new UserError(`${key} has shape [${array.shape.join(", ")}], expected [frames, ${units}]`);
}

function trialStarts(trialInds: Float64Array): Int32Array {
  const starts = [...trialInds.keys()].filter((t) => t === 0 || trialInds[t] !== trialInds[t - 1]);
  return Int32Array.from(starts);
}
