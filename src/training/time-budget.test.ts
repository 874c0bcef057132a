import { expect, test } from "vitest";
import { epochsWithinBudget } from "./time-budget.ts";

test("epochsWithinBudget() adds the epochs that fit, none when time is up", () => {
  expect(epochsWithinBudget({ epochsDone: 2, secondsLeft: 35, epochSeconds: 10 })).toBe(5);
  expect(epochsWithinBudget({ epochsDone: 2, secondsLeft: 9, epochSeconds: 10 })).toBe(2);
  expect(epochsWithinBudget({ epochsDone: 2, secondsLeft: -9, epochSeconds: 10 })).toBe(2);
  expect(epochsWithinBudget({ epochsDone: 2, secondsLeft: 9, epochSeconds: 10, atLeast: 1 })).toBe(3);
});
