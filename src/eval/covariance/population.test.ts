import { beforeAll, describe, expect, test } from "vitest";
import { setNumThreads } from "../../torch/index.ts";
import { fakePopulation } from "./eye-population.fake.ts";
import { summarizeEyeCovariance } from "./population.ts";
import { eyeCovariance } from "./session.ts";

describe("summarizeEyeCovariance()", () => {
  const session = (units: number, seed: number) =>
    eyeCovariance(
      { ...fakePopulation({ trials: 80, bins: 40, units, gazeDeg: 0.12, seed }), rates: undefined },
      { windows: [1, 3], shuffles: 0, threshold: 0.07 },
    );
  beforeAll(() => setNumThreads(1));

  test("joins included units of sessions that have enough of them, and names the others", () => {
    const summary = summarizeEyeCovariance([session(10, 1), session(4, 2), session(12, 3)]);
    expect(summary.sessions).toEqual([0, 2]);
    expect(summary.left).toEqual([{ session: 1, reason: "4 units are included: 10 needed" }]);
    expect(summary.windows.map(({ windowBins, units, pairs }) => [windowBins, units, pairs])).toEqual([
      [1, 22, 45 + 66],
      [3, 22, 45 + 66],
    ]);
    const [window] = summary.windows;
    expect(window!.fanoUncorrected.centre).toBeGreaterThan(window!.fanoCorrected.centre);
    expect(window!.fanoTest.p).toBeLessThan(0.001);
    expect(Math.abs(window!.noiseCorrelationCorrected)).toBeLessThan(0.05);
    expect(window!.oneMinusAlpha.quartiles[0]).toBeLessThanOrEqual(window!.oneMinusAlpha.centre);
    expect(summary.subspaces.map(({ session }) => session)).toEqual([0, 2]);
    for (const { overlap, eyeInPsth, psthInEye, psthParticipation } of summary.subspaces) {
      for (const share of [overlap, eyeInPsth, psthInEye]) {
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThanOrEqual(1 + 1e-9);
      }
      // The PSTHs are sums of sines of two frequencies at many phases: four dimensions, of which two are strong.
      expect(psthParticipation).toBeGreaterThan(1.5);
      expect(psthParticipation).toBeLessThan(4);
    }
  });

  test("counts only included units", () => {
    const given = session(11, 4);
    given.included[5] = 0;
    const summary = summarizeEyeCovariance([given]);
    expect(summary.windows[0]).toMatchObject({ units: 10, pairs: 45 });
    given.included[0] = 0;
    expect(summarizeEyeCovariance([given])).toMatchObject({ sessions: [], windows: [], subspaces: [] });
    expect(summarizeEyeCovariance([])).toEqual({ sessions: [], left: [], windows: [], subspaces: [] });
  });
});
