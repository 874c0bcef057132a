/**
 * @file Golden transforms: single ones, pipelines, basis matrices, cone filters, and configurations that must be refused
 * or repaired (data specification, section 8).
 */
import { normalizeOp, type TransformOp, TransformOpSchema, transformOps } from "../config/ops.ts";
import { runPipeline } from "../data/transforms.ts";
import { type ConeParams, coneFilters } from "../signal/cone-filters.ts";
import { type RaisedCosineParams, raisedCosineBasis } from "../signal/raised-cosine.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

interface TransformCase {
  id: string;
  ops: unknown[];
  input: string;
  output: string;
  dtype: string;
  atol: number;
  rtol: number;
  config_cids: number[];
  basis_matrix?: string;
}

interface TransformGolden {
  cases: TransformCase[];
  build_errors: { ops: unknown[]; why: string }[];
}

/** Forms that stop the reference and that ours reads as what they evidently mean (data specification, section 8). */
const REPAIRED = new Set([
  "list form of smooth (as in a shipped YAML)",
  "bare string op",
  "null config where a mapping is needed",
  "unsupported dtype name",
]);

/** Every transform and pipeline. */
export function verifyTransforms(folder: string): CaseResult[] {
  const golden = readGolden<TransformGolden>(folder, "transforms");
  return [
    ...golden.json.cases.map((given) =>
      runCase(`transforms/${given.id}`, (compare) => {
        // The reference reads the first key of an operation and ignores further ones; ours refuses them (fault 4).
        if (given.id === "extra_keys_in_op_ignored") return compare.same("refused", isRefused(given.ops), true);
        compareTransform(golden, given, compare);
      }),
    ),
    runCase("transforms/cone_filters", (compare) => compareConeFilters(golden, compare)),
    ...golden.json.build_errors.map(({ ops, why }) =>
      runCase(`transforms/build_errors/${why}`, (compare) =>
        compare.same("refused", isRefused(ops), !REPAIRED.has(why)),
      ),
    ),
  ];
}

function compareTransform(golden: GoldenFile<TransformGolden>, given: TransformCase, compare: Comparison): void {
  const ops = parseTransforms(given.ops);
  const input = golden.tensor(given.input);
  const output = runPipeline(input, ops, { unitColumns: Int32Array.from(given.config_cids) });
  compare.same("element type", output.dtype, given.dtype);
  compare.close("output", output, golden.tensor(given.output), given);
  if (given.basis_matrix === undefined) return;
  const basis = raisedCosineBasis(ops[0]!.params as RaisedCosineParams);
  const expected = golden.tensor(given.basis_matrix);
  compare.close(
    "basis",
    basis.flatMap((row) => [...row]),
    expected.data as Float32Array,
  );
}

function compareConeFilters(golden: GoldenFile<TransformGolden>, compare: Comparison): void {
  const shipped = golden.json.cases.find(({ id }) => id === "dacones_raw")!;
  const { fast, slow } = coneFilters(parseTransforms(shipped.ops)[0]!.params as ConeParams);
  compare.close("fast", fast.toReversed(), golden.tensor("dacones/Ky_flipped"));
  compare.close("slow", slow.toReversed(), golden.tensor("dacones/Kz_flipped"));
}

function parseTransforms(ops: unknown[]): TransformOp[] {
  return transformOps({ ops: ops.map((op) => TransformOpSchema.parse(normalizeOp(op, () => {}))) });
}

function isRefused(ops: unknown[]): boolean {
  try {
    parseTransforms(ops);
    return false;
  } catch {
    return true;
  }
}
