/**
 * @file Validation: losses and bits per spike over a fixed set of samples, without gradients (training specification,
 * section 9).
 */

import { setImmediate } from "node:timers/promises";
import type { BatchLoader, SessionBatch } from "../data/loader.ts";
import type { Twin } from "../models/twin.ts";
import { noGrad, scope, stack } from "../torch/index.ts";
import { BitsPerSpike, sumScores } from "./bits-per-spike.ts";
import { type GroupLoss, validationMetrics } from "./metrics.ts";
import { groupLosses, type LossOptions, predict } from "./step.ts";

/** A validation in progress. The twin must be in evaluation mode. */
export class Validation implements Disposable {
  private readonly twin: Twin;
  private readonly options: LossOptions;
  private readonly scorers: readonly BitsPerSpike[];
  private readonly losses: GroupLoss[] = [];

  constructor(twin: Twin, options: LossOptions) {
    this.twin = twin;
    this.options = options;
    this.scorers = twin.sessions.map(({ nUnits }) => new BitsPerSpike(nUnits, { device: options.device }));
  }

  /** Adds a batch. */
  add(groups: readonly SessionBatch[]): void {
    noGrad(() =>
      scope(() => {
        const predictions = predict(this.twin, groups, this.options);
        for (const [i, { session, robs, dfs }] of groups.entries()) {
          const rates = this.options.logInput ? predictions[i]!.exp() : predictions[i]!;
          this.scorers[session]!.add(rates, robs, dfs);
        }
        const losses = stack(groupLosses(predictions, groups, this.options)).toTypedArray();
        for (const [i, { name, indices }] of groups.entries()) {
          this.losses.push({ session: name, loss: Number(losses[i]), samples: indices.length });
        }
      }),
    );
  }

  /** Metrics of all batches by tracker key. */
  metrics(): Record<string, number> {
    const scores = this.scorers.map((scorer, session) => ({
      session: this.twin.sessionNames[session]!,
      // A session without samples has nothing to score, though the formula gives its units 0.
      ...sumScores(scorer.samples > 0 ? scorer.scores({ silent: "formula" }) : new Float64Array(0)),
    }));
    return validationMetrics({ losses: [this.losses], scores });
  }

  [Symbol.dispose](): void {
    for (const scorer of this.scorers) scorer.dispose();
  }
}

/**
 * Validates a twin and leaves it in training mode. Gives the event loop a turn after every batch.
 *
 * @param batches global indices, batch by batch
 * @returns metrics by tracker key, or null when `signal` stopped it
 */
export async function validate(
  twin: Twin,
  loader: BatchLoader,
  batches: readonly Int32Array[],
  options: LossOptions,
  signal?: AbortSignal,
): Promise<Record<string, number> | null> {
  using validation = new Validation(twin, options);
  twin.eval();
  try {
    for (const plan of batches) {
      if (signal?.aborted) return null;
      scope(() => validation.add(loader.load(plan).groups));
      await setImmediate();
    }
    return validation.metrics();
  } finally {
    twin.train();
  }
}
