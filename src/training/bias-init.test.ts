import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { buildModel } from "../models/build.ts";
import { Generator } from "../torch/index.ts";
import { biasForRate, initializeReadoutBiases, unitRates } from "./bias-init.ts";
import { tinyModel, tinySession, tinySessions } from "./tiny-run.fake.ts";

describe("unitRates()", () => {
  test("leaves out masked frames and counts that are not numbers", () => {
    const robs = Float32Array.of(1, 0, Number.NaN, 2, 3, 4, Number.NaN, 1);
    const dfs = Float32Array.of(1, 1, 0, 1, 1, 0, 1, 1);
    expect(Array.from(unitRates([{ robs, dfs, units: 2, dfsColumns: 2 }]))).toEqual([2, 1]);
  });

  test("gives a unit without valid frames a rate of 0", () => {
    const source = { robs: Float32Array.of(5), dfs: Float32Array.of(0), units: 1, dfsColumns: 1 };
    expect(Array.from(unitRates([source]))).toEqual([0]);
  });
});

test("biasForRate() inverts the output activation", () => {
  expect(Math.log1p(Math.exp(biasForRate(0.3, false)))).toBeCloseTo(0.3, 12);
  expect(biasForRate(25, false)).toBe(25);
  expect(biasForRate(0, false)).toBeCloseTo(Math.log(1e-6), 4);
  expect(biasForRate(0, true)).toBeCloseTo(Math.log(1e-8), 12);
});

test("initializeReadoutBiases() refuses sessions with other units", () => {
  const sessions = tinySessions();
  const specs = sessions.map(({ session, nUnits }) => ({ name: session, nUnits }));
  const twin = buildModel(tinyModel(), specs, { generator: new Generator(0) });
  const changed = [tinySession("Allen_2022-02-16", { units: 5 }), ...sessions.slice(1)];
  expect(() => initializeReadoutBiases(twin, changed, false)).toThrow(UserError);
  expect(() => initializeReadoutBiases(twin, changed, false)).toThrow(
    'session "Allen_2022-02-16": it has 5 units, its readout 3',
  );
  twin.dispose();
});
