import { describe, expect, test } from "vitest";
import { unpickle } from "./pickle.ts";
import { plainGlobals } from "./pickle-globals.ts";
import { PickleCall, type PickleValue, PickleWriter } from "./pickle-writer.ts";

function written(value: PickleValue): Uint8Array {
  return new PickleWriter().value(value).finish();
}

function roundTrip(value: PickleValue): unknown {
  return unpickle(written(value), { name: "test", resolver: plainGlobals, unknown: "refuse" });
}

describe("PickleWriter", () => {
  test.each([
    ["nothing", null],
    ["truth", true],
    ["falsehood", false],
    ["text", "log_sigma"],
    ["text outside ASCII", "é€😀\n"],
    ["no text", ""],
    ["fractions", 0.1],
    ["negative zero", -0],
    ["infinity", Number.NEGATIVE_INFINITY],
    ["no number", Number.NaN],
    ["an empty list", []],
    ["a list", [1, [2, "3"], null]],
    ["an empty dictionary", new Map()],
    [
      "a dictionary",
      new Map<string, PickleValue>([
        ["b", new Map([["a", [1.5]]])],
        ["a", -1],
      ]),
    ],
  ] as [string, PickleValue][])("writes %s", (_, value) => {
    expect(roundTrip(value)).toEqual(value);
  });

  test.each([
    0,
    255,
    256,
    65_535,
    65_536,
    -1,
    -128,
    -129,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31),
    -(2 ** 31) - 1,
    2 ** 53 - 1,
  ])("writes the integer %d", (value) => {
    expect(roundTrip(value)).toBe(value);
    expect(Number(roundTrip(BigInt(value)))).toBe(value);
  });

  test.each([2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, 255n, -256n, 12345678901234567890n])(
    "writes the large integer %d",
    (value) => {
      expect(BigInt(roundTrip(value) as number)).toBe(value);
    },
  );

  test("refuses an integer that no program would read", () => {
    expect(() => written(2n ** 3000n)).toThrow(RangeError);
  });

  test("keeps the order of a dictionary and grows beyond its first buffer", () => {
    const entries = Array.from({ length: 3000 }, (_, i) => [`key ${3000 - i}`, "x".repeat(i % 7)] as const);
    expect([...(roundTrip(new Map(entries)) as Map<string, string>)]).toEqual(entries);
  });

  test("writes calls", () => {
    const pairs = [["a", 1]];
    const dict = new PickleCall((writer) =>
      writer
        .global("collections", "OrderedDict")
        .tuple([pairs])
        .reduce()
        .items(new Map([["b", 2]])),
    );
    expect(roundTrip([dict])).toEqual([
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
    ]);
  });

  test("is protocol 2", () => {
    expect(Buffer.from(written("a")).toString("latin1")).toBe("\x80\x02X\x01\0\0\0a.");
  });
});
