import { describe, expect, test } from "vitest";
import { OpaqueObject } from "../formats/pickle.ts";
import { jsonValue, mappingOf } from "./import-values.ts";

function convert(value: unknown): [unknown, string[]] {
  const leftOut: string[] = [];
  return [jsonValue(value, "it", leftOut), leftOut];
}

/** An object of a class derived from dict. */
function dictObject(name: string, items: unknown[]): OpaqueObject {
  const object = new OpaqueObject(name, []);
  object.items = items;
  return object;
}

function namespace(name: string, state: unknown): OpaqueObject {
  const object = new OpaqueObject(name, []);
  object.state = state;
  return object;
}

describe("jsonValue()", () => {
  test.each<[string, unknown, unknown]>([
    [
      "dictionaries",
      new Map<unknown, unknown>([
        ["a", 1],
        [2, [true, null]],
      ]),
      { a: 1, "2": [true, null] },
    ],
    ["sets", new Set([1, 2]), [1, 2]],
    [
      "numbers JSON does not have",
      [Number.NaN, Number.POSITIVE_INFINITY, -Infinity, 2n ** 70n],
      ["nan", "inf", "-inf", String(2n ** 70n)],
    ],
    ["namespaces", namespace("argparse.Namespace", new Map([["gpu", 0]])), { gpu: 0 }],
    ["classes derived from dict", dictObject("lightning.AttributeDict", ["lr", 0.1, "wd", 0]), { lr: 0.1, wd: 0 }],
    ["paths", new OpaqueObject("pathlib.PosixPath", ["/", "data", "d.yaml"]), "/data/d.yaml"],
    ["paths of newer Pythons", new OpaqueObject("pathlib._local.PurePosixPath", ["a", "b"]), "a/b"],
  ])("converts %s", (_, value, expected) => {
    expect(convert(value)).toEqual([expected, []]);
  });

  test("leaves out what has no counterpart, and says what and where", () => {
    const value = new Map<string, unknown>([
      ["keep", 1],
      ["net", namespace("my_lab.Net", new Map([["weight", 1]]))],
      ["raw", new Uint8Array(3)],
      ["inner", new Map([["list", [1, new OpaqueObject("my_lab.thing", null)]]])],
    ]);
    expect(convert(value)).toEqual([
      { keep: 1, inner: { list: [1, null] } },
      ["it.net (my_lab.Net)", "it.raw (bytes)", "it.inner.list.1 (my_lab.thing)"],
    ]);
  });

  test("leaves out what contains itself, or is nested too deeply", () => {
    const loop = new Map<string, unknown>([["a", 1]]);
    loop.set("self", loop);
    expect(convert(loop)).toEqual([{ a: 1 }, ["it.self (contains itself)"]]);
    const shared = new Map([["b", 2]]);
    expect(convert([shared, shared])).toEqual([[{ b: 2 }, { b: 2 }], []]);
    let deep: unknown = 1;
    for (let i = 0; i < 2000; i++) deep = [deep];
    expect(convert(deep)[1]).toEqual([expect.stringContaining("nested more than 100 levels deep")]);
  });

  test("gives up on values without end, and says so", () => {
    const many = Array.from({ length: 200_000 }, (_, i) => i);
    const [value, leftOut] = convert(many);
    expect((value as unknown[]).length).toBeLessThan(many.length);
    expect(leftOut).toEqual([expect.stringMatching(/^it\.\d+ and what follows \(too many values\)$/)]);
    expect(convert(many.map(() => new Uint8Array(1)))[1].length).toBeLessThan(100);
  });

  test("keeps keys that JavaScript gives a meaning as mere keys", () => {
    const [value] = convert(new Map([["__proto__", new Map([["polluted", true]])]]));
    expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":true}}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

test("mappingOf() takes no object for a mapping that has keys of other kinds", () => {
  expect(mappingOf(dictObject("x.D", [1, 2]))).toBeUndefined();
  expect(mappingOf(dictObject("x.D", ["a"]))).toBeUndefined();
  expect(mappingOf(new OpaqueObject("argparse.Namespace", null))).toBeUndefined();
  expect(mappingOf(5)).toBeUndefined();
});
