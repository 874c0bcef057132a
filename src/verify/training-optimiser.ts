/**
 * @file Golden parameter groups, schedules, regularisers, names and checkpoint retention (training specification, sections
 * 4, 10, 11, 14 and 17.1).
 */
import { parseModelConfig, type RegularizerConfig } from "../config/model.ts";
import { buildModel } from "../models/build.ts";
import { AdamW, fromArray, Generator, gradsOf, type NamedTensor, scope } from "../torch/index.ts";
import { experimentName, frozenCoreName } from "../training/naming.ts";
import { parameterGroups } from "../training/optimizers.ts";
import { effectiveLambda, Regularizers } from "../training/regularizers.ts";
import { advanceEarlyStopping, bestKept, type KeptCheckpoint, retainBest } from "../training/retention.ts";
import { advancePlateau, type ScheduleKind, type ScheduleOptions, scheduledRate } from "../training/schedules.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";
import { verifyTimeBudget } from "./training-time-budget.ts";

interface GoldenGroup {
  lr: number;
  weight_decay: number;
  params: string[];
}

interface GroupCase {
  name: string;
  model_config: Record<string, unknown>;
  sessions: { name: string; units: number }[];
  lr: number;
  weight_decay: number;
  core_lr_scale: number;
  frozen_substrings: string[];
  intended: GoldenGroup[];
  regularizer_excluded_names: string[];
}

/** AdamW's groups as they are meant; the reference's own differ by its faults T-01 and T-02. */
export function verifyParameterGroups(folder: string): CaseResult[] {
  const { cases } = readGolden<{ cases: GroupCase[] }>(folder, "param_groups").json;
  return cases.map((golded) => runCase(`param_groups/${golded.name}`, (compare) => compareGroups(compare, golded)));
}

function compareGroups(compare: Comparison, golded: GroupCase): void {
  const config = parseModelConfig(golded.model_config);
  const sessions = golded.sessions.map(({ name, units }) => ({ name, nUnits: units }));
  const twin = buildModel(config, sessions, { generator: new Generator(0) });
  const parameters = [...twin.namedParameters()];
  for (const { name, tensor } of parameters) {
    if (golded.frozen_substrings.some((piece) => name.includes(piece))) tensor.setRequiresGrad(false);
  }
  const { excludedFromDecay } = new Regularizers(config.regularization, parameters);
  const groups = parameterGroups(parameters, {
    learningRate: golded.lr,
    coreLrScale: golded.core_lr_scale,
    weightDecay: golded.weight_decay,
    excludedFromDecay,
  });
  compare.same("excluded", [...excludedFromDecay].sort(), golded.regularizer_excluded_names.toSorted());
  compare.same(
    "groups",
    groups.map((group) => ({
      lr: group.lr,
      weight_decay: group.weightDecay,
      params: group.parameters.map(({ name }) => `model.${name}`),
    })),
    golded.intended.map(({ lr, weight_decay, params }) => ({ lr, weight_decay, params })),
  );
  twin.dispose();
}

interface ScheduleCase {
  type: ScheduleKind;
  base_lrs: number[];
  max_epochs: number;
  warmup_epochs?: number;
  restart_period?: number;
  warmup_start_lr?: number;
  eta_min?: number;
  change_max_epochs_after?: number;
  new_max_epochs?: number;
  metric?: number[];
  lr_used_in_epoch: number[][];
}

/** Rates per epoch, up to the length of the run: beyond it the reference's cosines rise again (T-08) or fail (T-07). */
export function verifySchedules(folder: string): CaseResult[] {
  const { cases } = readGolden<{ cases: ScheduleCase[] }>(folder, "lr_schedules").json;
  return cases.map((golded, i) =>
    runCase(`lr_schedules/${i}_${golded.type}`, (compare) => {
      const options: ScheduleOptions = {
        kind: golded.type,
        warmupEpochs: golded.warmup_epochs,
        restartPeriod: golded.restart_period,
        warmupStartLr: golded.warmup_start_lr,
        etaMin: golded.eta_min,
      };
      let plateau = { factor: 1, best: null as number | null, stale: 0 };
      const expected = golded.lr_used_in_epoch.slice(0, (golded.new_max_epochs ?? golded.max_epochs) + 1);
      for (const [epoch, rates] of expected.entries()) {
        const isChanged = golded.new_max_epochs !== undefined && epoch > golded.change_max_epochs_after!;
        const length = isChanged ? golded.new_max_epochs! : golded.max_epochs;
        const actual = golded.base_lrs.map((base) => scheduledRate(options, base, epoch, length) * plateau.factor);
        compare.close(`epoch ${epoch}`, actual, rates, { atol: 1e-18, rtol: 1e-12 });
        if (golded.type === "plateau") plateau = advancePlateau(plateau, golded.metric![epoch]!);
      }
    }),
  );
}

interface RegularizerGolden {
  params: { name: string; shape: number[] }[];
  matching: { apply_to: string[]; matched: string[] }[];
  schedules: { schedule: Record<string, unknown>; lambda: number; weight: number[] }[];
  penalties: { index?: number; type: string; apply_to?: string[]; lambda?: number; value: number }[];
  prox: {
    index: number;
    type: string;
    lambda: number;
    lr: number;
    epoch: number;
    schedule: Record<string, unknown> | null;
    apply_to: string[];
  }[];
  adam: {
    groups: { params: string[]; lr: number; weight_decay: number }[];
    steps: number;
    lambda: number;
    apply_to: string[];
  };
  weight_decay_exclusion: { specs: Record<string, unknown>[]; excluded: string[] }[];
}

/** A regulariser with defaults filled in, as a model configuration gives it. */
function regularizer(spec: Record<string, unknown>): RegularizerConfig {
  const config = parseModelConfig({ convnet: { type: "none" }, regularization: [{ name: "r", ...spec }] });
  return config.regularization[0]!;
}

/** Matching, strengths, penalties with gradients, projections. */
export function verifyRegularizers(folder: string): CaseResult[] {
  const golden = readGolden<RegularizerGolden>(folder, "regularizers");
  const { matching, schedules, penalties, prox, weight_decay_exclusion: exclusions } = golden.json;
  const inScope = (name: string, body: (compare: Comparison) => void): CaseResult =>
    runCase(`regularizers/${name}`, (compare) => scope(() => body(compare)));
  return [
    ...matching.map(({ apply_to, matched }) =>
      inScope(`matching/${apply_to.join("+") || "empty"}`, (compare) => {
        const config = regularizer({ type: "l2", lambda: 1, apply_to });
        compare.same("names", [...new Regularizers([config], parametersOf(golden)).excludedFromDecay], matched);
      }),
    ),
    ...schedules.map(({ schedule, lambda, weight }, i) => {
      const name = `schedules/${i}_${schedule.kind}`;
      if (schedule.kind === "sawtooth") {
        return inScope(name, (compare) => compareRefusal(compare, schedule, weight));
      }
      return inScope(name, (compare) => {
        const config = regularizer({ type: "l1", lambda, schedule });
        const actual = weight.map((_, epoch) => effectiveLambda(config.lambda, config.schedule, epoch));
        compare.close("strengths", actual, weight, { atol: 1e-15, rtol: 1e-12 });
      });
    }),
    ...penalties.map(({ index, type, apply_to = ["features"], lambda = 1, value }) =>
      inScope(`penalties/${index ?? type}_${type}`, (compare) => {
        const parameters = parametersOf(golden);
        const [penalty] = new Regularizers([regularizer({ type, lambda, apply_to })], parameters).penalties(0);
        compare.close("value", [penalty?.value.item() ?? 0], [value], { atol: 0, rtol: 1e-6 });
        penalty?.value.backward();
        compareGradients(compare, golden, `pen${index}.grad.`, parameters);
      }),
    ),
    ...prox.map(({ index, type, lambda, lr, epoch, schedule, apply_to }) =>
      inScope(`prox/${index}_${type}`, (compare) => {
        const parameters = parametersOf(golden);
        const config = regularizer({ type, lambda, apply_to, ...(schedule && { schedule }) });
        const optimizer = new AdamW([{ name: "all", parameters: [], lr, weightDecay: 0 }]);
        new Regularizers([config], parameters).project(epoch, optimizer);
        compareParameters(compare, golden, `prox${index}.out.`, parameters);
      }),
    ),
    ...(["once", "groups"] as const).map((proximalPasses) =>
      inScope(`adam/${proximalPasses}`, (compare) => compareAdam(compare, golden, proximalPasses)),
    ),
    ...exclusions.map(({ specs, excluded }, i) =>
      inScope(`weight_decay_exclusion/${i}`, (compare) => {
        const { excludedFromDecay } = new Regularizers(specs.map(regularizer), parametersOf(golden));
        compare.same("names", [...excludedFromDecay], excluded);
      }),
    ),
  ];
}

/** A schedule that the reference does not know either: it goes on without the regulariser, we refuse the configuration. */
function compareRefusal(compare: Comparison, schedule: Record<string, unknown>, weight: readonly number[]): void {
  compare.exact("strengths in the reference", weight, Array(weight.length).fill(0));
  let message = "";
  try {
    regularizer({ type: "l1", lambda: 1, schedule });
  } catch (error) {
    message = (error as Error).message;
  }
  compare.same("is refused by name", message.includes(`"${schedule.kind}"`) && message.includes("kind"), true);
}

function parametersOf(golden: GoldenFile<RegularizerGolden>): NamedTensor[] {
  return golden.json.params.map(({ name }) => ({
    name,
    tensor: fromArray(golden.tensor(`param.${name}`))
      .clone()
      .setRequiresGrad(),
  }));
}

function compareGradients(
  compare: Comparison,
  golden: GoldenFile<RegularizerGolden>,
  prefix: string,
  parameters: readonly NamedTensor[],
): void {
  const gradients = gradsOf(parameters.map(({ tensor }) => tensor));
  for (const [i, { name }] of parameters.entries()) {
    const gradient = gradients[i];
    compare.same(`${name} has a gradient`, gradient !== null, golden.has(prefix + name));
    if (gradient) compare.relative(name, gradient.toArray(), golden.tensor(prefix + name), 1e-6);
  }
}

function compareParameters(
  compare: Comparison,
  golden: GoldenFile<RegularizerGolden>,
  prefix: string,
  parameters: readonly NamedTensor[],
): void {
  for (const { name, tensor } of parameters) {
    if (golden.has(prefix + name)) compare.relative(name, tensor.toArray(), golden.tensor(prefix + name), 1e-6);
  }
}

function compareAdam(
  compare: Comparison,
  golden: GoldenFile<RegularizerGolden>,
  proximalPasses: "once" | "groups",
): void {
  const { groups, steps, lambda, apply_to } = golden.json.adam;
  const parameters = parametersOf(golden);
  const named = (name: string) => parameters.find((parameter) => parameter.name === name)!;
  const optimizer = new AdamW(
    groups.map(({ params, lr, weight_decay }, i) => ({
      name: String(i),
      parameters: params.map(named),
      lr,
      weightDecay: weight_decay,
    })),
  );
  for (let k = 0; k < steps; k++) {
    for (const { name, tensor } of parameters) {
      const gradient = `adam.grad${k}.${name}`;
      tensor.setGrad(
        golden.has(gradient) && name !== "readouts.1.bias" ? fromArray(golden.tensor(gradient)).clone() : null,
      );
    }
    optimizer.step();
  }
  compareParameters(compare, golden, "adam.after.", parameters);
  const config = regularizer({ type: "proximal_l1", lambda, apply_to });
  new Regularizers([config], parameters, { proximalPasses }).project(0, optimizer);
  const expected = proximalPasses === "once" ? "adam.prox_once." : "adam.prox_twice.";
  compareParameters(compare, golden, expected, parameters);
  optimizer.dispose();
}

interface NamingCase {
  model_config: string;
  batch_size: number;
  max_datasets: number;
  learning_rate: number;
  weight_decay: number;
  ddp: string;
  single_gpu: string;
  frozencore_from_file: string;
}

/** Names of experiments. */
export function verifyNaming(folder: string): CaseResult[] {
  const { experiment_names: cases } = readGolden<{ experiment_names: NamingCase[] }>(folder, "naming").json;
  return [
    ...cases.map((golded) =>
      runCase(`naming/${golded.ddp}`, (compare) => {
        const options = {
          batchSize: golded.batch_size,
          maxDatasets: golded.max_datasets,
          learningRate: golded.learning_rate,
          weightDecay: golded.weight_decay,
        };
        const { model_config: path } = golded;
        compare.same("ddp", experimentName(path, "ddp", options), golded.ddp);
        compare.same("single_gpu", experimentName(path, "sgpu", options), golded.single_gpu);
        compare.same("frozencore", frozenCoreName(path, options), golded.frozencore_from_file);
      }),
    ),
  ];
}

interface RetentionCase {
  values: number[];
  patience?: number;
  min_delta?: number;
  epochs_run: number;
  files_after_each_epoch: string[][];
  best_file: string;
}

/** Which checkpoints stay and when training stops. */
export function verifyCallbacks(folder: string): CaseResult[] {
  const { checkpoint_cases: cases } = readGolden<{ checkpoint_cases: RetentionCase[] }>(folder, "callbacks").json;
  return [
    ...cases.map(({ values, patience, min_delta: minDelta, ...expected }, i) =>
      runCase(`callbacks/checkpoints_${i}`, (compare) => {
        let kept: KeptCheckpoint[] = [];
        let stopping = { best: null as number | null, stale: 0 };
        const files: string[][] = [];
        for (const [epoch, value] of values.entries()) {
          ({ kept } = retainBest(kept, epoch, value));
          files.push([...kept.map(({ stem }) => `${stem}.ckpt`).sort(), "last.ckpt"]);
          const { state, stop } = advanceEarlyStopping(stopping, value, { patience, minDelta });
          stopping = state;
          if (stop) break;
        }
        compare.same("epochs", files.length, expected.epochs_run);
        compare.same("files", files, expected.files_after_each_epoch);
        compare.same("best", `${bestKept(kept)!.stem}.ckpt`, expected.best_file);
      }),
    ),
    verifyTimeBudget(folder),
  ];
}
