/**
 * @file Writes src/torch/ops.generated.ts: types of the operators this project uses, made from the installed
 * libtorch's own schemas. Run with `npx tsx scripts/generate-ops.ts` after adding a name to the list below.
 */

import { writeFileSync } from "node:fs";
import { native } from "../src/torch/native.ts";

const NAMES = `
abs add add_ addcdiv_ addcmul addcmul_ addmm all amax amin any arange argmax argmin atan2 avg_pool2d avg_pool3d
adaptive_avg_pool3d adaptive_max_pool3d batch_norm baddbmm bernoulli_ bmm cat ceil cholesky_solve chunk clamp clamp_ clamp_max clamp_min
clamp_min_ clone constant_pad_nd contiguous conv1d conv2d conv3d copy_ cos cumsum detach diff div div_ dot dropout einsum elu
embedding empty empty_like eq erf exp expand expm1 eye fft_rfft fft_irfft fft_fftn fft_ifftn fill_ flatten flatten_dense_tensors
flip floor floor_divide frobenius_norm full full_like gather ge gelu grid_sampler_2d grid_sampler group_norm gt gru
index_add index_add_ index_copy_ index_put_ index_select instance_norm isfinite isinf isnan layer_norm le leaky_relu lerp lerp_ lgamma
linalg_cholesky linalg_eigh linalg_norm linalg_qr linalg_svd linalg_vector_norm linear linspace log log1p log_softmax logical_and logical_not
logical_or logsumexp lstm lt masked_fill masked_select matmul max max_pool2d max_pool3d maximum mean median min minimum mish mm
mse_loss mul mul_ multinomial mv narrow nan_to_num ne neg native_batch_norm nonzero norm normal_ one_hot ones ones_like outer
permute pow prelu prod quantile rand randn randperm random_ reciprocal reflection_pad1d reflection_pad2d relu remainder repeat
repeat_interleave replication_pad2d replication_pad3d reshape roll round rsqrt rsub scalar_tensor scatter scatter_add select
selu sgn sigmoid sign silu sin slice softmax softplus sort split split_with_sizes sqrt square squeeze stack std sub sub_ sum t
tanh to topk trace transpose tril triu tril_indices unbind unflatten_dense_tensors unfold uniform_ unsqueeze var var_mean view
where zero_ zeros zeros_like silu_ relu_ sigmoid_ tanh_ exp_ sqrt_ _to_copy _foreach_add _foreach_add_ _foreach_mul
_foreach_mul_ _foreach_div _foreach_div_ _foreach_sqrt _foreach_norm _foreach_lerp_ _foreach_addcmul_ _foreach_addcdiv_
_foreach_neg _foreach_sub_ _foreach_zero_ _foreach_copy_ _fused_adamw_ _amp_foreach_non_finite_check_and_unscale_ _amp_update_scale_
pin_memory is_pinned
`
  .trim()
  .split(/\s+/)
  .sort();

// Overloads for named dimensions, preallocated outputs and dynamic lists: nothing here calls them.
const SKIPPED_OVERLOAD = /out|Dimname|_str|^str|names|default_layer|complex/i;

interface Schema {
  name: string;
  overload: string;
  parameters: string;
  returns: string;
  text: string;
}

function parse(text: string): Schema | undefined {
  const match = /^aten::([\w]+)(?:\.([\w]+))?\((.*)\) -> (.*)$/.exec(text);
  if (!match) return undefined;
  return { name: match[1]!, overload: match[2] ?? "", parameters: match[3]!, returns: match[4]!, text };
}

const SCALARS: Record<string, string> = {
  Tensor: "Tensor",
  Scalar: "number | boolean",
  int: "number",
  SymInt: "number",
  float: "number",
  bool: "boolean",
  str: "string",
  ScalarType: "DType",
  Layout: "null",
  Device: "string",
  MemoryFormat: "MemoryFormat",
  Generator: "Generator",
};

/** TypeScript type of a schema type such as `Tensor(a!)`, `int[3]`, `Tensor?[]`, `Scalar?`; undefined when not passed. */
function typeOf(schemaType: string): string | undefined {
  const type = schemaType.replace(/\([^)]*\)/g, "");
  if (type.endsWith("?")) {
    const inner = typeOf(type.slice(0, -1));
    return inner && `${inner} | null`;
  }
  const list = /^(.*)\[(\d*)\]$/.exec(type);
  if (list) {
    const item = typeOf(list[1]!);
    if (!item) return undefined;
    const items = item.includes("|") ? `readonly (${item})[]` : `readonly ${item}[]`;
    return list[2] && item === "number" ? `number | ${items}` : items;
  }
  return SCALARS[type];
}

const RESERVED = new Set(["in", "var", "function", "default", "new"]);

function signature(schema: Schema): string | undefined {
  const positional: string[] = [];
  const named: string[] = [];
  let keywordOnly = false;
  const withoutAliases = schema.parameters.replace(/\(\w+!?( -> [^)]*)?\)/g, "");
  for (const part of splitTopLevel(withoutAliases)) {
    if (part === "*") {
      keywordOnly = true;
      continue;
    }
    const match = /^(\S+) (\w+)(=.*)?$/.exec(part);
    if (!match) return undefined;
    const type = typeOf(match[1]!);
    if (!type) return undefined;
    const optional = match[3] !== undefined ? "?" : "";
    const name = RESERVED.has(match[2]!) ? `${match[2]}_` : match[2]!;
    if (keywordOnly) named.push(`${match[2]}${optional}: ${type}`);
    else positional.push(`${name}${optional}: ${type}`);
  }
  if (named.length) {
    const mayBeLeftOut = named.every((n) => n.includes("?:"));
    // TypeScript allows no optional parameter before a required one
    if (!mayBeLeftOut) for (const [i, p] of positional.entries()) positional[i] = p.replace("?: ", ": undefined | ");
    positional.push(`named${mayBeLeftOut ? "?" : ""}: { ${named.join("; ")} }`);
  }
  const result = returnOf(schema.returns);
  return result && `(${positional.join(", ")}): ${result.type};`;
}

function splitTopLevel(list: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= list.length; i++) {
    const c = list[i];
    if (c === "[" || c === "(") depth++;
    else if (c === "]" || c === ")") depth--;
    else if (c === undefined || (c === "," && depth === 0)) {
      const part = list.slice(start, i).trim();
      if (part) parts.push(part);
      start = i + 1;
    }
  }
  return parts;
}

/** Type of the result and its code in the table: T tensor, L list of tensors, U several tensors, S the first argument, V a plain value. */
function returnOf(text: string): { type: string; code: string } | undefined {
  if (text === "()") return { type: "void", code: "V" };
  const parts = text.startsWith("(")
    ? splitTopLevel(text.slice(1, -1)).map((p) => p.split(" ")[0]!)
    : [text.split(" ")[0]!];
  const types = parts.map((part) => typeOf(part));
  if (types.some((type) => !type)) return undefined;
  if (parts.length > 1) return { type: `[${types.join(", ")}]`, code: types.every((t) => t === "Tensor") ? "U" : "" };
  if (/^Tensor\(\w+!\)/.test(parts[0]!)) return { type: "Tensor", code: "S" };
  if (types[0] === "Tensor") return { type: "Tensor", code: "T" };
  if (types[0] === "readonly Tensor[]") return { type: "Tensor[]", code: "L" };
  return { type: types[0]!, code: "V" };
}

const schemas = native()
  .schemas()
  .map(parse)
  .filter((s): s is Schema => s !== undefined && !SKIPPED_OVERLOAD.test(s.overload));

const types: string[] = [];
const table: string[] = [];
for (const name of NAMES) {
  const overloads = schemas.filter((s) => s.name === name).sort((a, b) => a.overload.localeCompare(b.overload));
  const members: string[] = [];
  const codes: string[] = [];
  const docs: string[] = [];
  for (const schema of overloads) {
    const call = signature(schema);
    const code = returnOf(schema.returns)?.code;
    if (!call || !code) continue;
    docs.push(`   * ${schema.text.replaceAll("*/", "* /")}`);
    members.push(schema.overload ? `${schema.overload}${call}` : call);
    codes.push(`${schema.overload || '""'}: "${code}"`);
  }
  if (!members.length) throw new Error(`No usable schema for aten::${name} in libtorch ${native().version()}`);
  types.push(`  /**\n${docs.join("\n")}\n   */\n  ${name}: {\n    ${members.join("\n    ")}\n  };`);
  table.push(`  ${name}: { ${codes.join(", ")} },`);
}

writeFileSync(
  new URL("../src/torch/ops.generated.ts", import.meta.url),
  `/**
 * @file Operators of libtorch, typed. Generated by scripts/generate-ops.ts from the schemas of libtorch ${native().version()}: do not edit.
 */

import type { DType } from "../formats/array.ts";
import type { Generator } from "./generator.ts";
import type { MemoryFormat, Tensor } from "./tensor.ts";

/** Operator -> overload -> kind of result: T tensor, L list of tensors, U several tensors, S the first argument, V a plain value. */
export const OVERLOADS: Record<string, Record<string, string>> = {
${table.join("\n")}
};

/** The operators by name. Call the entry for the overload without a name, or one of its properties. */
export interface Ops {
${types.join("\n")}
}
`,
);
console.log(`${table.length} operators, libtorch ${native().version()}`);
