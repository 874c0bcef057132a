import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseModelConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import { openSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import { setNumThreads, tensorStats } from "../torch/index.ts";
import { statePath } from "./checkpoint-files.ts";
import { loadTwin, openModelFile, saveModelFile, sessionNumber, verifyParameters } from "./model-file.ts";
import type { ModelInfo } from "./model-info.ts";
import { saveTiny, tensorBytes, tinyInfo, tinyRates, tinyTwin } from "./tiny-checkpoint.fake.ts";
import { tinyModel, tinySessions } from "./tiny-run.fake.ts";
import { train } from "./trainer.ts";

setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "model-file-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A model file alone, with weights drawn from a seed. */
function save(name: string, seed = 0, info: ModelInfo = tinyInfo()): string {
  const path = join(folder, name);
  const twin = tinyTwin(seed);
  saveModelFile(path, twin, info);
  twin.dispose();
  return path;
}

describe("loadTwin()", () => {
  test("needs the file alone, and predicts the same bit for bit", () => {
    const path = join(folder, "twin.safetensors");
    const twin = tinyTwin(7);
    saveModelFile(path, twin, tinyInfo());
    const expected = tinyRates(twin);
    twin.dispose();
    const loaded = loadTwin(path);
    expect(tinyRates(loaded.twin)).toEqual(expected);
    expect(loaded.twin.training).toBe(false);
    loaded.twin.dispose();
    const reference = loadTwin(path, { formulation: "reference" });
    expect(reference.twin.formulation).toBe("reference");
    reference.twin.dispose();
  });

  test("rebuilds a gru, whose weights have the size of a frame", () => {
    const model_config = parseModelConfig({
      ...tinyModel(),
      recurrent: { type: "gru", params: { hidden_dim: 4 } },
      readout: { type: "linear", params: { bias: true } },
    });
    const path = join(folder, "gru.safetensors");
    const twin = tinyTwin(3, model_config);
    saveModelFile(path, twin, { ...tinyInfo(), model_config });
    const expected = tinyRates(twin);
    twin.dispose();
    const loaded = loadTwin(path);
    expect(tinyRates(loaded.twin)).toEqual(expected);
    loaded.twin.dispose();
  });

  test("gives back everything that was said about the twin", () => {
    const info = tinyInfo();
    const { twin, info: stored, config, sessions } = loadTwin(save("info.safetensors", 1, info));
    twin.dispose();
    expect(stored).toMatchObject(info);
    expect(config).toEqual(info.model_config);
    expect(sessions).toEqual(info.sessions);
    expect(stored.versions).toMatchObject({ node: process.versions.node });
    expect(Object.values(stored.hashes!)).toEqual(Array(3).fill(expect.stringMatching(/^[0-9a-f]{64}$/)));
    expect(stored.input).toEqual({ frames: 6, height: 9, width: 9 });
    expect(sessions[1]).toMatchObject({
      name: "Logan_2019-12-20",
      subject: "Logan",
      date: "2019-12-20",
      nUnits: 2,
      cids: [0, 10],
      stimulus: { dtype: "uint8", channels: 1, height: 9, width: 9, pixelnorm: true },
      behaviorDim: 0,
      data: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test("gives back every parameter and buffer, so that saving again gives the same tensors and hash", () => {
    const path = save("exact.safetensors", 3);
    const { twin, info } = loadTwin(path);
    const again = join(folder, "again.safetensors");
    saveModelFile(again, twin, info);
    twin.dispose();
    expect(tensorBytes(again)).toEqual(tensorBytes(path));
    using file = openModelFile(again);
    expect(file.info.hashes).toEqual(info.hashes);
    verifyParameters(file);
  });

  test("knows where an imported model comes from, and that of its data nothing is known", () => {
    const unknown = { cids: null, config: null, stimulus: null, frameRate: null, behaviorDim: null, data: null };
    const info: ModelInfo = {
      ...tinyInfo(),
      input: null,
      sessions: tinyInfo().sessions.map((session) => ({ ...session, ...unknown })),
      epoch: null,
      global_step: null,
      settings: null,
      imported: { file: "last.ckpt", format: "Lightning checkpoint", hyper_parameters: { lr: 0.1 } },
    };
    const { twin, info: stored } = loadTwin(save("imported.safetensors", 4, info));
    twin.dispose();
    expect(stored).toMatchObject(info);
  });

  test("reads files of the first format", async () => {
    const path = resolve(import.meta.dirname, "../../test/fixtures/training/checkpoint-schema-1.safetensors");
    const { rates } = JSON.parse(readFileSync(path.replace(".safetensors", ".json"), "utf8"));
    const { twin, info } = loadTwin(path);
    const expected = (rates as number[][]).map((values) => values.map((rate) => expect.closeTo(rate, 5)));
    expect(tinyRates(twin)).toEqual(expected);
    twin.dispose();
    expect(info).toMatchObject({ epoch: 0, global_step: 8, hashes: null, imported: null });
    expect(info.input).toEqual({ frames: 6, height: 9, width: 9 });
    expect(info.sessions[0]).toMatchObject({ subject: "Allen", date: "2022-02-16", stimulus: null, behaviorDim: null });
    // Training goes on from it as well.
    const run = join(folder, "old");
    const options = { sessions: tinySessions(), checkpointDir: folder, experimentName: "old", maxEpochs: 2 };
    const result = await train({ ...options, resume: path, allowConfigChange: true });
    expect(result).toMatchObject({ directory: run, epochs: 2, globalStep: 16 });
    expect(openModelFile(result.last).info.hashes).not.toBeNull();
  });
});

describe("sessionNumber()", () => {
  test("is the place of a session, and refuses one that the file does not have", () => {
    const { path, sessions } = { path: "twin.safetensors", ...tinyInfo() };
    expect(sessionNumber({ path, sessions }, "Allen_2022-02-18")).toBe(2);
    const refused = () => sessionNumber({ path, sessions }, "Logan_2019-12-21");
    expect(refused).toThrow(
      'Cannot use session "Logan_2019-12-21" of "twin.safetensors": it has Allen_2022-02-16, Logan_2019-12-20, Allen_2022-02-18',
    );
  });
});

/** What the tests change in a stored description. */
interface Stored {
  model_config: Record<string, unknown>;
  sessions: { cids: number[]; config: Record<string, unknown> }[];
  hashes: unknown;
}

describe("refuses", () => {
  let good: string;
  beforeAll(() => {
    good = save("good.safetensors");
  });

  function refusal(path: string): UserError {
    const { live } = tensorStats();
    try {
      loadTwin(path);
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect(tensorStats().live).toBe(live);
      return error as UserError;
    }
    throw new Error("nothing was thrown");
  }

  /** A copy of the good file with another description. */
  function described(name: string, change: (stored: Stored) => unknown): string {
    const path = join(folder, name);
    const file = openSafetensors(good);
    const description = JSON.parse(file.metadata.visioncore!);
    const result = change(description);
    const text = typeof result === "string" ? result : JSON.stringify(description);
    const arrays = new Map([...file.tensors].map(([tensor, array]) => [tensor, array.read()]));
    file.close();
    writeSafetensors(path, arrays, { visioncore: text });
    return path;
  }

  test.each([0, 7, 100, 2000, -1])("a file that was cut short (%d bytes)", (length) => {
    const path = join(folder, "cut.safetensors");
    copyFileSync(good, path);
    truncateSync(path, length < 0 ? readFileSync(path).length + length : length);
    expect(refusal(path).message).toMatch(new RegExp(`^Cannot read "${path}": `));
  });

  test("a missing file", () => {
    expect(refusal(join(folder, "none.safetensors")).message).toContain("no such file");
  });

  test("another program's safetensors file", () => {
    const path = join(folder, "foreign.safetensors");
    const w = { dtype: "float32", shape: [2], data: new Float32Array(2) } as const;
    writeSafetensors(path, new Map([["w", w]]), { format: "pt" });
    expect(refusal(path).message).toBe(
      `Cannot load "${path}": its 1 tensors carry no description of a VisionCore model`,
    );
  });

  test("a training state", () => {
    const path = join(folder, "pair.safetensors");
    saveTiny(path);
    const { message, hint } = refusal(statePath(path));
    expect(message).toContain("it holds the training state of a checkpoint, not its parameters");
    expect(hint).toBe(`Load "${path}".`);
  });

  test("a PyTorch file, naming the command that converts it", () => {
    const path = join(folder, "last.ckpt");
    writeFileSync(path, "");
    expect(refusal(path).hint).toBe(`Make a model file of it first: visioncore import ${path}`);
  });

  test("a newer format", () => {
    const path = described("newer.safetensors", () => '{"schema": 3}');
    expect(refusal(path).message).toBe(`Cannot load "${path}": it has format 3, this version reads up to 2`);
  });

  test("a parameter that was damaged in a single bit", () => {
    const path = join(folder, "bit.safetensors");
    const bytes = readFileSync(good);
    bytes[bytes.length - 3]! ^= 1;
    writeFileSync(path, bytes);
    expect(refusal(path).message).toMatch(/its parameters are damaged: their SHA-256 is \w{12}…, \w{12}… was saved$/);
    // What it says about itself can still be read.
    using file = openModelFile(path);
    expect(file.info.sessions).toHaveLength(3);
  });

  test.each([
    ["no JSON", '{"schema": 2, ', "its description is damaged"],
    ["no mapping", "[]", "its description is damaged (no mapping)"],
    ["no schema", "{}", "its description is damaged (it has no schema number)"],
    ["no model", '{"schema": 2}', "its description does not fit this version: "],
  ])("a description with %s", (_, text, expected) => {
    expect(refusal(described("description.safetensors", () => text)).message).toContain(expected);
  });

  test.each([
    ["unit", "sessions", (stored: Stored) => stored.sessions[0]!.cids.reverse()],
    [
      "component",
      "model_config",
      (stored: Stored) => Object.assign(stored.model_config, { lag_order: "oldest_first" }),
    ],
  ])("a description in which a %s was changed", (_, part, change) => {
    const path = described("changed.safetensors", (stored) => void change(stored));
    expect(refusal(path).message).toContain(`its description is damaged (its ${part} changed after it was saved)`);
  });

  test("a component it does not have, by its place in the configuration", () => {
    const path = described("unknown.safetensors", (description) => {
      description.model_config.readout = { type: "telepathic", params: {} };
      description.hashes = null;
    });
    const { message, hint } = refusal(path);
    expect(message).toMatch(/its model configuration does not fit this version: readout(\.type)?: .*"telepathic"/);
    expect(hint).toMatch(/^A version of VisionCore that knows it can load it\. It was saved by visioncore \d/);
  });

  test("a transform it does not have, by session", () => {
    const path = described("transform.safetensors", (description) => {
      description.sessions[2]!.config.transforms = { stim: { ops: [{ hypnotise: {} }] } };
      description.hashes = null;
    });
    expect(refusal(path).message).toMatch(
      /its configuration of session "Allen_2022-02-18" does not fit this version: transforms\.stim\.ops\.0: .*hypnotise/,
    );
  });

  test("unit numbers that are fewer than the units", () => {
    const path = described("units.safetensors", (description) => {
      description.sessions[0]!.cids.pop();
      description.hashes = null;
    });
    expect(refusal(path).message).toContain('session "Allen_2022-02-16" has 3 units and 2 unit numbers');
  });

  test("parameters that do not fit its own configuration", () => {
    const path = join(folder, "misfit.safetensors");
    const { tensors, metadata } = openSafetensors(good);
    const arrays = new Map([...tensors].map(([name, array]) => [name, array.read()]));
    arrays.delete("readouts.0.bias");
    arrays.set("readouts.1.std", { dtype: "float32", shape: [1], data: new Float32Array(1) });
    arrays.set("readouts.9.std", { dtype: "float32", shape: [1], data: new Float32Array(1) });
    const description = { ...JSON.parse(metadata.visioncore!), hashes: null };
    writeSafetensors(path, arrays, { visioncore: JSON.stringify(description) });
    const { message } = refusal(path);
    expect(message).toContain("1 missing (readouts.0.bias); 1 unexpected (readouts.9.std); ");
    expect(message).toContain("1 of another shape (readouts.1.std: [1] in the file, [2, 2] in the model)");
  });
});
