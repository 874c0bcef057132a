/**
 * @file The operations a dataset configuration may list under `transforms` and `datafilters`: names, parameters,
 * defaults and shorthands. What they compute is the data floor's business.
 *
 * Follows the data specification, sections 7 and 8. In YAML an operation is a mapping with one key, its name:
 * `- diff: {axis: 0}`. {@link normalizeOp} spells out the shorthands before validation; after it every operation is
 * `{name: {all parameters}}`.
 */

import { z } from "zod";
import { problem } from "./checks.ts";
import { isMapping } from "./mapping.ts";
import { count, dynamicAdaptationShape, positive, temporalBasisShape, whole } from "./shapes.ts";

/** Element types a `cast` may ask for. */
const CAST_DTYPES = [
  "float16",
  "bfloat16",
  "float32",
  "float64",
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "bool",
] as const;

const noParams = z.strictObject({});
const notUsed = "Accepted and ignored.";

/** Parameters of every transform, as mappings. */
const transformParams = {
  pixelnorm: noParams.describe("(x - 127) / 255"),
  unsqueeze: z.strictObject({ axis: whole.default(0) }).describe("A new axis of length 1. Short: unsqueeze: 1"),
  diff: z.strictObject({ axis: whole.default(0) }).describe("Difference to the previous entry; the first is 0."),
  mul: z.strictObject({ factor: z.number().default(1) }).describe("Times a number. Short: mul: 2"),
  maxnorm: noParams.describe("Divided by the largest absolute value of the whole recording."),
  symlog: noParams.describe("sign(x) ln(1 + |x|)"),
  splitrelu: z
    .strictObject({ split_dim: whole.default(1), trainable_gain: z.literal(false).default(false) })
    .describe("Positive and negative part side by side: doubles the axis."),
  select_units: z
    .strictObject({ indices: z.union([z.literal("cids"), z.array(whole).min(1)]) })
    .describe("Columns to keep: a list, or cids for the session's units."),
  cast: z.strictObject({ dtype: z.enum(CAST_DTYPES).default("float32") }).describe("Element type. Short: cast: uint8"),
  smooth: z
    .strictObject({
      type: z.literal("gaussian").default("gaussian"),
      params: z.number().default(1).describe("Standard deviation in frames; 0 or less changes nothing."),
    })
    .describe("Gaussian smoothing over time. Short: smooth: 1.5"),
  temporal_basis: z
    .strictObject({
      ...temporalBasisShape,
      sampling_rate: z.number().optional().describe(notUsed),
      in_channels: z.number().optional().describe(notUsed),
      chomp: z.null().optional().describe("Must stay empty: dropping frames would shift the recording's keys apart."),
    })
    .describe("Every channel seen through raised cosines over lags."),
  dacones: z
    .strictObject({
      ...dynamicAdaptationShape,
      sampling_rate: positive.default(240).describe("Frames per second the time constants assume."),
      learnable_params: z.literal(false).default(false),
    })
    .describe("Dynamical adaptation, a model of cones."),
  fftwhitening: z
    .strictObject({ f_0: positive.default(0.4).describe("Cut-off in cycles per sample."), n: positive.default(4) })
    .describe("Flattens the spectrum over time, rows and columns."),
};

/** Parameters of every datafilter, as mappings. */
const datafilterParams = {
  valid_nlags: z
    .strictObject({ n_lags: count.default(1).describe("Frames of history that must lie in the same trial.") })
    .describe("Frames with enough tracked history in their trial. Short: valid_nlags: 32"),
  missing_pct: z
    .strictObject({
      threshold: z.number().default(45).describe("Percent."),
      theshold: z.number().optional().meta({ deprecated: true, description: "Old misspelling of threshold." }),
    })
    .check(({ value, issues }) => {
      // Alone it was renamed before validation.
      if (value.theshold !== undefined)
        issues.push(problem(value, ["theshold"], "written beside threshold: remove it"));
    })
    .describe("Frames in which few of the unit's spikes are missing. Short: missing_pct: 45"),
};

/** Operations that accept a bare value, and the parameter it stands for. */
const SHORTHANDS: Readonly<Record<string, string>> = {
  unsqueeze: "axis",
  mul: "factor",
  cast: "dtype",
  smooth: "params",
  valid_nlags: "n_lags",
  missing_pct: "threshold",
};

type ParamSchemas = Readonly<Record<string, z.ZodObject>>;

/** Schema of one list entry under `ops`: exactly one known name. Bare values are in it for editors only. */
function opSchema<Params extends ParamSchemas>(params: Params) {
  type Fields = {
    [Name in keyof Params]: z.ZodOptional<Params[Name] | z.ZodUnion<[Params[Name], z.ZodType<number | string>]>>;
  };
  const fields = Object.fromEntries(
    Object.entries(params).map(([name, schema]) => {
      const bare = schema.shape[SHORTHANDS[name] ?? ""];
      return [name, (bare instanceof z.ZodDefault ? z.union([schema, bare.unwrap()]) : schema).optional()];
    }),
  ) as unknown as Fields;
  return z.strictObject(fields).check(({ value, issues }) => {
    const names = Object.keys(value);
    if (names.length === 1) return;
    const found = names.length === 0 ? "none" : names.join(" and ");
    issues.push(
      problem(value, [], `expected one operation per list entry, found ${found}: start a new entry with "-"`),
    );
  });
}

export const TransformOpSchema = opSchema(transformParams).meta({ id: "TransformOp", description: "One operation." });
export const DatafilterOpSchema = opSchema(datafilterParams).meta({
  id: "DatafilterOp",
  description: "One operation.",
});

/** One operation with its parameters, told apart by `name`. */
type Named<Params extends ParamSchemas> = {
  [Name in keyof Params]: { name: Name; params: z.infer<Params[Name]> };
}[keyof Params];

export type TransformOp = Named<typeof transformParams>;
export type DatafilterOp = Named<typeof datafilterParams>;
export type TransformOpName = TransformOp["name"];
export type DatafilterOpName = DatafilterOp["name"];

/** The operations of a parsed transform, in order, with a `name` to switch on. */
export function transformOps(entry: { ops: readonly z.infer<typeof TransformOpSchema>[] }): TransformOp[] {
  return entry.ops.map((op) => named(op) as TransformOp);
}

/** The operations of a parsed datafilter, in order, with a `name` to switch on. */
export function datafilterOps(entry: { ops: readonly z.infer<typeof DatafilterOpSchema>[] }): DatafilterOp[] {
  return entry.ops.map((op) => named(op) as DatafilterOp);
}

function named(op: object): { name: string; params: unknown } {
  const [name, params] = Object.entries(op)[0]!;
  return { name, params };
}

/**
 * An operation with its shorthands spelt out; anything unexpected passes unchanged and is left to validation.
 *
 * `pixelnorm` alone is `{pixelnorm: {}}`; `diff:` with nothing behind it is `{diff: {}}`; `unsqueeze: 1` is
 * `{unsqueeze: {axis: 1}}`. Two spellings of old files are read with a warning: `theshold` of `missing_pct`, and the
 * parameters of `smooth` as a list of one-key mappings.
 *
 * @param warn Told the keys below this operation and what about them.
 */
export function normalizeOp(op: unknown, warn: (path: string[], message: string) => void): unknown {
  if (typeof op === "string") return { [op]: {} };
  if (!isMapping(op)) return op;
  return Object.fromEntries(Object.entries(op).map(([name, params]) => [name, normalizeParams(name, params, warn)]));
}

function normalizeParams(name: string, params: unknown, warn: (path: string[], message: string) => void): unknown {
  if (params === null) return {};
  if (name === "smooth" && Array.isArray(params) && params.every(isMapping)) {
    warn([name], "the parameters of smooth are a list; read as one mapping");
    return Object.assign({}, ...params);
  }
  if (name === "missing_pct" && isMapping(params) && "theshold" in params && !("threshold" in params)) {
    warn([name, "theshold"], 'read as "threshold"');
    const { theshold, ...rest } = params;
    return { threshold: theshold, ...rest };
  }
  const shorthand = SHORTHANDS[name];
  return shorthand === undefined || typeof params === "object" ? params : { [shorthand]: params };
}
