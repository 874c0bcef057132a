import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { OpaqueObject, type PickleResolver, unpickle } from "./pickle.ts";
import { PickleError } from "./pickle-cursor.ts";
import { plainGlobals } from "./pickle-globals.ts";

const fixtures = new URL("../../test/fixtures/formats/pickle/", import.meta.url).pathname;

function load(
  bytes: Uint8Array,
  unknown: "refuse" | "keep" = "refuse",
  resolver: PickleResolver = plainGlobals,
): unknown {
  return unpickle(bytes, { name: "test.pkl", resolver, unknown });
}

/** A protocol 2 pickle from opcodes, given as latin-1 text. */
const pickled = (opcodes: string): Uint8Array => Buffer.from(`\x80\x02${opcodes}.`, "latin1");

const OS_SYSTEM = "cos\nsystem\n(X\x0e\x00\x00\x00touch executedtR";

const DTYPE_F4 = "cnumpy\ndtype\nU\x02f4\x89\x88\x87R";
const ARRAY = "cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R";

describe("unpickle()", () => {
  test.each([2, 3, 4, 5])("reads every kind of plain value, protocol %i", (protocol) => {
    const value = load(readFileSync(`${fixtures}protocol${protocol}.pkl`)) as Map<string, unknown>;
    expect(Object.fromEntries(value)).toEqual({
      none: null,
      flags: [true, false],
      integers: [0, 255, 65535, -1, 2147483647, -2147483648, 2 ** 40, -(2 ** 53) + 1, 2n ** 60n, -(2n ** 70n)],
      floats: [0.5, -1e300, Number.POSITIVE_INFINITY],
      text: "µV, Δt, 🧠",
      bytes: Uint8Array.of(0, 255, 32, 114, 97, 119),
      no_bytes: new Uint8Array(0),
      bytearray: Uint8Array.of(1, 2),
      tuples: [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]],
      shared: [
        [1, 2],
        [1, 2],
      ],
      set: new Set([7]),
      frozenset: new Set([7]),
      complex: { re: 1, im: -2 },
      ordered: new Map([
        ["b", 1],
        ["a", 2],
      ]),
      by_number: new Map([
        [1, "one"],
        [2, "two"],
      ]),
      long_list: Array.from({ length: 1500 }, (_, i) => i),
      array: { dtype: "float32", shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) },
      fortran: { dtype: "int16", shape: [2, 3], data: Int16Array.of(0, 1, 2, 3, 4, 5) },
      big_endian: { dtype: "int32", shape: [3], data: Int32Array.of(0, 1, 2) },
      mask: { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) },
      no_elements: { dtype: "float64", shape: [0, 2], data: new Float64Array(0) },
      scalars: [0.5, 0.5, 2n ** 60n, -3, 200, true],
      eye: "right",
    });
    const shared = value.get("shared") as unknown[];
    expect(shared[0]).toBe(shared[1]);
  });

  test("reads numpy arrays pickled before numpy 2", () => {
    const text = readFileSync(`${fixtures}protocol2.pkl`, "latin1").replaceAll("numpy._core.", "numpy.core.");
    expect(text).toContain("cnumpy.core.multiarray\n");
    const value = load(Buffer.from(text, "latin1")) as Map<string, unknown>;
    expect(value.get("array")).toEqual({ dtype: "float32", shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) });
  });

  test("gives every reference to an array the finished array", () => {
    const start = "cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87Rq\x07";
    const dtype = "cnumpy\ndtype\nU\x02u1\x89\x88\x87R";
    const array = load(pickled(`(${start}(K\x01K\x02\x85${dtype}\x89U\x02\x05\x06tbh\x07t`)) as unknown[];
    expect(array[0]).toEqual({ dtype: "uint8", shape: [2], data: Uint8Array.of(5, 6) });
    expect(array[1]).toBe(array[0]);
  });

  test("refuses os.system, naming it, and keeps it as a record when asked to", () => {
    expect(() => load(pickled(OS_SYSTEM))).toThrow(UserError);
    expect(() => load(pickled(OS_SYSTEM))).toThrow(
      'Cannot read "test.pkl": pickle byte 2: the Python object os.system is not plain data',
    );
    const kept = load(pickled(OS_SYSTEM), "keep");
    expect(kept).toEqual(new OpaqueObject("os.system", ["touch executed"]));
    expect(JSON.stringify(kept)).toBe('{"__py":"os.system","args":["touch executed"],"state":null}');
  });

  test.each([
    ["builtins", "eval"],
    ["__builtin__", "getattr"],
    ["numpy", "load"],
    ["constructor", "constructor"],
    ["builtins", "__proto__"],
    ["", "toString"],
  ])("refuses %s.%s", (module, name) => {
    expect(() => load(pickled(`c${module}\n${name}\n)R`))).toThrow(`${module}.${name} is not plain data`);
  });

  test("keeps state, items and keywords of unknown objects", () => {
    const object = load(pickled("cargparse\nNamespace\n)\x81}U\x02lrK\x05sb"), "keep");
    expect(object).toEqual(Object.assign(new OpaqueObject("argparse.Namespace", []), { state: new Map([["lr", 5]]) }));
    const items = load(pickled("ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RU\x01aK\x01s"), "keep");
    expect(items).toMatchObject({ __py: "collections.defaultdict", items: ["a", 1] });
    expect(items).toMatchObject({ args: [{ __py: "__builtin__.list", args: null }] });
    const keywords = load(pickled("cm\nC\n)}U\x01kK\x01s\x92"), "keep");
    expect(keywords).toEqual(new OpaqueObject("m.C", [new Map([["k", 1]])]));
  });

  test("keeps what it knows but cannot read, with the reason", () => {
    const scalar = "cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\nU\x02c8\x89\x88\x87RU\x08abcdefgh\x86R";
    expect(() => load(pickled(scalar))).toThrow('numpy elements of type "<c8" are not supported');
    expect(load(pickled(scalar), "keep")).toMatchObject({
      __py: "numpy._core.multiarray.scalar",
      problem: 'numpy elements of type "<c8" are not supported',
    });
  });

  test("passes persistent ids to the resolver and refuses them without one", () => {
    const resolver: PickleResolver = { global: () => undefined, persistent: (id) => ({ loaded: id }) };
    expect(load(pickled("K\x07Q"), "refuse", resolver)).toEqual({ loaded: 7 });
    expect(() => load(pickled("K\x07Q"))).toThrow("a reference to data outside the pickle");
    const failing: PickleResolver = {
      global: () => undefined,
      persistent: () => {
        throw new PickleError("missing storage");
      },
    };
    expect(() => load(pickled("K\x07Q"), "refuse", failing)).toThrow("missing storage");
    expect(load(pickled("K\x07Q"), "keep", failing)).toMatchObject({ args: [7], problem: "missing storage" });
  });

  test.each([
    ["nothing", "", "the pickle ends after 0 bytes"],
    ["text", "(lp0\n.", "not a pickle of protocol 2 to 5"],
    ["protocol 1", "\x80\x01K\x01.", "not a pickle of protocol 2 to 5"],
    ["protocol 6", "\x80\x06K\x01.", "not a pickle of protocol 2 to 5"],
    ["no STOP", "\x80\x02K\x01", "the pickle ends after 4 bytes"],
    ["no value", "\x80\x02.", "a value is missing"],
    ["a mark for a value", "\x80\x02(.", "a value is missing"],
    ["a text opcode", "\x80\x02I1\n.", "opcode 0x49 is not one of protocols 2 to 5"],
    ["an extension code", "\x80\x02\x82\x01.", "opcode 0x82"],
    ["a string longer than the file", "\x80\x02X\xff\xff\xff\x7fabc.", "the pickle ends after 11 bytes"],
    ["bytes of 2^63", "\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "the pickle ends after"],
    ["a huge integer", `\x80\x02\x8b\xff\xff\x00\x00${"x".repeat(70000)}.`, "an integer of 65535 bytes is too large"],
    ["broken UTF-8", "\x80\x02X\x01\x00\x00\x00\xff.", "a string is not valid UTF-8"],
    ["an empty memo slot", "\x80\x02h\x05.", "memo slot 5 is empty"],
    ["no mark", "\x80\x02K\x01t.", "a mark is missing"],
    ["a short tuple", "\x80\x02K\x01\x86.", "a value is missing"],
    ["an odd dictionary", "\x80\x02}(K\x01u.", "a key has no value"],
    ["items on a list", "\x80\x02]K\x01K\x02s.", "not a dict"],
    ["appends to a dictionary", "\x80\x02}K\x01a.", "not a list"],
    ["adds to a list", "\x80\x04](K\x01\x90.", "not a set"],
    ["a call of a number", "\x80\x02K\x01)R.", "something is called that is no class or function"],
    ["a call without a tuple", "\x80\x02ccollections\nOrderedDict\nK\x01R.", "arguments are not a tuple"],
    ["state on a number", "\x80\x02K\x01}b.", "state is set on a value that has none"],
    ["a global without an end", "\x80\x02cos", "a line has no end"],
    ["a global with a number for a name", "\x80\x04K\x01K\x02\x93.", "a class has no name"],
  ])("refuses %s, whether unknown objects are kept or not", (_, bytes, message) => {
    for (const unknown of ["refuse", "keep"] as const) {
      expect(() => load(Buffer.from(bytes, "latin1"), unknown)).toThrow(UserError);
      expect(() => load(Buffer.from(bytes, "latin1"), unknown)).toThrow(message);
    }
  });
});

describe("plainGlobals", () => {
  const damaged: [string, string, string][] = [
    ["an ordered dictionary of numbers", "ccollections\nOrderedDict\n]K\x01a\x85R", "list of pairs"],
    [
      "an array of values beyond int64",
      `${ARRAY}(K\x01K\x01\x85cnumpy\ndtype\nU\x02u8\x89\x88\x87R\x89U\x08\xff\xff\xff\xff\xff\xff\xff\xfftb`,
      "value 18446744073709551615 at index 0 does not fit into int64",
    ],
    ["a set of a number", "c__builtin__\nset\nK\x01\x85R", "not a list"],
    ["a complex number of text", "cbuiltins\ncomplex\nU\x01aK\x01\x86R", "a complex number is damaged"],
    ["bytes beyond latin-1", "c_codecs\nencode\nX\x02\x00\x00\x00\xce\x94U\x06latin1\x86R", "outside latin-1"],
    ["bytes in another encoding", "c_codecs\nencode\nU\x01aU\x05utf-7\x86R", "in a way that is not supported"],
    ["a scalar of the wrong length", `cnumpy._core.multiarray\nscalar\n${DTYPE_F4}U\x01a\x86R`, "<f4 has 1 bytes"],
    ["an array of the wrong length", `${ARRAY}(K\x01K\x02\x85${DTYPE_F4}\x89U\x01atb`, "takes 8 bytes, got 1"],
    [
      "an array of negative size",
      `${ARRAY}(K\x01J\xff\xff\xff\xff\x85${DTYPE_F4}\x89U\x01atb`,
      "shape of a numpy array",
    ],
    ["an array without a type", `${ARRAY}(K\x01K\x01\x85K\x05\x89U\x01atb`, "a numpy dtype is missing"],
    ["an array with a short state", `${ARRAY}(K\x01tb`, "the state of a numpy array is damaged"],
  ];

  test.each(damaged)("refuses %s", (_, opcodes, message) => {
    expect(() => load(pickled(opcodes))).toThrow(UserError);
    expect(() => load(pickled(opcodes))).toThrow(message);
  });

  test.each(damaged)(
    "gives an opaque object with the reason for %s when unknown objects are kept",
    (_, opcodes, message) => {
      const value = load(pickled(opcodes), "keep");
      expect(value).toBeInstanceOf(OpaqueObject);
      expect((value as OpaqueObject).problem).toContain(message);
    },
  );
});
