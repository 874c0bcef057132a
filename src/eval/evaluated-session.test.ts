import { describe, expect, test } from "vitest";
import { matchUnits } from "./evaluated-session.ts";

describe("matchUnits()", () => {
  test("keeps all units in the order of the readout when nothing has changed", () => {
    const { cids, columns, gone, unknown } = matchUnits([7, 2, 4], [7, 2, 4], 8);
    expect([cids, [...columns], gone, unknown]).toEqual([[7, 2, 4], [0, 1, 2], [], []]);
  });

  test("matches by number whatever the order of the data's units", () => {
    const { cids, columns } = matchUnits([7, 2, 4], [2, 4, 7], 8);
    expect([cids, [...columns]]).toEqual([
      [7, 2, 4],
      [0, 1, 2],
    ]);
  });

  test("lists units that are gone and units that the twin does not know", () => {
    const { cids, columns, gone, unknown } = matchUnits([7, 2, 4], [4, 9, 2], 10);
    expect([cids, [...columns], gone, unknown]).toEqual([[2, 4], [1, 2], [7], [9]]);
  });

  test("counts units beyond the recordings as gone", () => {
    expect(matchUnits([0, 5], [0, 5], 5)).toMatchObject({ cids: [0], gone: [5] });
  });
});
