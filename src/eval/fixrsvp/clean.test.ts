import { describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { alignImages } from "./align-images.ts";
import { cleanTrials, scaledBins, withMinimumFixation, withoutDuplicates } from "./clean.ts";
import { fixationTrials, imageLetters } from "./fixation-trials.fake.ts";
import { selectTrials } from "./fixation-trials.ts";

describe("scaledBins()", () => {
  test("rounds halves to the even number, and gives at least 1", () => {
    expect([scaledBins(20, 240), scaledBins(20, 120), scaledBins(25, 120), scaledBins(27, 120)]).toEqual([
      20, 10, 12, 14,
    ]);
    expect(scaledBins(1, 60)).toBe(1);
  });
});

describe("withoutDuplicates()", () => {
  test("keeps the first of equal trials", () => {
    const trials = selectTrials(fixationTrials("abc", "abd"), [0, 1, 0, 1]);
    expect([...withoutDuplicates(trials).trialNumbers]).toEqual([1, 2]);
  });

  test("keeps trials that differ in gaze only, and all empty ones", () => {
    const twice = selectTrials(fixationTrials("abc", "..."), [0, 0, 1, 1]);
    twice.eyepos[0] = 0.5;
    expect(withoutDuplicates(twice).trials).toBe(4);
  });
});

describe("withMinimumFixation()", () => {
  test("wants more bins than the minimum", () => {
    expect([...withMinimumFixation(fixationTrials("abcd", "abc."), 3).trialNumbers]).toEqual([1]);
  });
});

describe("alignImages()", () => {
  test("cuts late differences, moves late starts, drops the rest", () => {
    const given = fixationTrials("abcdefgh", "abcdexyz", "zzabcde.", "qwertyui", "abcd....");
    const { trials, reference, mismatches } = alignImages(given, { salvageable: 3 });
    expect(imageLetters(trials)).toEqual(["abcdefgh", "abcde...", "abcde...", "abcd...."]);
    expect(reference).toBe(0);
    expect(mismatches).toEqual([
      { trial: 1, bin: 5, repair: "truncated" },
      { trial: 2, bin: 0, repair: "shifted" },
      { trial: 3, bin: 0, repair: "dropped" },
    ]);
    expect([...trials.fixDur]).toEqual([8, 5, 5, 4]);
    expect([...trials.robs.subarray(16, 24)]).toEqual([202, 203, 204, 205, 206, NaN, NaN, NaN]);
    expect([...trials.frames.subarray(16, 19)]).toEqual([18, 19, 20]);
    expect(imageLetters(given)[2]).toBe("zzabcde.");
  });

  test("repairs trials that begin or end without a known image", () => {
    const { trials, mismatches } = alignImages(fixationTrials("abcdef", ".bxdef", "zabcde"), { salvageable: 5 });
    expect(imageLetters(trials)).toEqual(["abcdef", "abcde."]);
    expect(mismatches.map(({ repair }) => repair)).toEqual(["dropped", "shifted"]);
  });

  test("takes the next reference when five trials differ from the first", () => {
    const given = fixationTrials("zyxw", "abcd", "abcd", "abcd", "abcd", "abcd");
    const { trials, reference, mismatches } = alignImages(given, { salvageable: 3 });
    expect({ reference, dropped: mismatches.map(({ trial }) => trial), kept: trials.trials }).toEqual({
      reference: 1,
      dropped: [0],
      kept: 5,
    });
  });

  test("takes the trial with most images when none has all", () => {
    expect(alignImages(fixationTrials("a..", "ab.", "..."), { salvageable: 1 }).reference).toBe(1);
  });

  test("refuses trials without a common sequence", () => {
    const given = fixationTrials("aa", "bb", "cc", "dd", "ee", "ff");
    expect(() => alignImages(given, { salvageable: 1 })).toThrow(UserError);
    expect(() => alignImages(given, { salvageable: 1 })).toThrow("5 or more of 6 trials differ from every reference");
  });

  test("leaves trials without known images, and no trials, as they are", () => {
    const unknown = fixationTrials("ab", "cd");
    unknown.imageIds.fill(-1);
    expect(alignImages(unknown, { salvageable: 1 }).trials).toEqual(unknown);
    expect(alignImages(selectTrials(unknown, []), { salvageable: 1 }).trials.trials).toBe(0);
  });
});

describe("cleanTrials()", () => {
  test("runs the whole chain and says what it left out", () => {
    const given = selectTrials(fixationTrials("abcdef", "abcd..", "ab....", "abczzz"), [0, 1, 1, 2, 3]);
    given.trialNumbers.set([1, 2, 3, 4, 5]);
    const { trials, duplicates, short } = cleanTrials(given, { rate: 120, minFixationBins: 4, salvageableBins: 4 });
    expect({ duplicates, short }).toEqual({ duplicates: [3], short: [4] });
    expect(imageLetters(trials)).toEqual(["abcdef", "abcd..", "abc..."]);
  });
});
