import { describe, expect, test } from "vitest";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { problem } from "./checks.ts";
import { ConfigError } from "./config-error.ts";
import { plainSource } from "./source.ts";
import { validate } from "./validate.ts";
import { parseYaml } from "./yaml.ts";

const Schema = z.strictObject({
  name: z.string().min(1).default("twin"),
  rate: z.number().min(0).max(1).default(0.5),
  flag: z.boolean().default(false),
  norm: z.enum(["rms", "grn", "batch"]).default("rms"),
  kernel: z.union([z.int().min(1), z.tuple([z.int(), z.int(), z.int()])]).default(1),
  channels: z.array(z.int().min(1)).default([]),
  readout: z
    .discriminatedUnion("type", [
      z.strictObject({ type: z.literal("gaussian"), sigma: z.number().default(1) }),
      z.strictObject({ type: z.literal("linear"), bias: z.boolean() }),
    ])
    .prefault({ type: "gaussian" }),
  entries: z.record(z.string().regex(/\D/, "a name that is not just digits"), z.int()).default({}),
});

function check(text: string) {
  const document = parseYaml(text, "experiments/x.yaml");
  return validate(Schema, document.value, document);
}

function errorOf(text: string): ConfigError {
  try {
    check(text);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error(`expected a ConfigError for ${text}`);
}

describe("validate()", () => {
  test("fills in defaults", () => {
    expect(check("rate: 1e-3")).toEqual({
      name: "twin",
      rate: 0.001,
      flag: false,
      norm: "rms",
      kernel: 1,
      channels: [],
      readout: { type: "gaussian", sigma: 1 },
      entries: {},
    });
  });

  test.each([
    ["a wrong type", 'channels: [16, 32, "64x"]', '1:20 channels.2: expected a number, found "64x"'],
    [
      "a number in quotes",
      'rate: "1e-3"',
      '1:7 rate: expected a number, found "1e-3": write 1e-3 without quotes and underscores',
    ],
    ["a fraction for a whole number", "channels: [1.5]", "1:12 channels.0: expected a whole number, found 1.5"],
    ["infinity", "rate: .inf", "1:7 rate: expected a number, found Infinity"],
    ["a number out of range", "rate: 1.5", "1:7 rate: expected a number <= 1, found 1.5"],
    ["a number below its range", "channels: [0]", "1:12 channels.0: expected a number >= 1, found 0"],
    [
      "yes for a boolean",
      "flag: yes",
      '1:7 flag: expected true or false, found "yes": write true, "yes" is text in YAML 1.2',
    ],
    [
      "Off for a boolean",
      "flag: Off",
      '1:7 flag: expected true or false, found "Off": write false, "Off" is text in YAML 1.2',
    ],
    ["null", "channels:", "1:10 channels: expected a list, found null"],
    ["a list for a mapping", "name: a\nreadout: [1]", "2:10 readout: expected a mapping, found a list of 1 item"],
    ["an empty text", 'name: ""', '1:7 name: expected a text that is not empty, found ""'],
    ["an unknown option", "norm: rmss", '1:7 norm: expected one of rms, grn, batch, found "rmss": did you mean "rms"?'],
    ["an option out of nowhere", "norm: zebra", '1:7 norm: expected one of rms, grn, batch, found "zebra"'],
    [
      "an unknown key",
      "readout: {type: gaussian, sigmaa: 0.1}",
      '1:27 readout: unknown key "sigmaa": did you mean "sigma"?',
    ],
    [
      "an unknown key unlike any",
      "readout: {type: gaussian, foo: 0.1}",
      '1:27 readout: unknown key "foo": known keys are type, sigma',
    ],
    ["a missing key", "readout:\n  type: linear", '1:1 readout: missing key "bias": expected true or false'],
    [
      "a missing key in a flow mapping",
      "readout: {type: linear}",
      '1:10 readout: missing key "bias": expected true or false',
    ],
    [
      "an unknown type",
      "readout: {type: gausian}",
      '1:17 readout.type: expected one of gaussian, linear, found "gausian": did you mean "gaussian"?',
    ],
    ["a missing type", "readout: {sigma: 1}", '1:10 readout: missing key "type": expected one of gaussian, linear'],
    ["an alternative's inside", "kernel: [3, 5, x]", '1:16 kernel.2: expected a number, found "x"'],
    ["an alternative's length", "kernel: [3, 5]", "1:9 kernel: expected at least 3 items, found a list of 2 items"],
    ["no alternative", "kernel: big", '1:9 kernel: expected a number or a list, found "big"'],
    ["a forbidden name", "entries: {12: 3}", "1:15 entries.12: expected a name that is not just digits, found 3"],
  ])("refuses %s", (_, text, expected) => {
    const [line, ...rest] = expected.split(" ");
    const lines = errorOf(text).message.split("\n");
    expect(lines[0]).toBe("Cannot use experiments/x.yaml: 1 problem");
    expect(lines[1]).toBe(`experiments/x.yaml:${line} ${rest.join(" ")}`);
    const column = Number(line!.split(":")[1]);
    expect(lines[3]).toBe(`${" ".repeat(column - 1)}^`);
  });

  test("reports every problem, as data and as prose", () => {
    const error = errorOf('# head\nrate: 3\nchannels:\n  - 16\n  - "64x"\nchanels: [1]\n');
    expect(error).toBeInstanceOf(UserError);
    expect(error.issues).toEqual([
      {
        file: "experiments/x.yaml",
        line: 2,
        column: 7,
        path: ["rate"],
        message: "expected a number <= 1, found 3",
        found: "3",
        expected: "a number <= 1",
        excerpt: "rate: 3\n      ^",
      },
      {
        file: "experiments/x.yaml",
        line: 5,
        column: 5,
        path: ["channels", 1],
        message: 'expected a number, found "64x"',
        found: '"64x"',
        expected: "a number",
        excerpt: '  - "64x"\n    ^',
      },
      {
        file: "experiments/x.yaml",
        line: 6,
        column: 1,
        path: [],
        message: 'unknown key "chanels": did you mean "channels"?',
        found: "chanels",
        expected: "one of name, rate, flag, norm, kernel, channels, readout, entries",
        excerpt: "chanels: [1]\n^",
      },
    ]);
    expect(error.message).toBe(
      [
        "Cannot use experiments/x.yaml: 3 problems",
        "experiments/x.yaml:2:7 rate: expected a number <= 1, found 3",
        "rate: 3",
        "      ^",
        'experiments/x.yaml:5:5 channels.1: expected a number, found "64x"',
        '  - "64x"',
        "    ^",
        'experiments/x.yaml:6:1 unknown key "chanels": did you mean "channels"?',
        "chanels: [1]",
        "^",
      ].join("\n"),
    );
  });

  test("names keys without lines for values that never were in a file", () => {
    const value = { readout: { type: "linear", bias: "on" } };
    expect(() => validate(Schema, value, plainSource("checkpoint", value))).toThrow(
      'Cannot use checkpoint: 1 problem\ncheckpoint readout.bias: expected true or false, found "on": write true, "on" is text in YAML 1.2',
    );
  });

  test("words the problems that checks of a schema report", () => {
    const Checked = z.strictObject({ a: z.int(), b: z.int() }).check(({ value, issues }) => {
      if (value.a > value.b) issues.push(problem(value, ["b"], `expected at least ${value.a}, found ${value.b}`));
    });
    const document = parseYaml("a: 3\nb: 2\n", "x.yaml");
    expect(() => validate(Checked, document.value, document)).toThrow(
      "x.yaml:2:4 b: expected at least 3, found 2\nb: 2\n   ^",
    );
  });
});
