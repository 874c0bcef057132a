/**
 * @file Training steps by CUDA graphs: a whole step (forward, backward, clipping, update, projections) is recorded for every
 * shape of batch that repeats, and done again with other values.
 *
 * A recorded step runs the operators of the same step without recording, on the same numbers: batches are copied into tensors that stay
 * where they are, learning rates and the scale of the loss lie on the device, and where anything else changes that a recording
 * takes as given, it is made anew, see {@link TrainingStep.constants}.
 */

import type { SessionBatch } from "../data/loader.ts";
import { UserError } from "../errors.ts";
import { CudaGraphs, empty, noGrad, type RecordedWork, type Recorder, type Tensor } from "../torch/index.ts";
import { CUDA_GRAPHS, type TrainOptions } from "./options.ts";
import type { Run } from "./setup.ts";
import type { StartedStep, TrainingStep, WholeStep } from "./step.ts";

/** Steps of a shape before one is recorded: libraries are set up, kernels are chosen and moments are made in them. */
const WARM_UP = 3;

/** Shapes that batches may have, as a multiple of the number of sessions. */
const SHAPES_PER_SESSION = 2;

/** What training does with a batch. */
export type StepRunner = Pick<TrainingStep, "start" | "dispose">;

/** What decides whether steps can be recorded. */
export interface GraphFacts {
  /** Why there are no CUDA graphs on the run's device, or null. */
  missing: string | null;
  numProcesses: number;
  accumulateGradBatches: number;
  optimizer: { name: string; isRecordable: boolean };
  /** Whether the step's numbers are read later. */
  deferred: boolean;
  homogeneousBatches: boolean;
  /** Number of sessions. */
  sessions: number;
}

/** Why the steps of a run cannot be recorded, a clause; null if they can, as far as can be told before. */
export function whyNoGraphs(facts: GraphFacts): string | null {
  const { missing, numProcesses, accumulateGradBatches, optimizer, deferred, homogeneousBatches, sessions } = facts;
  if (missing !== null) return missing;
  if (numProcesses > 1) return `the host takes part in the exchange between ${numProcesses} processes`;
  if (accumulateGradBatches > 1)
    return `a step is made of ${accumulateGradBatches} batches (--accumulate-grad-batches)`;
  if (!optimizer.isRecordable) return `optimizer ${optimizer.name} takes numbers from the host in every step`;
  if (!deferred) return "the host reads the loss of every step before it goes on";
  if (!homogeneousBatches && sessions > 1) {
    return "batches mix sessions, in other numbers every time; with --homogeneous-batches their shapes repeat";
  }
  return null;
}

/**
 * How a run takes its steps: by CUDA graphs where that is wanted and possible, else as they come.
 *
 * @param say gets one sentence where graphs were to be used and are not, also later; nothing for a CPU with `auto`
 * @throws UserError for an unknown `cudaGraphs`
 */
export function chooseStepRunner(
  { step, device, optimizer, settings, sessions }: Run,
  { cudaGraphs = "auto" }: Pick<TrainOptions, "cudaGraphs">,
  say: (message: string) => void,
): StepRunner {
  if (!CUDA_GRAPHS.includes(cudaGraphs)) {
    throw new UserError(`Cannot train: cudaGraphs is ${cudaGraphs}, expected ${CUDA_GRAPHS.join(", ")}`);
  }
  if (cudaGraphs === "off" || (cudaGraphs === "auto" && device === "cpu")) return step;
  const report = (reason: string) => say(`Training without CUDA graphs: ${reason}`);
  const reason = whyNoGraphs({
    ...settings,
    missing: CudaGraphs.missing(device),
    optimizer: { name: settings.optimizer, isRecordable: optimizer.isRecordable },
    deferred: step.deferred,
    sessions: sessions.length,
  });
  if (reason !== null) {
    report(reason);
    return step;
  }
  const mostShapes = SHAPES_PER_SESSION * sessions.length;
  return new GraphedStep({ step, recorder: new CudaGraphs(device), mostShapes, onFallback: report });
}

export interface GraphedStepOptions {
  step: TrainingStep;
  /** Becomes the graphed step's own. */
  recorder: Recorder;
  /** Shapes of batches beyond which nothing is recorded any more. */
  mostShapes: number;
  /** Told once why steps are not recorded any more, a clause. */
  onFallback?: (reason: string) => void;
}

/** Takes steps: those of a shape that it has seen a few times are recorded. */
export class GraphedStep implements StepRunner {
  private readonly step: TrainingStep;
  private readonly options: GraphedStepOptions;
  private readonly inputs = new StaticInputs();
  /** Null once nothing is recorded any more. */
  private recorder: Recorder | null;
  private readonly shapes = new Map<string, Shape>();
  /** What recorded steps take as given. */
  private constants = "";

  constructor(options: GraphedStepOptions) {
    this.options = options;
    this.step = options.step;
    this.recorder = options.recorder;
  }

  /** Shapes whose steps are recorded now. */
  get recorded(): number {
    return [...this.shapes.values()].filter(({ graph }) => graph !== null).length;
  }

  /** As {@link TrainingStep.start}. A step of several batches is never recorded. */
  start(groups: readonly SessionBatch[], epoch: number, isLast: boolean): StartedStep {
    const { recorder } = this;
    if (recorder === null || !isLast) return this.step.start(groups, epoch, isLast);
    this.follow(this.step.constants(epoch));
    const key = shapeOf(groups);
    const shape = this.shapes.get(key) ?? { warmUp: 0, graph: null };
    this.shapes.set(key, shape);
    if (this.shapes.size > this.options.mostShapes) {
      this.giveUp(`batches have had ${this.shapes.size} different shapes`);
    } else if (shape.graph === null && shape.warmUp < WARM_UP) {
      shape.warmUp++;
      return recorder.warmUp(() => this.step.start(groups, epoch, isLast));
    } else shape.graph ??= this.record(recorder, groups, epoch);
    if (shape.graph === null) return this.step.start(groups, epoch, isLast);
    this.inputs.take(groups);
    this.step.prepareUpdate();
    return shape.graph.replay();
  }

  /** Frees recorded steps and what they compute in. The steps themselves are not this one's. */
  dispose(): void {
    this.forget();
    this.inputs.dispose();
    this.recorder?.dispose();
    this.recorder = null;
  }

  /** Null, and never again, if the step cannot be recorded. */
  private record(recorder: Recorder, groups: readonly SessionBatch[], epoch: number): GraphOfStep | null {
    let report: WholeStep | undefined;
    let work: RecordedWork | undefined;
    try {
      const inputs = this.inputs.take(groups);
      work = recorder.record(() => {
        report = this.step.startOnDevice(inputs, epoch);
        return [report.batch, report.update].map(({ pending }) => pending!);
      });
      // Moments that are made while recording would be made again in every step.
      if (this.step.constants(epoch) !== this.constants) throw new Error("a parameter had its first gradient");
      return new GraphOfStep(work, report!);
    } catch (error) {
      work?.dispose();
      for (const reading of [report?.batch, report?.update]) reading?.dispose();
      this.step.abandon();
      this.giveUp(error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  /** Recorded steps that take something else as given are of no use any more. */
  private follow(constants: string): void {
    if (constants === this.constants) return;
    this.forget();
    this.constants = constants;
  }

  private giveUp(reason: string): void {
    this.dispose();
    this.options.onFallback?.(reason);
  }

  private forget(): void {
    for (const { graph } of this.shapes.values()) graph?.dispose();
    this.shapes.clear();
  }
}

/** Batches of one shape. */
interface Shape {
  /** Steps that were not recorded. */
  warmUp: number;
  graph: GraphOfStep | null;
}

class GraphOfStep {
  private readonly work: RecordedWork;
  private readonly report: WholeStep;

  constructor(work: RecordedWork, report: WholeStep) {
    this.work = work;
    this.report = report;
  }

  replay(): StartedStep {
    this.work.replay();
    // The next step overwrites its numbers.
    return { batch: this.report.batch.again(), update: this.report.update.again() };
  }

  dispose(): void {
    this.work.dispose();
  }
}

const INPUTS = ["stimulus", "robs", "dfs", "behavior", "history"] as const;

/** Sessions of a batch, and what is served of each. */
function shapeOf(groups: readonly SessionBatch[]): string {
  return JSON.stringify(groups.map((group) => [group.session, ...INPUTS.map((name) => describe(group[name]))]));
}

function describe(values: Tensor | null): string {
  return values === null ? "none" : `${values.dtype} ${values.shape.join("x")}`;
}

/** Tensors for the values of batches, at the same place for all batches of a shape. Shapes share what they can. */
class StaticInputs {
  private readonly tensors = new Map<string, Tensor>();

  /** Copies the values of a batch. */
  take(groups: readonly SessionBatch[]): SessionBatch[] {
    return noGrad(() =>
      groups.map((group, i) => {
        const copies = INPUTS.map((name) => [name, group[name] && this.copyOf(`${i} ${name}`, group[name])]);
        return { ...group, ...Object.fromEntries(copies) } as SessionBatch;
      }),
    );
  }

  dispose(): void {
    for (const tensor of this.tensors.values()) tensor.dispose();
    this.tensors.clear();
  }

  private copyOf(role: string, values: Tensor): Tensor {
    const key = `${role} ${describe(values)}`;
    let copy = this.tensors.get(key);
    if (!copy) {
      const { shape, dtype, device } = values;
      copy = empty(shape, { dtype, device }).keep();
      this.tensors.set(key, copy);
    }
    return copy.copy_(values);
  }
}
