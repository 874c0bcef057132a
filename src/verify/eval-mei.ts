/**
 * @file Golden synthesis of most exciting inputs: its parts, and short runs on a small fixed network (evaluation
 * specification, section 14).
 */
import { clipRange } from "../eval/mei/constraints.ts";
import { gaussianBlur, gaussianKernel, gradientBlur } from "../eval/mei/gradient-blur.ts";
import { combinePenalties, lpNorm, type Penalty, totalVariation } from "../eval/mei/penalties.ts";
import { type Activation, type SynthesisOptions, synthesise } from "../eval/mei/synthesis.ts";
import { Adam, GradientDescent } from "../eval/mei/updates.ts";
import type { NdArray } from "../formats/array.ts";
import { fromArray, gradientsOf, ops, scope, type Tensor, tensor } from "../torch/index.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

interface MeiRun {
  unit: [sample: number, unit: number];
  n_iter: number;
  lr: number;
  /** Weights of the L2 norm and of total variation. */
  reg?: [number, number];
  clip?: [number, number];
  blur?: number[];
  opt?: "sgd";
  max_grad_norm?: number;
}

interface MeiGolden {
  tensors: Record<string, { rtol?: number; atol?: number }>;
  options: {
    lp_weight: number;
    tv_weight: number;
    kernels: [name: string, sigma: number | number[], order: number][];
    blur2_sigma: number[];
    blur3_sigma: number[];
    clip: [number, number];
    runs: [name: string, run: MeiRun][];
  };
}

/** The case `mei`. */
export function verifyEvalMei(folder: string): CaseResult[] {
  return [
    runCase("mei", (compare) => {
      const golden = readGolden<MeiGolden>(folder, "mei");
      scope(() => comparePenalties(compare, golden));
      scope(() => compareKernels(compare, golden));
      for (const [name, run] of golden.json.options.runs) scope(() => compareRun(compare, golden, name, run));
    }),
  ];
}

function closeTo(
  compare: Comparison,
  { json, tensor: read }: GoldenFile<MeiGolden>,
  name: string,
  actual: NdArray,
): void {
  const { rtol = 0, atol = 0 } = json.tensors[name]!;
  compare.close(name, actual, read(name), { rtol, atol });
}

function comparePenalties(compare: Comparison, golden: GoldenFile<MeiGolden>): void {
  const { lp_weight: weight, tv_weight, clip } = golden.json.options;
  const images = fromArray(golden.tensor("in.x"));
  const penalties: Record<string, Penalty> = {
    lp1: lpNorm({ p: 1, weight }),
    lp2: lpNorm({ p: 2, weight }),
    lp4: lpNorm({ p: 4, weight }),
    tv: totalVariation({ weight: tv_weight }),
  };
  for (const [name, penalty] of Object.entries(penalties)) {
    const leaf = images.detach().setRequiresGrad();
    const value = penalty(leaf);
    closeTo(compare, golden, `out.${name}`, value.detach().toArray());
    closeTo(compare, golden, `out.${name}_grad`, gradientsOf([value.sum()], [leaf])[0]!.toArray());
  }
  const combined = combinePenalties(lpNorm({ weight: 0.01 }), totalVariation({ weight: 0.001 }));
  closeTo(compare, golden, "out.combined", combined(images).toArray());
  closeTo(compare, golden, "out.clip", clipRange({ min: clip[0], max: clip[1] })(images).toArray());
}

function compareKernels(compare: Comparison, golden: GoldenFile<MeiGolden>): void {
  const { kernels, blur2_sigma, blur3_sigma } = golden.json.options;
  for (const [name, sigma, order] of kernels) {
    const widths = typeof sigma === "number" ? Array<number>(order).fill(sigma) : sigma;
    closeTo(compare, golden, `out.kernel_${name}`, kernelOf(widths).toArray());
  }
  closeTo(compare, golden, "out.blur2", gaussianBlur(fromArray(golden.tensor("in.grad2")), blur2_sigma).toArray());
  const movie = fromArray(golden.tensor("in.x")).select(0, 0);
  closeTo(compare, golden, "out.blur3", gaussianBlur(movie, blur3_sigma).toArray());
}

/** The kernel over all blurred axes, `[1, 1, ...]`: what a blur along one axis after the other makes of a single pixel. */
function kernelOf(sigma: readonly number[]): Tensor {
  const lengths = sigma.map((width) => gaussianKernel(width).length);
  const pixel = new Float64Array(lengths.reduce((product, length) => product * length, 1));
  pixel[(pixel.length - 1) / 2] = 1;
  return gaussianBlur(tensor(pixel, [1, 1, ...lengths]), sigma);
}

/** Conv3d, ReLU and a global average, as one unit of the network sees a batch. */
function networkUnit(golden: GoldenFile<MeiGolden>, unit: number): Activation {
  const [weight, bias] = ["in.conv_w", "in.conv_b"].map((name) => fromArray(golden.tensor(name))) as [Tensor, Tensor];
  return (images) => ops.conv3d(images, weight, bias, [1, 1, 1], [1, 1, 1]).relu().mean([2, 3, 4]).select(1, unit);
}

function compareRun(compare: Comparison, golden: GoldenFile<MeiGolden>, name: string, run: MeiRun): void {
  const { unit, n_iter: iterations, lr, reg, clip, blur, opt, max_grad_norm: maxGradNorm } = run;
  const activation = networkUnit(golden, unit[1]);
  const start = fromArray(golden.tensor("in.x0"));
  const options: SynthesisOptions = {
    update: opt === "sgd" ? new GradientDescent(lr) : new Adam(lr),
    maxGradNorm,
    penalty: reg && combinePenalties(lpNorm({ weight: reg[0] }), totalVariation({ weight: reg[1] })),
    constraint: clip && clipRange({ min: clip[0], max: clip[1] }),
    preconditioner: blur && gradientBlur(blur),
  };
  using synthesis = synthesise(activation, start, { iterations, ...options });
  closeTo(compare, golden, `out.mei_${name}`, synthesis.images.toArray());
  const [before] = activation(start).toTypedArray() as Float64Array;
  const [after] = synthesis.activations();
  closeTo(compare, golden, `out.act_${name}`, {
    dtype: "float64",
    shape: [2],
    data: Float64Array.of(before!, after!),
  });
}
