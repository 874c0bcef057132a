/**
 * @file Ends a run that has gone wrong, with a message that says where (training specification, section 24).
 */

import { UserError } from "../errors.ts";
import type { BatchReport, UpdateReport } from "./step.ts";

/** Batches without a finite loss, or updates without a finite gradient, in a row. */
const MOST_FAILURES = 50;

/** Counts failures in a row. Single ones are dropped by the training step and do no harm. */
export class HealthCheck {
  private readonly limit: number;
  private emptyBatches = 0;
  private skippedUpdates = 0;

  /** @param limit failures in a row that end a run */
  constructor(limit = MOST_FAILURES) {
    this.limit = limit;
  }

  /**
   * @param explain says where in the batch numbers stop being finite
   * @throws UserError when no session has had a finite loss in so many batches
   */
  afterBatch({ losses }: BatchReport, explain: () => string): void {
    this.emptyBatches = losses.some(({ loss }) => Number.isFinite(loss)) ? 0 : this.emptyBatches + 1;
    if (this.emptyBatches < this.limit) return;
    throw new UserError(
      `Training stopped: no loss was finite in ${this.limit} batches in a row, last ${list(losses)}. ${explain()}`,
      { hint: "Look for missing values or empty masks in these sessions' data, or lower the learning rate." },
    );
  }

  /**
   * @param batch the last batch that the update was made of
   * @param explain says where in that batch numbers stop being finite
   * @throws UserError when so many updates in a row had to be left out
   */
  afterUpdate({ skipped, gradNorm }: UpdateReport, { losses }: BatchReport, explain: () => string): void {
    this.skippedUpdates = skipped ? this.skippedUpdates + 1 : 0;
    if (this.skippedUpdates < this.limit) return;
    throw new UserError(
      `Training stopped: the norm of the gradients was ${gradNorm} in ${this.limit} updates in a row, ` +
        `last with ${list(losses)}. ${explain()}`,
      { hint: "Lower the learning rate, clip gradients, or look at these sessions' data." },
    );
  }
}

function list(losses: BatchReport["losses"]): string {
  return losses.map(({ session, loss }) => `${session} (loss ${loss})`).join(", ");
}

/**
 * Runs a training step.
 *
 * @throws UserError with advice instead of the engine's error when memory runs out
 */
export function withMemoryAdvice<Result>(device: string, samples: number, body: () => Result): Result {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_TORCH_OOM")) throw error;
    const half = Math.max(1, Math.floor(samples / 2));
    throw new UserError(`Out of memory on ${device} in a batch of ${samples} samples`, {
      hint: `Try a batch size of ${half} and twice as many accumulated batches, or bf16-mixed precision.`,
      cause: error,
    });
  }
}
