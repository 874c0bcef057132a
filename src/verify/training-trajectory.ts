/**
 * @file Golden training runs: twenty batches from given weights, compared loss by loss, step by step, and in the final
 * weights and moments (training specification, section 29).
 *
 * They are run the reference's way: proximal steps once per parameter group, no decay exclusions, masked NaN poisons its
 * loss.
 */
import { parseModelConfig } from "../config/model.ts";
import type { SessionBatch } from "../data/loader.ts";
import { buildModel } from "../models/build.ts";
import type { Twin } from "../models/twin.ts";
import { AdamW, Generator, gradsOf, scope, type Tensor } from "../torch/index.ts";
import { type ValidationResult, validationMetrics } from "../training/metrics.ts";
import { parameterGroups } from "../training/optimizers.ts";
import { parsePrecision } from "../training/options.ts";
import { Regularizers } from "../training/regularizers.ts";
import { type ScheduleKind, scheduledRate } from "../training/schedules.ts";
import { type BatchReport, TrainingStep, type UpdateReport } from "../training/step.ts";
import { Validation } from "../training/validate.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";
import { goldenBatch, loadGoldenWeights, PREFIX } from "./training-golden-run.ts";

interface GoldenBatch {
  epoch: number;
  batch: number;
  base_loss: number;
  group_losses: (number | string)[];
  total_loss: number;
  global_step: number;
}

/** A golden run of one process, or of one of several. */
export interface Trajectory {
  model_config: Record<string, unknown>;
  sessions: { name: string; units: number }[];
  trainer: {
    lr: number;
    core_lr: number;
    weight_decay: number;
    gradient_clip_norm: number;
    accumulate_grad_batches: number;
    epochs: number;
    batches_per_epoch: number;
    lr_scheduler: ScheduleKind;
    warmup_epochs: number | null;
    restart_period: number | null;
    precision: string;
  };
  log_input: boolean;
  modulator_only: boolean;
  batches: { dataset_idx: number; n: number }[][];
  val_batches: { dataset_idx: number; n: number }[][] | null;
  /** Absent from runs of several processes. */
  parameters_never_updated?: string[];
  optimizer_steps_by_parameter: Record<string, number>;
  per_batch: GoldenBatch[];
  per_optimizer_step: { grad_norm_before_clip: number; n_params_with_grad: number; lrs: number[] }[];
  validation: { epoch: number; metrics: Record<string, number> }[];
}

/** Repeats a golden run. */
export function verifyTrajectory(folder: string, name: string): CaseResult {
  return runCase(name, (compare) => {
    const golden = readGolden<Trajectory>(folder, name);
    using run = new GoldenRun(golden);
    for (const { validated } of run.train(compare)) {
      if (validated !== null) run.compareValidation(compare, validated.epoch, [validated.result]);
    }
    if (run.isExact) run.compareFinal(compare);
  });
}

/** Where a golden run stops for what is outside of it: before an update, and (`validated`) after a validation. */
export interface Pause {
  validated: { epoch: number; result: ValidationResult } | null;
}

/** A golden run, with the model and the optimiser that repeat it. */
export class GoldenRun implements Disposable {
  /** float32: weights can be compared. Under bfloat16 rounding depends on the kernels, and only losses are. */
  readonly isExact: boolean;
  private readonly golden: GoldenFile<Trajectory>;
  readonly twin: Twin;
  private readonly optimizer: AdamW;
  private readonly step: TrainingStep;
  private readonly lossOptions;
  private readonly lossTolerance;

  constructor(golden: GoldenFile<Trajectory>) {
    const { model_config, sessions, trainer, log_input: logInput } = golden.json;
    const config = parseModelConfig(model_config);
    const specs = sessions.map(({ name, units }) => ({ name, nUnits: units }));
    this.golden = golden;
    this.twin = buildModel(config, specs, { generator: new Generator(0) });
    loadGoldenWeights(this.twin, golden, "init");
    this.optimizer = new AdamW(
      parameterGroups(this.twin.namedParameters(), {
        learningRate: trainer.lr,
        coreLrScale: trainer.core_lr / trainer.lr,
        weightDecay: trainer.weight_decay,
      }),
    );
    const precision = parsePrecision(trainer.precision);
    this.isExact = precision === "32";
    this.lossTolerance = this.isExact ? { atol: 0, rtol: 1e-5 } : { atol: 0, rtol: 2e-2 };
    this.lossOptions = { logInput, precision, device: "cpu", legacyMask: true };
    this.step = new TrainingStep({
      ...this.lossOptions,
      twin: this.twin,
      optimizer: this.optimizer,
      regularizers: new Regularizers(config.regularization, this.twin.namedParameters(), { proximalPasses: "groups" }),
      gradientClipVal: trainer.gradient_clip_norm,
      accumulateGradBatches: trainer.accumulate_grad_batches,
    });
  }

  /** The parameters, in module order. */
  get parameters(): Tensor[] {
    return [...this.twin.namedParameters()].map(({ tensor }) => tensor);
  }

  /** Trains and compares. Gradients may be changed in the pauses before updates. */
  *train(compare: Comparison): IterableIterator<Pause> {
    const { trainer, batches } = this.golden.json;
    const { accumulate_grad_batches: accumulate } = trainer;
    const baseRates = this.optimizer.groups.map(({ lr }) => lr);
    let steps = 0;
    for (let epoch = 0; epoch < trainer.epochs; epoch++) {
      this.setRates(baseRates, epoch);
      for (let batch = 0; batch < batches.length; batch++) {
        const report = scope(() => this.step.backward(this.groups("batch", batches[batch]!, batch), epoch));
        if ((batch + 1) % accumulate === 0 || batch + 1 === batches.length) {
          yield { validated: null };
          if (steps === 0 && this.isExact) this.compareGradients(compare);
          const gradients = this.countGradients();
          this.compareUpdate(compare, steps++, this.step.update(epoch), gradients);
        }
        this.compareBatch(compare, this.golden.json.per_batch[epoch * batches.length + batch]!, report, steps);
        if (epoch === 0 && batch === 0 && this.isExact && this.hasWeights("after_batch1")) {
          this.compareWeights(compare, "after_batch1");
        }
      }
      const result = this.validate();
      if (result !== null) yield { validated: { epoch, result } };
    }
  }

  compareFinal(compare: Comparison): void {
    this.compareWeights(compare, "final");
    const { optimizer_steps_by_parameter: steps, parameters_never_updated: never } = this.golden.json;
    for (const [name, { step, expAvg, expAvgSq }] of this.optimizer.state) {
      const key = PREFIX + name;
      compare.exact(`updates of ${name}`, [step.item()], [steps[key] ?? 0]);
      if (!this.golden.has(`adam_m.${key}`)) continue;
      compare.close(`adam_m ${name}`, expAvg.toArray(), this.golden.tensor(`adam_m.${key}`), { atol: 1e-5, rtol: 0 });
      compare.close(`adam_v ${name}`, expAvgSq.toArray(), this.golden.tensor(`adam_v.${key}`), { atol: 1e-5, rtol: 0 });
    }
    const untouched = [...this.twin.namedParameters()]
      .map(({ name }) => name)
      .filter((n) => !this.optimizer.state.has(n));
    const updated = [...this.optimizer.state.keys()].map((name) => PREFIX + name);
    compare.same(
      "updated",
      updated.sort(),
      Object.keys(steps)
        .filter((name) => steps[name]! > 0)
        .sort(),
    );
    if (never) compare.same("never updated", untouched.map((name) => PREFIX + name).sort(), never.toSorted());
  }

  [Symbol.dispose](): void {
    this.optimizer.dispose();
    this.twin.dispose();
  }

  private groups(
    kind: "batch" | "valbatch",
    groups: readonly { dataset_idx: number }[],
    number: number,
  ): SessionBatch[] {
    return goldenBatch(this.golden, groups, `${kind}${number}`);
  }

  private setRates(baseRates: readonly number[], epoch: number): void {
    const { lr_scheduler: kind, warmup_epochs, restart_period, epochs } = this.golden.json.trainer;
    const schedule = { kind, warmupEpochs: warmup_epochs ?? undefined, restartPeriod: restart_period ?? undefined };
    for (const [i, group] of this.optimizer.groups.entries()) {
      group.lr = scheduledRate(schedule, baseRates[i]!, epoch, epochs);
    }
  }

  private countGradients(): number {
    return scope(() => gradsOf(this.optimizer.parameters()).filter((gradient) => gradient !== null).length);
  }

  private compareBatch(compare: Comparison, golden: GoldenBatch, report: BatchReport, steps: number): void {
    const where = `epoch ${golden.epoch} batch ${golden.batch}`;
    const losses = report.losses.map(({ loss }) => loss);
    const expected = golden.group_losses.map(Number);
    compare.close(`group losses, ${where}`, losses, expected, this.lossTolerance);
    compare.close(`base loss, ${where}`, [report.baseLoss], [golden.base_loss], this.lossTolerance);
    compare.close(`total loss, ${where}`, [report.totalLoss], [golden.total_loss], this.lossTolerance);
    compare.exact(`global step, ${where}`, [steps], [golden.global_step]);
  }

  private compareUpdate(compare: Comparison, number: number, { gradNorm }: UpdateReport, gradients: number): void {
    const golden = this.golden.json.per_optimizer_step[number]!;
    const rates = this.optimizer.groups.map(({ lr }) => lr);
    compare.close(`rates, step ${number}`, rates, golden.lrs, { atol: 0, rtol: 1e-12 });
    compare.exact(`parameters with a gradient, step ${number}`, [gradients], [golden.n_params_with_grad]);
    if (!this.isExact) return;
    const tolerance = { atol: 0, rtol: 1e-4 };
    compare.close(`gradient norm, step ${number}`, [gradNorm], [golden.grad_norm_before_clip], tolerance);
  }

  private compareGradients(compare: Comparison): void {
    scope(() => {
      const parameters = [...this.twin.namedParameters()];
      const gradients = gradsOf(parameters.map(({ tensor }) => tensor));
      for (const [i, { name }] of parameters.entries()) {
        const gradient = gradients[i];
        const key = `grad0_unclipped.${PREFIX}${name}`;
        compare.same(`${name} has a gradient`, gradient != null, this.golden.has(key));
        if (gradient) compare.relative(`gradient of ${name}`, gradient.toArray(), this.golden.tensor(key), 1e-4);
      }
    });
  }

  private hasWeights(prefix: string): boolean {
    return this.golden.has(`${prefix}.${PREFIX}${[...this.twin.stateDict().keys()][0]}`);
  }

  private compareWeights(compare: Comparison, prefix: string): void {
    for (const [name, tensor] of this.twin.stateDict()) {
      const expected = this.golden.tensor(`${prefix}.${PREFIX}${name}`);
      compare.close(`${prefix} ${name}`, tensor.toArray(), expected, { atol: 2e-5, rtol: 0 });
    }
  }

  private validate(): ValidationResult | null {
    const { val_batches: batches } = this.golden.json;
    if (batches === null) return null;
    using summary = new Validation(this.twin.eval() as Twin, this.lossOptions);
    for (const [i, groups] of batches.entries()) scope(() => summary.add(this.groups("valbatch", groups, i)));
    this.twin.train();
    return summary.result();
  }

  /** @param results of all processes, whose scores the reference adds up although each was measured on other samples */
  compareValidation(compare: Comparison, epoch: number, results: readonly ValidationResult[]): void {
    const golden = this.golden.json.validation.find((record) => record.epoch === epoch);
    if (golden === undefined) return;
    const scores = results[0]!.scores.map(({ session }, i) => ({
      session,
      sum: results.reduce((sum, result) => sum + result.scores[i]!.sum, 0),
      count: results.reduce((count, result) => count + result.scores[i]!.count, 0),
    }));
    const metrics = validationMetrics({ losses: results.flatMap(({ losses }) => losses), scores });
    for (const [key, value] of Object.entries(golden.metrics)) {
      // Bits per spike are differences of much larger numbers.
      const tolerance = key.startsWith("val_bps") ? { atol: 2e-5, rtol: 1e-4 } : this.lossTolerance;
      compare.close(`${key}, epoch ${epoch}`, [metrics[key] ?? Number.NaN], [value], tolerance);
    }
  }
}
