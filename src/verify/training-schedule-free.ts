/**
 * @file Golden runs of schedule-free AdamW: twenty steps, compared loss by loss, and in all three versions of the weights
 * (training specification, section 10.3).
 */
import { parseModelConfig } from "../config/model.ts";
import { buildModel } from "../models/build.ts";
import type { Twin } from "../models/twin.ts";
import { Generator, noGrad, ScheduleFreeAdamW, scope, stack } from "../torch/index.ts";
import { parameterGroups } from "../training/optimizers.ts";
import { Regularizers } from "../training/regularizers.ts";
import { groupLosses, predict, TrainingStep } from "../training/step.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";
import { goldenBatch, loadGoldenWeights, PREFIX } from "./training-golden-run.ts";

interface ScheduleFreeGolden {
  model_config: Record<string, unknown>;
  sessions: { name: string; units: number }[];
  trainer: {
    lr: number;
    weight_decay: number;
    gradient_clip_norm: number;
    n_steps: number;
    warmup_steps: number;
  };
  batches: { dataset_idx: number; n: number }[][];
  per_step: { loss: number; grad_norm_before_clip: number; scheduled_lr: number[]; weight_sum: number[] }[];
  eval_mode_loss_on_batch0: number;
}

const LOSSES = { logInput: false, precision: "32", device: "cpu" } as const;
const LOSS_TOLERANCE = { atol: 0, rtol: 1e-5 };
const WEIGHT_TOLERANCE = { atol: 2e-5, rtol: 0 };
const MOMENT_TOLERANCE = { atol: 1e-5, rtol: 0 };

/** Repeats a golden run. */
export function verifyScheduleFree(folder: string, name: string): CaseResult {
  return runCase(name, (compare) => {
    const golden = readGolden<ScheduleFreeGolden>(folder, name);
    const { model_config, sessions, trainer } = golden.json;
    const config = parseModelConfig(model_config);
    const specs = sessions.map((session) => ({ name: session.name, nUnits: session.units }));
    const twin = buildModel(config, specs, { generator: new Generator(0) });
    const groups = parameterGroups(twin.namedParameters(), {
      learningRate: trainer.lr,
      coreLrScale: 1,
      weightDecay: trainer.weight_decay,
    });
    const optimizer = new ScheduleFreeAdamW(groups, { warmupSteps: trainer.warmup_steps });
    try {
      loadGoldenWeights(twin, golden, "init");
      train(compare, golden, twin, optimizer);
      compareFinal(compare, golden, twin, optimizer);
    } finally {
      optimizer.dispose();
      twin.dispose();
    }
  });
}

function train(
  compare: Comparison,
  golden: GoldenFile<ScheduleFreeGolden>,
  twin: Twin,
  optimizer: ScheduleFreeAdamW,
): void {
  const { trainer, batches, per_step } = golden.json;
  const step = new TrainingStep({
    ...LOSSES,
    twin,
    optimizer,
    regularizers: new Regularizers([], twin.namedParameters()),
    gradientClipVal: trainer.gradient_clip_norm,
    accumulateGradBatches: 1,
  });
  for (let k = 0; k < trainer.n_steps; k++) {
    const number = k % batches.length;
    const { baseLoss } = scope(() => step.backward(goldenBatch(golden, batches[number]!, `batch${number}`), 0));
    const { gradNorm } = step.update(0);
    const expected = per_step[k]!;
    compare.close(`loss, step ${k}`, [baseLoss], [expected.loss], LOSS_TOLERANCE);
    compare.close(`norm, step ${k}`, [gradNorm], [expected.grad_norm_before_clip], { atol: 0, rtol: 1e-4 });
    const sums = optimizer.progress.map(({ weightSum }) => weightSum);
    compare.close(`sums of weights, step ${k}`, sums, expected.weight_sum, { atol: 0, rtol: 1e-12 });
    if (k === 0) compareWeights(compare, golden, twin, "after_step1");
  }
  const rates = optimizer.progress.map(({ largestRate }) => largestRate);
  compare.close("largest rates", rates, per_step.at(-1)!.scheduled_lr, { atol: 0, rtol: 1e-12 });
}

function compareFinal(
  compare: Comparison,
  golden: GoldenFile<ScheduleFreeGolden>,
  twin: Twin,
  optimizer: ScheduleFreeAdamW,
): void {
  compareWeights(compare, golden, twin, "final_train");
  for (const [name, { iterate, expAvgSq }] of optimizer.state) {
    compare.close(`z ${name}`, iterate.toArray(), golden.tensor(`z.${PREFIX}${name}`), WEIGHT_TOLERANCE);
    compare.close(`v ${name}`, expAvgSq.toArray(), golden.tensor(`v.${PREFIX}${name}`), MOMENT_TOLERANCE);
  }
  optimizer.setMode("eval");
  compareWeights(compare, golden, twin, "final_eval");
  const loss = noGrad(() =>
    scope(() => {
      const groups = goldenBatch(golden, golden.json.batches[0]!, "batch0");
      return stack(groupLosses(predict(twin, groups, LOSSES), groups, LOSSES))
        .mean()
        .item();
    }),
  );
  compare.close("loss with the means", [loss], [golden.json.eval_mode_loss_on_batch0], LOSS_TOLERANCE);
  optimizer.setMode("train");
  compareWeights(compare, golden, twin, "final_train");
}

function compareWeights(compare: Comparison, golden: GoldenFile<ScheduleFreeGolden>, twin: Twin, prefix: string): void {
  for (const [name, tensor] of twin.stateDict()) {
    compare.close(`${prefix} ${name}`, tensor.toArray(), golden.tensor(`${prefix}.${PREFIX}${name}`), WEIGHT_TOLERANCE);
  }
}
