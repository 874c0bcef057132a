import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { memorySource } from "../formats/byte-source.ts";
import { type LazyArray, lazyArray } from "../formats/lazy.ts";
import { configuredSessions, namelessSessions, stimulusSize, unitCounts } from "./import-sessions.ts";

const recordings = new URL("../../test/fixtures/formats/recording/", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "import-sessions-"));
afterAll(() => rmSync(folder, { recursive: true }));

function tensors(shapes: Record<string, number[]>): Map<string, LazyArray> {
  // Elements are never read here: all are the same one.
  const source = memorySource(new Uint8Array(4), "zeros");
  return new Map(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      lazyArray(source, { dtype: "float32", shape, strides: shape.map(() => 0) }),
    ]),
  );
}

describe("unitCounts()", () => {
  test("counts rows of readouts of every type, in the order of the sessions", () => {
    const shapes: Record<string, number[]> = { "convnet.weight": [9, 9] };
    for (let i = 11; i >= 0; i--) shapes[`readouts.${i}.mean`] = [i + 1, 2];
    expect(unitCounts(tensors(shapes), "x.ckpt")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(unitCounts(tensors({ "readouts.0.bias": [4], "readouts.0.fc.weight": [4, 64] }), "x.ckpt")).toEqual([4]);
    expect(unitCounts(tensors({ "readouts.0.features.weight": [5, 64, 1, 1] }), "x.ckpt")).toEqual([5]);
    expect(unitCounts(tensors({ "readout.mean": [3, 2] }), "x.ckpt")).toEqual([3]);
  });

  test.each<[string, Record<string, number[]>, string]>([
    [
      "a gap",
      { "readouts.0.mean": [3, 2], "readouts.2.mean": [3, 2] },
      "session 1 has no readout, though session 2 has one",
    ],
    ["a readout without units", { "readouts.0.mean": [0, 2] }, 'the readout of session 0, "readouts.0", has no units'],
    [
      "a readout of an unknown kind",
      { "readouts.0.theta": [4] },
      "has none of the tensors mean, fc.weight, features.weight, bias",
    ],
    [
      "more units than anyone has recorded",
      { "readouts.0.mean": [2 ** 40, 2] },
      "claim 1099511627776 units, at most 1000000",
    ],
    ["a core alone", { "convnet.layers.0.weight": [3] }, "it has parts of a VisionCore model, but no readouts"],
    [
      "another project's model",
      { "layer1.0.conv1.weight": [1], "layer1.0.bn1.weight": [1], "fc.weight": [1], "fc.bias": [1] },
      "it is another project's model; its tensors are called layer1.0.conv1.weight, layer1.0.bn1.weight, fc.weight, … (4 tensors)",
    ],
  ])("refuses %s", (_, shapes, message) => {
    expect(() => unitCounts(tensors(shapes), "x.ckpt")).toThrow(UserError);
    expect(() => unitCounts(tensors(shapes), "x.ckpt")).toThrow(message);
  });
});

test("namelessSessions() numbers sessions and units", () => {
  expect(namelessSessions([2, 1])).toMatchObject([
    { name: "session_0", nUnits: 2, cids: [0, 1], config: null, subject: null },
    { name: "session_1", nUnits: 1, cids: [0], config: null, subject: null },
  ]);
});

function datasetFile(units: Record<string, number[]>): string {
  const sessions = join(folder, "sessions");
  mkdirSync(sessions, { recursive: true });
  const shared = [
    "session_dir: sessions",
    `sessions: [${Object.keys(units).join(", ")}]`,
    "types: [gaborium]",
    "sampling: { source_rate: 240, target_rate: 120 }",
    "keys_lags: { robs: 0, stim: [0, 1, 2, 3, 4], dfs: 0 }",
    "train_val_split: 0.8",
    "data_dir: data",
  ];
  for (const [name, cids] of Object.entries(units)) {
    writeFileSync(join(sessions, `${name}.yaml`), `cids: [${cids.join(", ")}]\n`);
  }
  const path = join(folder, "datasets.yaml");
  writeFileSync(path, shared.join("\n"));
  return path;
}

describe("configuredSessions()", () => {
  test("takes names and units from the dataset file", () => {
    const path = datasetFile({ "Allen_2022-02-16": [3, 5, 8], "Logan_2020-01-15": [7] });
    const { sessions } = configuredSessions(path, [3, 1], "x.ckpt", undefined);
    expect(sessions).toMatchObject([
      { name: "Allen_2022-02-16", subject: "Allen", date: "2022-02-16", nUnits: 3, cids: [3, 5, 8], frameRate: 120 },
      { name: "Logan_2020-01-15", nUnits: 1, cids: [7], data: null },
    ]);
    expect(sessions[0]!.config?.types).toEqual(["gaborium"]);
  });

  test("uses as many sessions as the model was trained with", () => {
    const path = datasetFile({ "A_2022-01-01": [1], "B_2022-01-01": [1], "C_2022-01-01": [1] });
    expect(configuredSessions(path, [1, 1], "x.ckpt", 2).sessions.map(({ name }) => name)).toEqual([
      "A_2022-01-01",
      "B_2022-01-01",
    ]);
  });

  test("names every session whose units differ", () => {
    const path = datasetFile({ "A_2022-01-01": [1, 2], "B_2022-01-01": [1], "C_2022-01-01": [1, 2, 3] });
    expect(() => configuredSessions(path, [2, 4, 5], "x.ckpt", undefined)).toThrow(
      `Cannot import "x.ckpt": "${path}" lists other units than it was trained with\n` +
        "  session 1 B_2022-01-01: 4 units in the checkpoint, 1 cids in the dataset file\n" +
        "  session 2 C_2022-01-01: 5 units in the checkpoint, 3 cids in the dataset file",
    );
  });

  test("refuses another number of sessions", () => {
    const path = datasetFile({ "A_2022-01-01": [1], "B_2022-01-01": [1] });
    expect(() => configuredSessions(path, [1], "x.ckpt", undefined)).toThrow("it has 1 sessions");
  });
});

describe("stimulusSize()", () => {
  test("knows lags from the configuration, and pixels where the recordings are", () => {
    const path = datasetFile({ "A_2022-01-01": [1] });
    const { config } = configuredSessions(path, [1], "x.ckpt", undefined).sessions[0]!;
    expect(stimulusSize(config!)).toEqual({ frames: 5 });

    const data = join(folder, "data", "A_2022-01-01");
    mkdirSync(data, { recursive: true });
    cpSync(`${recordings}gaborium.dset`, join(data, "gaborium.dset"));
    expect(stimulusSize(config!)).toEqual({ frames: 5, height: expect.any(Number), width: expect.any(Number) });
    expect(stimulusSize({ ...config!, keys_lags: { robs: 0 } })).toEqual({});
  });
});
