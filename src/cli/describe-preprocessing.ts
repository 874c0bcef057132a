/**
 * @file From recordings to samples, in words: what a session's configuration does to its data.
 */
import { datafilterOps, transformOps } from "../config/ops.ts";
import type { SessionConfig } from "../config/session.ts";

/** One line for the rate, each transform, each filter, the lags and the split. */
export function describePreprocessing(config: SessionConfig): string[] {
  const { sampling, transforms, datafilters, keys_lags } = config;
  const rate =
    sampling === null ? "as recorded" : `${sampling.source_rate} Hz down-sampled to ${sampling.target_rate} Hz`;
  return [
    `types: ${config.types.join(", ")}`,
    `frames: ${rate}`,
    ...Object.values(transforms).map((transform) => {
      const steps = [transform.source, ...transformOps(transform).map(describeOp)];
      return `${transform.expose_as}: ${steps.join(" → ")}${transform.concatenate ? ", joined to the others of that name" : ""}`;
    }),
    ...Object.values(datafilters).map(
      (filter) => `${filter.expose_as}: ${datafilterOps(filter).map(describeOp).join(" and ")}`,
    ),
    `lags: ${Object.entries(keys_lags)
      .map(([key, lags]) => `${key} ${describeLags(lags)}`)
      .join(", ")}`,
    `split: ${describeSplit(config)}`,
  ];
}

function describeOp({ name, params }: { name: string; params: unknown }): string {
  const entries = Object.entries(params as Record<string, unknown>).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return name;
  return `${name}(${entries.map(([key, value]) => `${key} ${JSON.stringify(value)}`).join(", ")})`;
}

/** Lags in frames; a run of consecutive ones by its ends. */
function describeLags(lags: number | readonly number[]): string {
  if (typeof lags === "number") return String(lags);
  const [first, last] = [lags[0]!, lags.at(-1)!];
  const isRun = lags.length > 2 && lags.every((lag, i) => lag === first + i * Math.sign(last - first));
  return isRun ? `${first} to ${last}` : `[${lags.join(", ")}]`;
}

function describeSplit({ val_trials, split_by, train_val_split, seed }: SessionConfig): string {
  if (val_trials !== undefined) return `${val_trials.length} named trials validate`;
  const share = `${Number((100 * train_val_split).toPrecision(4))} % of the trials train`;
  return split_by === "time" ? `the first ${share}` : `${share}, drawn with seed ${seed}`;
}
