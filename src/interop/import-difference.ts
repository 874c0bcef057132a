/**
 * @file How the tensors of a checkpoint differ from those of a model: every missing, unexpected and misshapen one.
 */
import { UserError } from "../errors.ts";
import type { DType } from "../formats/array.ts";

/** What a tensor is, without its values. */
export interface TensorKind {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** What keeps a checkpoint from fitting a model. */
export interface StateDifference {
  /** In the model, not in the file. */
  missing: { name: string; shape: readonly number[] }[];
  /** In the file, not in the model. */
  unexpected: { name: string; shape: readonly number[] }[];
  misshapen: { name: string; file: readonly number[]; model: readonly number[] }[];
  /** Whole numbers where fractions are needed, and the other way round. */
  mistyped: { name: string; file: DType; model: DType }[];
  /** Number of names that both have. */
  common: number;
}

/**
 * Compares names, shapes and element types. Floating-point types of any width stand for each other.
 *
 * @param optional names of the model that a file may lack
 */
export function compareStates(
  model: ReadonlyMap<string, TensorKind>,
  file: ReadonlyMap<string, TensorKind>,
  optional: ReadonlySet<string> = new Set(),
): StateDifference {
  const difference: StateDifference = { missing: [], unexpected: [], misshapen: [], mistyped: [], common: 0 };
  for (const [name, { shape, dtype }] of model) {
    const given = file.get(name);
    if (given === undefined) {
      if (!optional.has(name)) difference.missing.push({ name, shape });
      continue;
    }
    difference.common++;
    if (given.shape.join() !== shape.join()) difference.misshapen.push({ name, file: given.shape, model: shape });
    else if (family(given.dtype) !== family(dtype)) {
      difference.mistyped.push({ name, file: given.dtype, model: dtype });
    }
  }
  for (const [name, { shape }] of file) if (!model.has(name)) difference.unexpected.push({ name, shape });
  return difference;
}

function family(dtype: DType): "fractions" | "whole numbers" | "truth values" {
  if (dtype === "bool") return "truth values";
  return /float/.test(dtype) ? "fractions" : "whole numbers";
}

/** Whether a checkpoint fits. */
export function isEmpty({ missing, unexpected, misshapen, mistyped }: StateDifference): boolean {
  return missing.length + unexpected.length + misshapen.length + mistyped.length === 0;
}

/** The error for a checkpoint that does not fit: every tensor, in groups, and what to do. */
export function differenceError(path: string, difference: StateDifference): UserError {
  const { missing, unexpected, misshapen, mistyped } = difference;
  if (difference.common === 0) return nothingInCommon(path, difference);
  const sized = ({ name, shape }: { name: string; shape: readonly number[] }) => `${name} ${size(shape)}`;
  const groups = [
    group("missing in the file", missing.map(sized)),
    group("unexpected in the file", unexpected.map(sized)),
    group(
      "of another shape",
      misshapen.map(({ name, file, model }) => `${name} ${size(file)} in the file, ${size(model)} in the model`),
    ),
    group(
      "of another element type",
      mistyped.map(({ name, file, model }) => `${name} ${file} in the file, ${model} in the model`),
    ),
  ];
  return new UserError(
    [`Cannot import "${path}": its tensors are not those of the model configuration`, ...groups.flat()].join("\n"),
    { hint: remedy(difference) },
  );
}

function size(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

function group(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title} (${lines.length}):`, ...lines.map((line) => `  ${line}`)];
}

function nothingInCommon(path: string, { missing, unexpected }: StateDifference): UserError {
  const first = (tensors: readonly { name: string }[]) =>
    tensors
      .slice(0, 3)
      .map(({ name }) => name)
      .join(", ");
  return new UserError(
    `Cannot import "${path}": none of its ${unexpected.length} tensors (${first(unexpected)}, …) is one of the ` +
      `${missing.length} of the model configuration (${first(missing)}, …)`,
    { hint: "Pass the configuration it was trained with: --model-config M.yaml." },
  );
}

/** What to do, most specific cause first. */
function remedy({ missing, unexpected, misshapen, mistyped }: StateDifference): string {
  const names = [...missing, ...unexpected, ...misshapen, ...mistyped].map(({ name }) => name);
  if (missing.length > 0 && names.every((name) => name.startsWith("recurrent.rnn."))) {
    return misshapen.length + unexpected.length > 0
      ? OTHER_CONFIGURATION
      : "The reference makes gru and lstm at the first forward pass, and this file was saved before it. " +
          "Run a batch through that model and save it again.";
  }
  if (mistyped.length === names.length) return "Convert them before saving: model.float().state_dict().";
  if (names.every((name) => /^(adapters?|readouts?)\./.test(name))) {
    return "Sessions may have an adapter or a readout of their own: pass the dataset file that says so, --dataset-configs D.yaml.";
  }
  return OTHER_CONFIGURATION;
}

const OTHER_CONFIGURATION = "Pass the configuration it was trained with: --model-config M.yaml.";
