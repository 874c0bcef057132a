import { expect, test } from "vitest";
import { REPEAT_SCORE_TITLES } from "../eval/repeats/scores.ts";
import { fakeEvaluation } from "./evaluation.fake.ts";
import { poolUnits } from "./evaluation-units.ts";
import { scoreDefinition } from "./score-definitions.ts";

test("scoreDefinition() knows every score that analyses give", () => {
  const keys = [...Object.keys(REPEAT_SCORE_TITLES), ...poolUnits(fakeEvaluation()).scores.keys()];
  expect(keys.filter((key) => scoreDefinition(key) === null)).toEqual([]);
});

test("scoreDefinition() takes the longest name that a key begins with", () => {
  const formula = (key: string) => scoreDefinition(key)!.formula;
  expect(formula("ccnorm_signal_power")).not.toBe(formula("ccnorm"));
  expect(formula("bps_true_rates_backimage")).toBe(formula("bps_true_rates"));
  expect(formula("explained_variance_psth")).not.toBe(formula("explained_variance"));
  expect(formula("feve")).not.toBe(formula("fev"));
  expect(formula("model_f1_f0")).toBe(`For predicted rates: ${formula("f1_f0")}`);
  expect(scoreDefinition("unheard_of")).toBeNull();
});
