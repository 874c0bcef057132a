import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { modelNames } from "./import-names.ts";

const inside = (names: string[]) => [...modelNames(names, "x.ckpt").keys()];

describe("modelNames()", () => {
  test.each(["model.", "model._orig_mod.", "_orig_mod.", "_orig_mod.model.", ""])('takes "%s" away', (prefix) => {
    const names = ["readouts.0.mean", "convnet.layers.0.shortcut.weight"];
    expect(inside(names.map((name) => prefix + name))).toEqual(names);
  });

  test("takes the prefix of compiled parts away, wherever it stands", () => {
    expect(inside(["model.convnet._orig_mod.layers.0._orig_mod.weight", "model.readouts.0._orig_mod.mean"])).toEqual([
      "convnet.layers.0.weight",
      "readouts.0.mean",
    ]);
  });

  test("leaves names alone that only look alike", () => {
    const names = ["models.0.weight", "convnet.model.weight", "my_orig_mod.weight"];
    expect(inside(names)).toEqual(names);
  });

  test("gives every name with the one in the file", () => {
    expect([...modelNames(["model.a.weight"], "x.ckpt")]).toEqual([["a.weight", "model.a.weight"]]);
  });

  test.each<[string, string[], string]>([
    [
      "some names have a prefix and some not",
      ["model.a", "model.b", "c"],
      'do not belong together: 2 with "model." (model.a), 1 without a prefix (c)',
    ],
    [
      "prefixes differ",
      ["model.a", "model._orig_mod.b"],
      'do not belong together: 1 with "model." (model.a), 1 with "model._orig_mod." (model._orig_mod.b)',
    ],
    [
      "two names become one",
      ["model.a._orig_mod.b", "model.a.b"],
      '"model.a._orig_mod.b" and "model.a.b" are both the model\'s "a.b"',
    ],
  ])("refuses files where %s", (_, names, message) => {
    expect(() => inside(names)).toThrow(UserError);
    expect(() => inside(names)).toThrow(message);
  });
});
