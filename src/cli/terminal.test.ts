import { expect, test } from "vitest";
import { formatTable } from "./terminal.ts";

test("formatTable() aligns the first column left and numbers right", () => {
  expect(
    formatTable(
      ["session", "units"],
      [
        ["A_1", "4"],
        ["Longer_2", "120"],
      ],
    ),
  ).toBe("session   units\nA_1           4\nLonger_2    120");
});
