import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { memorySource } from "./byte-source.ts";
import { readNpy } from "./npy.ts";
import { openNpz } from "./npz.ts";

const fixtures = new URL("../../test/fixtures/formats/npy/", import.meta.url).pathname;
const convert = new URL("../../test/fixtures/convert/", import.meta.url).pathname;

describe("openNpz()", () => {
  test.each(["stored", "deflated"])("reads %s.npz", (name) => {
    const file = openNpz(`${fixtures}${name}.npz`);
    expect(file.names).toEqual(["eye", "valid", "turned"]);
    expect(file.read("eye")).toEqual(readNpy(`${fixtures}f8.npy`));
    expect(file.read("valid")).toEqual(readNpy(`${fixtures}b1.npy`));
    expect(file.read("turned")).toEqual(readNpy(`${fixtures}fortran_f4.npy`));
    expect(() => file.read("other")).toThrow('it has no entry "other.npy"');
    file.close();
  });

  test.each(["stored", "packed"])("leaves the elements of %s.npz in the file until they are read", (name) => {
    const file = openNpz(`${convert}${name}.npz`);
    const stimulus = file.array("stimulus");
    expect([stimulus.dtype, stimulus.shape]).toEqual(["uint8", [4, 2, 3]]);
    expect([...stimulus.readRows(1, 3).data]).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
    expect(file.array("gaze").read()).toEqual(file.read("gaze"));
    file.close();
  });

  test("tells shapes of compressed arrays without unpacking them, and finds damage when they are read", () => {
    const bytes = readFileSync(`${convert}large.npz`);
    bytes.fill(0x55, bytes.length - 300, bytes.length - 200);
    const frames = openNpz(memorySource(bytes, "damaged.npz")).array("frames");
    expect(frames.shape).toEqual([40, 10, 10]);
    expect(() => frames.read()).toThrow('its entry "frames.npy"');
  });

  test("refuses archives of something else", () => {
    expect(() => openNpz(`${fixtures}../recording/fixrsvp.dset`)).toThrow(
      'entry "fixrsvp/data.pkl" is not an .npy file',
    );
    expect(() => openNpz(`${fixtures}f4.npy`)).toThrow("it is not a zip archive");
  });
});
