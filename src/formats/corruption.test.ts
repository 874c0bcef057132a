/**
 * @file Damaged files of every format: whatever happens to their bytes, opening and reading them gives a value or a
 * UserError, never another error.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { type ByteSource, memorySource } from "./byte-source.ts";
import { isLazyArray } from "./lazy.ts";
import { openMat5 } from "./mat5.ts";
import { type MatlabValue, matlabValue } from "./matlab.ts";
import { readNpy } from "./npy.ts";
import { openNpz } from "./npz.ts";
import { unpickle } from "./pickle.ts";
import { plainGlobals } from "./pickle-globals.ts";
import { plainValue } from "./plain-value.ts";
import { openSafetensors } from "./safetensors.ts";
import { openTorchFile } from "./torchfile.ts";

const fixtures = new URL("../../test/fixtures/formats/", import.meta.url).pathname;

/** mulberry32, so that a failure can be repeated. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function readTree(value: unknown): void {
  if (isLazyArray(value)) value.read();
  else if (Array.isArray(value)) value.forEach(readTree);
  else if (value instanceof Map) [...value.values()].forEach(readTree);
}

function readTorch(source: ByteSource, unknown: "refuse" | "keep"): void {
  const { root } = openTorchFile(source, { unknown });
  readTree(root);
  plainValue(root, source.name);
}

function readPickle(source: ByteSource, unknown: "refuse" | "keep"): void {
  const bytes = source.read(0, source.size);
  plainValue(unpickle(bytes, { name: source.name, resolver: plainGlobals, unknown }), source.name);
}

/** The archive as a writer leaves it that skips checksums: damage reaches the pickle and the tensors unnoticed. */
function withoutChecksums(archive: Buffer): Buffer {
  const bytes = Buffer.from(archive);
  for (let at = bytes.indexOf(DIRECTORY_ENTRY); at >= 0; at = bytes.indexOf(DIRECTORY_ENTRY, at + 4)) {
    bytes.writeUInt32LE(0, at + 16);
  }
  return bytes;
}

const DIRECTORY_ENTRY = "PK\u0001\u0002";

const cases: [string, string, (source: ByteSource) => void][] = [
  ["PyTorch file", "torch/strided.pt", (source) => readTorch(source, "refuse")],
  ["PyTorch file, unknown kept", "torch/unknown.dset", (source) => readTorch(source, "keep")],
  ["pickle, protocol 2", "pickle/protocol2.pkl", (source) => readPickle(source, "refuse")],
  ["pickle, protocol 2, unknown kept", "pickle/protocol2.pkl", (source) => readPickle(source, "keep")],
  ["pickle, protocol 5, unknown kept", "pickle/protocol5.pkl", (source) => readPickle(source, "keep")],
  ["npy", "npy/fortran_f4.npy", (source) => void readNpy(source)],
  ["MATLAB level 5", "../convert/octave-v6.mat", readMat5],
  ["MATLAB level 5, packed", "../convert/octave-v7.mat", readMat5],
  ["MATLAB level 5, big-endian", "../convert/big-endian.mat", readMat5],
  ["npz, stored", "npy/stored.npz", readNpz],
  ["npz, deflated", "npy/deflated.npz", readNpz],
  ["safetensors", "checkpoint/checkpoint_tiny.safetensors", readSafetensors],
];

function readMat5(source: ByteSource): void {
  const file = openMat5(source);
  for (const name of file.names) readMatlab(file.variable(name));
  // Cut between two variables a file is whole in itself, and the next one is missed.
  matlabValue(file, "words");
}

function readMatlab(value: MatlabValue): void {
  const count = value.shape.reduce((product, n) => product * n, 1);
  if (value.kind === "numbers") value.array().read();
  if (value.kind === "text") value.rows();
  if (value.kind === "cell") for (let i = 0; i < count; i++) readMatlab(value.item(i));
  if (value.kind === "struct") {
    for (const field of value.fields) for (let i = 0; i < count; i++) readMatlab(value.field(field, i));
  }
}

function readNpz(source: ByteSource): void {
  const file = openNpz(source);
  for (const name of file.names) file.read(name);
}

function readSafetensors(source: ByteSource): void {
  for (const tensor of openSafetensors(source).tensors.values()) tensor.read();
}

describe.each(cases)("%s", (name, path, read) => {
  const file = readFileSync(fixtures + path);
  const sound = file.includes(DIRECTORY_ENTRY) ? withoutChecksums(file) : file;
  const outcome = (bytes: Uint8Array): "read" | "refused" => {
    try {
      read(memorySource(bytes, name));
      return "read";
    } catch (error) {
      if (error instanceof UserError) return "refused";
      throw error;
    }
  };

  test("is read when it is sound", () => {
    expect(outcome(sound)).toBe("read");
  });

  test("is refused when it is cut short anywhere", () => {
    const random = generator(1);
    for (let i = 0; i < 150; i++) {
      const length = random(sound.length);
      expect([length, outcome(sound.subarray(0, length))]).toEqual([length, "refused"]);
    }
  });

  test("is read or refused when bytes changed", () => {
    const random = generator(2);
    let refused = 0;
    for (let i = 0; i < 400; i++) {
      const bytes = Buffer.from(sound);
      for (let flips = 1 + random(4); flips > 0; flips--) bytes[random(bytes.length)]! ^= 1 << random(8);
      if (outcome(bytes) === "refused") refused++;
    }
    expect(refused).toBeGreaterThan(0);
  });

  test("is read or refused when a block of it is overwritten", () => {
    const random = generator(3);
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(sound);
      const start = random(bytes.length);
      for (let at = start; at < Math.min(start + 1 + random(40), bytes.length); at++) bytes[at] = random(256);
      outcome(bytes);
    }
  });
});
