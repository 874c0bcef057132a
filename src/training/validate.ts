/**
 * @file Validation: losses and bits per spike over a fixed set of samples, without gradients (training specification,
 * section 9).
 */

import { setImmediate } from "node:timers/promises";
import type { BatchLoader, SessionBatch } from "../data/loader.ts";
import type { Twin } from "../models/twin.ts";
import { noGrad, scope, stack } from "../torch/index.ts";
import { BitsPerSpike, sumScores } from "./bits-per-spike.ts";
import type { Replica } from "./distributed.ts";
import { type GroupLoss, type ValidationResult, validationMetrics } from "./metrics.ts";
import { groupLosses, type LossOptions, predict } from "./step.ts";

/** A validation in progress. The twin must be in evaluation mode. */
export class Validation implements Disposable {
  private readonly twin: Twin;
  private readonly options: LossOptions;
  private readonly scorers: readonly BitsPerSpike[];
  private losses: (GroupLoss & { batch: number })[] = [];

  constructor(twin: Twin, options: LossOptions) {
    this.twin = twin;
    this.options = options;
    this.scorers = twin.sessions.map(({ nUnits }) => new BitsPerSpike(nUnits, { device: options.device }));
  }

  /**
   * Adds a batch.
   *
   * @param batch its number among the batches of all processes
   */
  add(groups: readonly SessionBatch[], batch = 0): void {
    noGrad(() =>
      scope(() => {
        const predictions = predict(this.twin, groups, this.options);
        for (const [i, { session, robs, dfs }] of groups.entries()) {
          const rates = this.options.logInput ? predictions[i]!.exp() : predictions[i]!;
          this.scorers[session]!.add(rates, robs, dfs);
        }
        const losses = stack(groupLosses(predictions, groups, this.options)).toTypedArray();
        for (const [i, { name, indices }] of groups.entries()) {
          this.losses.push({ session: name, loss: Number(losses[i]), samples: indices.length, batch });
        }
      }),
    );
  }

  /** Takes over what all processes have added, so that all know what one would know that had seen every batch. */
  merge(replica: Replica): void {
    const { group } = replica;
    const { sessionNames } = this.twin;
    group.allReduce(this.scorers.map(({ sums }) => sums));
    const samples = group.reduceNumbers(this.scorers.map((scorer) => scorer.samples));
    for (const [i, scorer] of this.scorers.entries()) scorer.samples = samples[i]!;
    const own = this.losses.map(({ session, loss, samples: n, batch }) => [
      batch,
      sessionNames.indexOf(session),
      loss,
      n,
    ]);
    // In the order in which one process would have added them: sums are the same bits then.
    const rows = replica.gatherRows(own, 4).sort((a, b) => a[0]! - b[0]!);
    this.losses = rows.map(([batch, session, loss, n]) => ({
      batch: batch!,
      session: sessionNames[session!]!,
      loss: loss!,
      samples: n!,
    }));
  }

  /** Metrics of all batches by tracker key. */
  metrics(): Record<string, number> {
    return validationMetrics(this.result());
  }

  /** What the metrics follow from. */
  result(): ValidationResult {
    const scores = this.scorers.map((scorer, session) => ({
      session: this.twin.sessionNames[session]!,
      // A session without samples has nothing to score, though the formula gives its units 0.
      ...sumScores(scorer.samples > 0 ? scorer.scores({ silent: "formula" }) : new Float64Array(0)),
    }));
    return { losses: [this.losses], scores };
  }

  [Symbol.dispose](): void {
    for (const scorer of this.scorers) scorer.dispose();
  }
}

/** How {@link validate} works. */
export interface ValidateOptions {
  signal?: AbortSignal | undefined;
  /** Every process takes its share of the batches, and all get the same metrics. */
  replica?: Replica | undefined;
}

/**
 * Validates a twin and leaves it in training mode. Gives the event loop a turn after every batch.
 *
 * Batches are what they are with one process, each computed by one of the processes, so that losses and scores do not depend
 * on the number of processes.
 *
 * @param batches global indices, batch by batch
 * @returns metrics by tracker key, or null when `signal` stopped it, on any of the processes
 */
export async function validate(
  twin: Twin,
  loader: BatchLoader,
  batches: readonly Int32Array[],
  options: LossOptions,
  { signal, replica }: ValidateOptions = {},
): Promise<Record<string, number> | null> {
  using validation = new Validation(twin, options);
  replica?.shareStatistics();
  twin.eval();
  try {
    for (const [i, plan] of batches.entries()) {
      if (replica && i % replica.world !== replica.rank) continue;
      if (signal?.aborted) break;
      scope(() => validation.add(loader.load(plan).groups, i));
      await setImmediate();
    }
    const stopped = signal?.aborted ?? false;
    if (replica ? replica.largest(Number(stopped)) === 1 : stopped) return null;
    if (replica) validation.merge(replica);
    return validation.metrics();
  } finally {
    twin.train();
  }
}
