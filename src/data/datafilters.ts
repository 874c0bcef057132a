/**
 * @file Datafilters: which frames of which units are good enough to train on (data specification, section 7).
 *
 * A pipeline is a list of filters joined by AND. Its mask is `[frames, 1]` when every filter judges frames only, and
 * `[frames, units]` when one judges units; units are all of the recording, before any selection.
 */
import type { DatafilterOp, DatafilterOpName } from "../config/ops.ts";
import { didYouMean, UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";

/** What filters look at, at the rate of the model. */
export interface DatafilterInputs {
  /** Frames of the recording. */
  readonly frames: number;
  /** Trial number of every frame, [frames]. */
  trialInds(): Float64Array;
  /** Eye tracker validity of every frame, valid above 0, [frames]. */
  dpiValid(): Float64Array;
  /** Units of the recording. */
  readonly units: number;
  /** Percentage of a unit's spikes that are missing in every frame, [frames]; undefined when nothing is known of it. */
  missingPct(unit: number): Float64Array | undefined;
}

/** Frames and units that pass, one byte each. */
export interface Mask {
  /** 1, or the number of units. */
  readonly columns: number;
  /** [frames, columns], 0 or 1. */
  readonly passes: Uint8Array;
  /** Columns that pass throughout because they miss spikes most of the time; absent for other filters. */
  readonly multiUnits?: readonly number[];
}

type ParamsOf<Name extends DatafilterOpName> = Extract<DatafilterOp, { name: Name }>["params"];

/** One filter. */
export interface DatafilterEntry<Params> {
  readonly name: string;
  /** What it keeps and why, one sentence. */
  readonly doc: string;
  readonly formula: string;
  apply(inputs: DatafilterInputs, params: Params): Mask;
}

/** Every datafilter by name. */
export const DATAFILTERS: { readonly [Name in DatafilterOpName]: DatafilterEntry<ParamsOf<Name>> } = {
  valid_nlags: {
    name: "valid_nlags",
    doc: "Keeps frames whose last n_lags frames were tracked and lie in the same trial; lags up to n_lags are then safe.",
    formula: "ok[t] ∧ ok[t−1] ∧ … ∧ ok[t−n+1], ok[t] = trial[t] = trial[t−1] ∧ dpi_valid[t] > 0, n = max(n_lags, 1)",
    apply: (inputs, { n_lags }) => ({
      columns: 1,
      passes: validHistory(inputs.trialInds(), inputs.dpiValid(), n_lags),
    }),
  },
  missing_pct: {
    name: "missing_pct",
    doc: "Drops frames in which a unit's spikes went undetected; units that miss spikes most of the time count as multi-units and are kept throughout.",
    formula: "pct[t, u] < threshold ∨ median over t of pct[·, u] ≥ threshold",
    apply: ({ frames, units, missingPct }, { threshold }) => {
      const passes = new Uint8Array(frames * units).fill(1);
      const multiUnits: number[] = [];
      for (let unit = 0; unit < units; unit++) {
        // Unknown counts as zero percent, which the median rule or the comparison lets pass for any threshold.
        const pct = missingPct(unit);
        if (pct === undefined) continue;
        if (medianReaches(pct, threshold)) {
          multiUnits.push(unit);
          continue;
        }
        for (let t = 0; t < frames; t++) if (!(pct[t]! < threshold)) passes[t * units + unit] = 0;
      }
      return { columns: units, passes, multiUnits };
    },
  },
};

/**
 * The mask of a pipeline, uint8 0 or 1, `[frames, 1]` or `[frames, units]`; all ones for an empty one.
 *
 * @param onFilter given what each filter passes by itself
 * @throws UserError for an unknown filter, with the closest known name
 */
export function datafilterMask(
  ops: readonly DatafilterOp[],
  inputs: DatafilterInputs,
  onFilter: (op: DatafilterOp, mask: Mask) => void = () => {},
): NdArray {
  const { frames } = inputs;
  const masks = ops.map((op) => {
    const mask = applyFilter(op, inputs);
    onFilter(op, mask);
    return mask;
  });
  const columns = Math.max(1, ...masks.map((mask) => mask.columns));
  const data = new Uint8Array(frames * columns).fill(1);
  for (const mask of masks) {
    for (let t = 0; t < frames; t++) {
      for (let column = 0; column < columns; column++) {
        const passes = mask.passes[mask.columns === 1 ? t : t * columns + column];
        if (!passes) data[t * columns + column] = 0;
      }
    }
  }
  return { dtype: "uint8", shape: [frames, columns], data };
}

function applyFilter(op: DatafilterOp, inputs: DatafilterInputs): Mask {
  if (op.name === "valid_nlags") return DATAFILTERS.valid_nlags.apply(inputs, op.params);
  if (op.name === "missing_pct") return DATAFILTERS.missing_pct.apply(inputs, op.params);
  const { name } = op as { name: string };
  const similar = didYouMean(name, Object.keys(DATAFILTERS));
  throw new UserError(`Unknown datafilter "${name}": known are ${Object.keys(DATAFILTERS).join(", ")}`, {
    hint: similar === undefined ? undefined : `Did you mean "${similar}"?`,
  });
}

/** The mask of a session without datafilters: frames whose history of `nLags` frames is valid. */
export function fallbackFilter(nLags: number): DatafilterOp[] {
  return [{ name: "valid_nlags", params: { n_lags: nLags } }];
}

/**
 * 1 where the last `max(nLags, 1)` frames are tracked and none of them is the first of its trial.
 *
 * @param trialInds trial number of every frame, [frames]
 * @param dpiValid valid where above 0, [frames]
 */
export function validHistory(trialInds: Float64Array, dpiValid: Float64Array, nLags: number): Uint8Array {
  const needed = Math.max(nLags, 1);
  const passes = new Uint8Array(trialInds.length);
  let run = 0;
  for (let t = 0; t < passes.length; t++) {
    // Frame 0 starts a trial whatever its number is.
    const starts = t === 0 || trialInds[t] !== trialInds[t - 1];
    run = !starts && dpiValid[t]! > 0 ? run + 1 : 0;
    passes[t] = run >= needed ? 1 : 0;
  }
  return passes;
}

/** Whether the median (mean of both central values for even counts) is at least `threshold`; false with any NaN. */
function medianReaches(values: Float64Array, threshold: number): boolean {
  let below = 0;
  let largestBelow = Number.NEGATIVE_INFINITY;
  let smallestAbove = Number.POSITIVE_INFINITY;
  for (const value of values) {
    if (Number.isNaN(value)) return false;
    if (value < threshold) {
      below++;
      largestBelow = Math.max(largestBelow, value);
    } else {
      smallestAbove = Math.min(smallestAbove, value);
    }
  }
  if (2 * below !== values.length) return 2 * below < values.length;
  return (largestBelow + smallestAbove) / 2 >= threshold;
}
