import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { OpaqueObject } from "./pickle.ts";
import { plainValue } from "./plain-value.ts";

describe("plainValue()", () => {
  test("makes objects of dictionaries with string or number keys", () => {
    const value = new Map<unknown, unknown>([
      ["lr", 0.1],
      ["groups", [new Map([[0, "zero"]])]],
    ]);
    expect(plainValue(value, "x")).toEqual({ lr: 0.1, groups: [{ 0: "zero" }] });
  });

  test("keeps dictionaries with other or colliding keys", () => {
    const pair = [1, 2];
    expect(plainValue(new Map([[pair, new Map()]]), "x")).toEqual(new Map([[pair, {}]]));
    const colliding = new Map<unknown, unknown>([
      [1, "a"],
      ["1", "b"],
    ]);
    expect(plainValue(colliding, "x")).toEqual(colliding);
  });

  test("does not let a key replace the prototype", () => {
    const plain = plainValue(new Map([["__proto__", new Map([["admin", true]])]]), "x") as Record<string, unknown>;
    expect(Object.getPrototypeOf(plain)).toBe(Object.prototype);
    expect(Object.keys(plain)).toEqual(["__proto__"]);
    expect(plain.admin).toBeUndefined();
  });

  test("keeps shared references and cycles", () => {
    const inner = new Map<string, unknown>();
    const object = Object.assign(new OpaqueObject("lab.Session", []), { state: inner });
    inner.set("itself", object);
    const list: unknown[] = [inner, inner];
    list.push(list);
    const plain = plainValue(list, "x") as [Record<string, OpaqueObject>, unknown, unknown];
    expect(plain[1]).toBe(plain[0]);
    expect(plain[2]).toBe(plain);
    expect(plain[0].itself!.state).toBe(plain[0]);
  });

  test("leaves everything else as it is", () => {
    const array = { dtype: "float32", shape: [1], data: Float32Array.of(1) };
    const plain = plainValue([array, null, 2n, new Set([new Map([["a", 1]])])], "x") as unknown[];
    expect(plain[0]).toBe(array);
    expect(plain.slice(1)).toEqual([null, 2n, new Set([{ a: 1 }])]);
  });

  test("refuses values nested so deep that the stack would overflow", () => {
    let value: unknown = [];
    for (let i = 0; i < 100_000; i++) value = [value];
    expect(() => plainValue(value, "deep.pt")).toThrow(UserError);
    expect(() => plainValue(value, "deep.pt")).toThrow('"deep.pt": values are nested more than 1000 levels deep');
  });
});
