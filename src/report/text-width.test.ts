import { expect, test } from "vitest";
import { textWidth, wrapText } from "./text-width.ts";

test("textWidth() knows narrow letters from wide ones", () => {
  expect(textWidth("WWW", 10)).toBeGreaterThan(textWidth("iii", 10) * 3);
  expect(textWidth("", 10)).toBe(0);
});

test("wrapText() breaks between words only, and loses none", () => {
  const text = "spikes per second and antidisestablishmentarianism";
  const lines = wrapText(text, 60);
  expect(lines.join(" ")).toBe(text);
  expect(lines.length).toBeGreaterThan(2);
  expect(wrapText("one", 1)).toEqual(["one"]);
});
