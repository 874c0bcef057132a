/**
 * @file The golden decisions about a time budget, on a clock that is made up (training specification, section 17.3).
 */
import { epochsWithinBudget } from "../training/time-budget.ts";
import { type CaseResult, type Comparison, readGolden, runCase } from "./golden.ts";

interface BudgetCase {
  budget_minutes: number;
  max_epochs: number;
  /** Batches per epoch as configured and as there are. */
  steps_per_epoch: number;
  actual_batches_per_epoch: number;
  /** Durations of batches, in turns. */
  step_secs: number[];
  val_secs: number;
  decided_at: { epoch: number; batch: number; clock: number };
  new_max_epochs: number;
}

/** Batches at the start of every epoch that the reference does not time, and how many it then does. */
const UNTIMED = 5;
const TIMED = 20;

/** Repeats the reference's estimates with our arithmetic, and runs the same clock against our own rule. */
export function verifyTimeBudget(folder: string): CaseResult {
  const { time_budget: cases } = readGolden<{ time_budget: BudgetCase[] }>(folder, "callbacks").json;
  return runCase("callbacks/time_budget", (compare) => {
    for (const [i, golden] of cases.entries()) {
      compareReference(compare, golden, `case ${i}`);
      compareOurs(compare, golden, `case ${i}`);
    }
  });
}

/** Once, after twenty timed batches, with the first validation if that is over; nothing changes when time is up already. */
function compareReference(compare: Comparison, golden: BudgetCase, where: string): void {
  const { steps_per_epoch: steps, actual_batches_per_epoch: batches, step_secs, val_secs, decided_at } = golden;
  let clock = 0;
  let [sum, count, step] = [0, 0, 0];
  for (let epoch = 0; ; epoch++) {
    for (let batch = 0; batch < batches; batch++) {
      const seconds = step_secs[step++ % step_secs.length]!;
      clock += seconds;
      if (batch < UNTIMED) continue;
      sum += seconds;
      if (++count < TIMED) continue;
      compare.same(`${where}: decided in`, [epoch, batch], [decided_at.epoch, decided_at.batch]);
      compare.close(`${where}: decided at`, [clock], [decided_at.clock], { atol: 1e-9, rtol: 0 });
      const secondsLeft = golden.budget_minutes * 60 - clock;
      const epochSeconds = (sum / count) * steps + (epoch > 0 ? val_secs : 0);
      const planned = epochsWithinBudget({ epochsDone: epoch + 1, secondsLeft, epochSeconds, atLeast: 1 });
      compare.exact(`${where}: epochs`, [secondsLeft > 0 ? planned : golden.max_epochs], [golden.new_max_epochs]);
      return;
    }
    clock += val_secs;
  }
}

/** After every epoch; a run ends in time. */
function compareOurs(compare: Comparison, golden: BudgetCase, where: string): void {
  const { actual_batches_per_epoch: batches, step_secs, val_secs, max_epochs: maxEpochs } = golden;
  const budget = golden.budget_minutes * 60;
  const training = Array.from({ length: batches }, (_, i) => step_secs[i % step_secs.length]!);
  const epochSeconds = training.reduce((sum, seconds) => sum + seconds, val_secs);
  let [clock, done, planned] = [0, 0, maxEpochs];
  while (done < planned && clock + epochSeconds <= budget) {
    clock += epochSeconds;
    done++;
    planned = Math.min(maxEpochs, epochsWithinBudget({ epochsDone: done, secondsLeft: budget - clock, epochSeconds }));
  }
  const fitting = Math.min(maxEpochs, Math.floor(budget / epochSeconds));
  compare.exact(`${where}: whole epochs of ours`, [done], [fitting]);
  // The schedule ends with the run, unless not even its first epoch fits.
  if (done > 0) compare.exact(`${where}: planned epochs of ours`, [planned], [done]);
}
