import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { UserError } from "../errors.ts";
import { type NdArray, toFloat64 } from "./array.ts";
import { openHdf5 } from "./hdf5.ts";
import { loadHdf5 } from "./hdf5-library.ts";

const folder = mkdtempSync(join(tmpdir(), "hdf5-"));
afterAll(() => rmSync(folder, { recursive: true }));

const FIXTURES = "test/fixtures/convert";
interface Expected {
  dtype: string;
  shape: number[];
  values: string[];
}
const expected = JSON.parse(readFileSync(`${FIXTURES}/hdf5.json`, "utf8")) as {
  numbers: Record<string, Expected>;
  frames: Expected;
};
const types = await openHdf5(`${FIXTURES}/types.h5`);
const layouts = await openHdf5(`${FIXTURES}/layouts.h5`);
const LAYOUTS = ["contiguous", "gzip", "gzip_shuffle", "lzf", "tiles", "one_frame", "long_chunks"];
const frames = Uint8Array.from(expected.frames.values, Number);

/** Values in the spelling of the fixture: whole numbers exact, others as Python prints them. */
function values({ dtype, shape, data }: NdArray): string[] {
  if (!dtype.startsWith("float")) return Array.from(data as Iterable<unknown>, String);
  return [...toFloat64({ dtype, shape, data })].map((value) =>
    Number.isInteger(value) ? `${value.toFixed(1)}` : `${value}`,
  );
}

/** Message and hint of the error that a call ends in. */
async function failure(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof UserError) return `${error.message} ${error.hint}`;
    throw error;
  }
  throw new Error("the call succeeded");
}

describe("Hdf5File.dataset()", () => {
  test.each(Object.entries(expected.numbers))("reads %s as h5py wrote it", (name, { dtype, shape, values: wanted }) => {
    const dataset = types.dataset(`numbers/${name}`);
    expect([dataset.dtype, dataset.shape]).toEqual([dtype, shape]);
    const array = dataset.read();
    expect([array.dtype, array.shape, values(array)]).toEqual([dtype, shape, wanted]);
  });

  test("reads enumerations as their integers and a dataset without a shape as no rows", () => {
    expect(types.dataset("numbers/enum").read()).toEqual({ dtype: "int16", shape: [3], data: Int16Array.of(0, 2, 1) });
    expect(types.dataset("/numbers/null/").read()).toEqual({ dtype: "float32", shape: [0], data: new Float32Array(0) });
  });

  test("follows links, and says where a broken one leads", async () => {
    expect(types.dataset("links/soft").shape).toEqual([2, 3, 4]);
    expect(await failure(() => types.dataset("links/broken"))).toContain('it links to "/numbers/gone"');
    expect(await failure(() => types.dataset("links/external"))).toContain('"/data" of "elsewhere.h5"');
    copyFileSync(`${FIXTURES}/types.h5`, join(folder, "linking.h5"));
    expect(types.has("links/external")).toBe(false);
  });

  test("follows a link into another file beside it", async () => {
    copyFileSync(`${FIXTURES}/types.h5`, join(folder, "types.h5"));
    copyFileSync(`${FIXTURES}/user-block.h5`, join(folder, "elsewhere.h5"));
    using file = await openHdf5(join(folder, "types.h5"));
    // The other file is there now, the dataset "/data" in it is not.
    expect(await failure(() => file.dataset("links/external"))).toContain("cannot be opened");
  });

  test.each([
    ["compound", "elements of type compound, expected numbers"],
    ["complex", "elements of type compound"],
    ["long_double", "numbers of 16 bytes"],
    ["ragged", "elements of type variable-length list"],
    ["opaque", "elements of type opaque"],
  ])("refuses %s", async (name, message) => {
    expect(await failure(() => types.dataset(`refused/${name}`))).toContain(
      `"refused/${name}" of "${FIXTURES}/types.h5"`,
    );
    expect(await failure(() => types.dataset(`refused/${name}`))).toContain(message);
  });

  test("refuses numbers beyond int64 when they are read", async () => {
    const message = 'types.h5: refused/large_u8": value 9223372036854775808 at index 1';
    expect(await failure(() => types.dataset("refused/large_u8").read())).toContain(message);
  });

  test("says what is wrong with a path", async () => {
    expect(await failure(() => types.dataset("numbers/f9"))).toMatch(
      /"numbers" has no "f9" Did you mean "numbers\/f\d"/,
    );
    expect(await failure(() => types.dataset("nmbers/f8"))).toContain(
      'the file has no "nmbers" Did you mean "numbers"?',
    );
    expect(await failure(() => types.dataset("numbers"))).toContain("a group, not a dataset");
    expect(await failure(() => types.dataset("numbers/f8/x"))).toContain("a dataset, not a group");
    expect(await failure(() => types.dataset("text/zzzzzz"))).toContain("holds: fixed, fixed_utf8, names, single");
  });
});

describe("Hdf5File.dataset().readRows()", () => {
  test.each(LAYOUTS)("reads %s data in any ranges", (name) => {
    const dataset = layouts.dataset(name);
    expect(dataset.read().data).toEqual(frames);
    for (const [start, end] of [
      [0, 50],
      [0, 3],
      [3, 5],
      [7, 9],
      [9, 40],
      [48, 50],
      [16, 32],
      [0, 0],
      [50, 50],
      [1, 2],
    ]) {
      const rows = dataset.readRows(start!, end!);
      expect(rows.shape).toEqual([end! - start!, 6, 5]);
      expect(rows.data).toEqual(frames.slice(30 * start!, 30 * end!));
    }
  });

  test.each([
    ["contiguous", 50],
    ["gzip", 7],
    ["tiles", 4],
    ["one_frame", 50],
    ["long_chunks", 1],
  ])("decodes every chunk of %s data once when rows are read in order", async (name, calls) => {
    const { library } = await loadHdf5();
    const read = vi.spyOn(library, "get_dataset_data");
    const dataset = layouts.dataset(name);
    for (let row = 0; row < 50; row++) dataset.readRows(row, row + 1);
    expect(read).toHaveBeenCalledTimes(calls);
    read.mockClear();
    for (let row = 0; row < 50; row += 10) dataset.readRows(row, row + 10);
    const chunksInCalls = read.mock.calls.map(([, , count]) => Number(count![0]));
    if (name === "gzip") expect(chunksInCalls.reduce((sum, rows) => sum + rows)).toBe(50);
    read.mockRestore();
  });

  test("refuses ranges outside the rows", () => {
    const dataset = layouts.dataset("gzip");
    for (const [start, end] of [
      [-1, 2],
      [0, 51],
      [3, 2],
      [0.5, 2],
    ]) {
      expect(() => dataset.readRows(start!, end!)).toThrow("it has 50 rows");
    }
    expect(() => types.dataset("numbers/scalar").readRows(0, 1)).toThrow("a single number");
  });
});

describe("Hdf5File", () => {
  test("list() names members with their kinds", () => {
    expect(types.list().map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      "links group",
      "numbers group",
      "references group",
      "refused group",
      "text group",
    ]);
    expect(types.list("links").map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      "broken link",
      "external link",
      "soft dataset",
    ]);
    const numbers = new Map(types.list("numbers").map(({ name, ...rest }) => [name, rest]));
    expect(numbers.get("b1")).toEqual({ kind: "dataset", shape: [2, 3, 4], dtype: "bool" });
    expect(numbers.get("null")).toEqual({ kind: "dataset", shape: null, dtype: "float32" });
    expect(types.list("text")[0]).toEqual({ name: "fixed", kind: "dataset", shape: [3], dtype: "string" });
  });

  test("has() is false for what is not there, and for paths through datasets", () => {
    expect(["/", "numbers", "numbers/f8", "/text/names"].map((path) => types.has(path))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(["x", "x/y", "numbers/f8/x", "links/broken", "links/type"].some((path) => types.has(path))).toBe(false);
  });

  test("strings() reads strings of fixed and variable length", async () => {
    expect(types.strings("text/names")).toEqual(["left", "rechts é", ""]);
    expect(types.strings("text/fixed")).toEqual(["V1", "V2", "longest"]);
    expect(types.strings("text/fixed_utf8")).toEqual(["é", "e"]);
    expect(types.strings("text/single")).toEqual(["one"]);
    expect(await failure(() => types.strings("numbers/f8"))).toContain("elements of type float64, expected strings");
  });

  test("references() gives paths, and nothing for a reference to nothing", async () => {
    expect(types.references("references/objects")).toEqual(["/numbers/f8", "/text", ""]);
    expect(await failure(() => types.references("references/regions"))).toContain("expected references to objects");
  });

  test("attributes() gives plain values", async () => {
    expect(types.attributes("/")).toEqual({ version: "2.6.0" });
    expect(types.attributes("numbers/f8")).toEqual({
      rate: 120,
      count: 7,
      half: 0.5,
      flag: true,
      limits: [1.5, -2],
      columns: ["id", "spike_times"],
      target: "/text",
      nothing: null,
    });
    expect(await failure(() => types.attributes("nowhere"))).toContain('has no "nowhere"');
  });

  test("reads files with a block in front, as MATLAB writes them", async () => {
    using file = await openHdf5(`${FIXTURES}/user-block.h5`);
    expect([...file.dataset("x").read().data]).toEqual([0, 1, 2]);
  });

  test("cannot be read once closed", async () => {
    const file = await openHdf5(`${FIXTURES}/user-block.h5`);
    const dataset = file.dataset("x");
    file.close();
    file.close();
    expect(() => dataset.read()).toThrow("it was closed");
  });
});

describe("openHdf5() refuses", () => {
  test("files that are missing, folders, empty or of another kind", async () => {
    expect(await failure(() => openHdf5(`${FIXTURES}/types.hdf`))).toContain('Did you mean "types.h5"?');
    expect(await failure(() => openHdf5(FIXTURES))).toContain("it is a folder");
    writeFileSync(join(folder, "empty.h5"), "");
    expect(await failure(() => openHdf5(join(folder, "empty.h5")))).toContain("it is empty");
    expect(await failure(() => openHdf5(`${FIXTURES}/hdf5.json`))).toContain("it is not an HDF5 file");
  });

  test("truncated files, in one sentence", async () => {
    const bytes = readFileSync(`${FIXTURES}/layouts.h5`);
    const path = join(folder, "cut.h5");
    for (const length of [8, 40, 600, 20_000, bytes.length - 1]) {
      writeFileSync(path, bytes.subarray(0, length));
      const message = await failure(() => openHdf5(path));
      expect(message).toContain(`Cannot read "${path}": `);
      expect(message).not.toMatch(/HDF5-DIAG|#\d\d\d|\n/);
    }
    expect(await failure(() => openHdf5(path))).toContain("cut short");
  });

  test("damaged data when they are read", async () => {
    const bytes = Buffer.from(readFileSync(`${FIXTURES}/layouts.h5`));
    // The checksummed, compressed chunks lie somewhere in the second half of the file.
    for (let i = 4096; i < bytes.length; i += 64) bytes[i]! ^= 0x55;
    const path = join(folder, "damaged.h5");
    writeFileSync(path, bytes);
    const message = await failure(async () => {
      using file = await openHdf5(path);
      for (const name of LAYOUTS) file.dataset(name).read();
    });
    expect(message).toContain(`Cannot read "${path}: `);
    expect(message).not.toMatch(/HDF5-DIAG|\n/);
  });
});
