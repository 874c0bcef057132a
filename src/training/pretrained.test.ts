import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseModelConfig } from "../config/model.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { setNumThreads } from "../torch/index.ts";
import type { EpochEvent } from "./events.ts";
import { loadTwin } from "./model-file.ts";
import type { TrainOptions } from "./options.ts";
import { disposeRun, setUpRun } from "./setup.ts";
import { tinyModel, tinySession, tinySessions } from "./tiny-run.fake.ts";
import { type TrainResult, train } from "./trainer.ts";

setNumThreads(1);

let folder: string;
let core: TrainResult;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pretrained-"));
  core = await run("core");
});
afterAll(() => rmSync(folder, { recursive: true }));

const others = () => [
  tinySession("Luke_2025-08-04", { units: 4, seed: 11 }),
  tinySession("Allen_2022-02-16", { units: 2, seed: 12 }),
];

function run(name: string, options: TrainOptions = {}): Promise<TrainResult> {
  const common = { batchSize: 16, learningRate: 1e-2, stepsPerEpoch: 7, maxEpochs: 2, precision: "32" } as const;
  const where = { checkpointDir: folder, experimentName: name };
  return train({ ...common, modelConfig: tinyModel(), sessions: tinySessions(), ...where, ...options });
}

/** Bytes of a file's tensors by name. */
function contents(path: string): Map<string, string> {
  const file = openSafetensors(path);
  const entries = [...file.tensors].map(([name, array]) => {
    const { data } = array.read();
    return [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")] as const;
  });
  file.close();
  return new Map(entries);
}

const isCore = (name: string) => /^(frontend|convnet|modulator|recurrent)\./.test(name);

describe("train({ frozenCore })", () => {
  test("trains readouts and adapters of new sessions and leaves the core as it is, bit for bit", async () => {
    const events: EpochEvent[] = [];
    const onEpoch = (event: EpochEvent) => void events.push(event);
    const result = await run("heads", {
      frozenCore: core.directory,
      modelConfig: undefined,
      sessions: others(),
      onEpoch,
    });
    const before = contents(core.best?.path ?? core.last);
    const after = contents(result.last);
    const names = [...before.keys()].filter(isCore);
    expect(names.length).toBeGreaterThan(3);
    for (const name of names) expect(after.get(name), name).toBe(before.get(name));
    expect(events[1]!.metrics.train_loss_epoch).toBeLessThan(events[0]!.metrics.train_loss_epoch!);

    const { twin, sessions } = loadTwin(result.last);
    expect(sessions.map(({ name }) => name)).toEqual(["Luke_2025-08-04", "Allen_2022-02-16"]);
    twin.dispose();
  });

  test("goes on exactly when resumed, the core still frozen", async () => {
    const options = { frozenCore: core.last, modelConfig: undefined, maxEpochs: 2 };
    const whole = await run("whole", { ...options, sessions: others() });
    const abort = new AbortController();
    const first = await run("parts", {
      ...options,
      sessions: others(),
      onEpoch: () => abort.abort(),
      signal: abort.signal,
    });
    expect(first.status).toBe("interrupted");
    const resumed = await train({ resume: first.directory, sessions: others() });
    expect(contents(resumed.last)).toEqual(contents(whole.last));
  });

  test("names the run after the core", () => {
    const set = setUpRun({
      frozenCore: core.directory,
      sessions: others(),
      checkpointDir: folder,
      batchSize: 16,
      maxDatasets: 2,
    });
    expect(set.name).toMatch(/^frozencore_core_bs16_ds2_/);
    expect(set.notes).toContainEqual(expect.stringContaining("is taken over and does not train"));
    expect(set.optimizer.groups.flatMap(({ parameters }) => parameters.map(({ name }) => name)).some(isCore)).toBe(
      false,
    );
    disposeRun(set);
  });

  test("refuses a core of another shape, listing what does not fit", async () => {
    const { convnet } = structuredClone(tinyModel()) as { convnet: { params: { channels: number[] } } };
    convnet.params.channels = convnet.params.channels.map((n) => 2 * n);
    const modelConfig = parseModelConfig({ ...tinyModel(), convnet });
    await expect(run("other", { frozenCore: core.last, modelConfig, sessions: others() })).rejects.toThrow(
      /Cannot take parts of ".*" into this model: convnet\.\S+ is \[.*\], this model needs \[/,
    );
  });
});

describe("train({ pretrainedCheckpoint })", () => {
  test("starts from frontend, convnet and the adapters of known sessions", () => {
    const set = setUpRun({
      pretrainedCheckpoint: core.last,
      modelConfig: tinyModel(),
      sessions: others(),
      batchSize: 16,
      checkpointDir: folder,
      experimentName: "vision",
    });
    const before = contents(core.last);
    const hex = (name: string) => {
      const data = set.twin.stateDict().get(name)!.toTypedArray();
      return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");
    };
    for (const name of before.keys())
      if (/^(frontend|convnet)\./.test(name)) expect(hex(name), name).toBe(before.get(name));
    expect(set.notes).toContainEqual(
      expect.stringMatching(/adapters but for Luke_2025-08-04 are taken from .* go on training/),
    );
    disposeRun(set);
  });

  test("keeps them frozen on request", async () => {
    const result = await run("frozen-vision", { pretrainedCheckpoint: core.last, freezeVision: true });
    const [before, after] = [contents(core.last), contents(result.last)];
    for (const name of before.keys()) {
      if (/^(frontend|convnet|adapters)\./.test(name)) expect(after.get(name), name).toBe(before.get(name));
    }
    expect(after.get("readouts.0.bias")).not.toBe(before.get("readouts.0.bias"));
  });

  test("refuses contradictions", async () => {
    const both = { frozenCore: core.last, pretrainedCheckpoint: core.last };
    await expect(run("a", both)).rejects.toThrow("both a frozen core and a pretrained checkpoint");
    await expect(run("b", { freezeVision: true })).rejects.toThrow("Cannot freeze vision that was never trained");
    await expect(run("c", { resume: core.last, frozenCore: core.last })).rejects.toThrow("Cannot resume with parts of");
    await expect(run("d", { frozenCore: join(folder, "nowhere") })).rejects.toThrow("nowhere");
  });
});
