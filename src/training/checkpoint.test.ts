import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { UserError } from "../errors.ts";
import { writeSafetensors } from "../formats/safetensors.ts";
import { buildModel } from "../models/build.ts";
import type { Twin } from "../models/twin.ts";
import { AdamW, Generator, noGrad, scope, setNumThreads, tensor, tensorStats } from "../torch/index.ts";
import {
  findCheckpoint,
  loadTrainingState,
  loadTwin,
  openCheckpoint,
  saveCheckpoint,
  statePath,
} from "./checkpoint.ts";
import { parameterGroups } from "./optimizers.ts";
import { defaultSettings } from "./options.ts";
import { tinyModel, tinySessions } from "./tiny-run.fake.ts";

/** Bytes that can still be written before the disk is full. */
const disk = vi.hoisted(() => ({ free: Number.POSITIVE_INFINITY }));

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const writeSync = (fd: number, bytes: Uint8Array, ...rest: [number, number]) => {
    disk.free -= bytes.length;
    if (disk.free < 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    return fs.writeSync(fd, bytes, ...rest);
  };
  return { ...fs, writeSync, default: { ...fs, writeSync } };
});

setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "checkpoint-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const prepared = tinySessions();
const config = tinyModel();
const sessions = prepared.map(({ session, nUnits, cids, config }) => ({
  name: session,
  nUnits,
  cids: [...cids],
  config,
  data: "00",
}));

function makeTwin(seed: number): Twin {
  const specs = sessions.map(({ name, nUnits }) => ({ name, nUnits }));
  return buildModel(config, specs, { generator: new Generator(seed) });
}

/** Saves a twin with freshly drawn weights and one update's moments. */
function save(path: string, seed = 0): void {
  const twin = makeTwin(seed);
  const optimizer = new AdamW(
    parameterGroups(twin.namedParameters(), { learningRate: 1e-3, coreLrScale: 1, weightDecay: 0 }),
  );
  scope(() => {
    for (const t of optimizer.parameters()) t.setGrad(t.detach().clone());
    optimizer.step();
  });
  const info = {
    model_config: config,
    sessions,
    epoch: 3,
    global_step: 40,
    metrics: { val_bps_overall: 0.25 },
    settings: defaultSettings("cpu"),
  };
  try {
    saveCheckpoint(path, twin, info, { optimizer, device: "cpu", run: { counted: seed } });
  } finally {
    for (const moments of optimizer.state.values()) for (const t of Object.values(moments)) t.dispose();
    twin.dispose();
  }
}

describe("loadTwin()", () => {
  test("needs the checkpoint alone", () => {
    const path = join(folder, "twin.safetensors");
    save(path, 7);
    rmSync(statePath(path));
    const loaded = loadTwin(path, { formulation: "reference" });
    expect(loaded.config).toEqual(config);
    expect(loaded.sessions).toEqual(sessions);
    expect(loaded.info).toMatchObject({ epoch: 3, global_step: 40, metrics: { val_bps_overall: 0.25 } });
    expect(loaded.info.versions).toMatchObject({ node: process.versions.node });
    expect(loaded.twin.training).toBe(false);
    expect(loaded.twin.formulation).toBe("reference");
    const { stimulus, rates } = noGrad(() =>
      scope(() => {
        const served = prepared[1]!.train.serve([0, 5]).stim!;
        const input = tensor(served.data, served.shape);
        return { stimulus: input, rates: loaded.twin.forward([{ session: 1, stimulus: input, behavior: null }])[0]! };
      }),
    );
    expect(rates.shape).toEqual([2, 2]);
    for (const t of [stimulus, rates]) t.dispose();
    loaded.twin.dispose();
  });

  test("gives back every parameter and buffer", () => {
    const path = join(folder, "exact.safetensors");
    save(path, 3);
    const { twin } = loadTwin(path);
    const again = join(folder, "again.safetensors");
    const optimizer = new AdamW([]);
    saveCheckpoint(again, twin, openCheckpoint(path).info, { optimizer, device: "cpu", run: null });
    twin.dispose();
    const [a, b] = [openCheckpoint(path), openCheckpoint(again)];
    expect([...b.tensors.keys()]).toEqual([...a.tensors.keys()]);
    for (const [name, array] of a.tensors) expect(b.tensors.get(name)!.read()).toEqual(array.read());
  });

  test("takes the best checkpoint of a folder, or the last", () => {
    const run = join(folder, "run");
    mkdirSync(run);
    expect(() => findCheckpoint(run)).toThrow(`Cannot find a checkpoint in "${run}"`);
    writeFileSync(join(run, "last.safetensors"), "");
    writeFileSync(join(run, "last.state.safetensors"), "");
    expect(findCheckpoint(run)).toBe(join(run, "last.safetensors"));
    for (const score of ["0.0100", "0.3000", "0.2000"]) {
      writeFileSync(join(run, `epoch=00-val_bps_overall=${score}.safetensors`), "");
    }
    expect(findCheckpoint(run)).toBe(join(run, "epoch=00-val_bps_overall=0.3000.safetensors"));
  });

  describe("refuses", () => {
    const good = () => join(folder, "good.safetensors");
    beforeAll(() => save(good()));

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

    test.each([0, 7, 100, 2000, -1])("a file that was cut short (%d bytes)", (length) => {
      const path = join(folder, "cut.safetensors");
      copyFileSync(good(), path);
      truncateSync(path, length < 0 ? readFileSync(path).length + length : length);
      expect(refusal(path).message).toMatch(new RegExp(`^Cannot read "${path}": `));
    });

    test("a missing file", () => {
      expect(refusal(join(folder, "none.safetensors")).message).toContain("no such file");
    });

    test("another program's safetensors file", () => {
      const path = join(folder, "foreign.safetensors");
      writeSafetensors(path, new Map([["w", { dtype: "float32", shape: [2], data: new Float32Array(2) }]]), {
        format: "pt",
      });
      const { message } = refusal(path);
      expect(message).toBe(`Cannot load "${path}": its 1 tensors carry no description of a VisionCore model`);
    });

    test("a training state", () => {
      const { message, hint } = refusal(statePath(good()));
      expect(message).toContain("it holds the training state of a checkpoint, not its parameters");
      expect(hint).toBe(`Load "${good()}".`);
    });

    test("a PyTorch file, naming the command that converts it", () => {
      expect(refusal("old/last.ckpt").hint).toContain("visioncore train wrote");
    });

    test("a newer format", () => {
      const path = join(folder, "newer.safetensors");
      const { tensors } = openCheckpoint(good());
      const arrays = new Map([...tensors].map(([name, array]) => [name, array.read()]));
      writeSafetensors(path, arrays, { visioncore: JSON.stringify({ schema: 2 }) });
      expect(refusal(path).message).toBe(`Cannot load "${path}": it has format 2, this version reads up to 1`);
    });

    test("parameters that do not fit its own configuration", () => {
      const path = join(folder, "damaged.safetensors");
      const { tensors, info } = openCheckpoint(good());
      const arrays = new Map([...tensors].map(([name, array]) => [name, array.read()]));
      arrays.delete("readouts.0.bias");
      arrays.set("readouts.1.std", { dtype: "float32", shape: [1], data: new Float32Array(1) });
      arrays.set("readouts.9.std", { dtype: "float32", shape: [1], data: new Float32Array(1) });
      writeSafetensors(path, arrays, { visioncore: JSON.stringify({ ...info, schema: 1 }) });
      const { message } = refusal(path);
      expect(message).toContain("1 missing (readouts.0.bias); 1 unexpected (readouts.9.std); ");
      expect(message).toContain("1 of another shape (readouts.1.std: [1] in the file, [2, 2] in the model)");
    });
  });
});

describe("saveCheckpoint()", () => {
  test.each([
    ["at once", 0, 0],
    ["in the training state", 0.5, 0],
    ["in the parameters", 1, 0.5],
  ])("leaves the old pair intact when the disk is full %s", (_, stateShare, twinShare) => {
    const run = mkdtempSync(join(folder, "full-"));
    const path = join(run, "last.safetensors");
    save(path, 1);
    const before = [readFileSync(path), readFileSync(statePath(path))];
    const { live } = tensorStats();
    disk.free = stateShare * before[1]!.length + twinShare * before[0]!.length;
    expect(() => save(path, 2)).toThrow(/^Cannot write ".*": no space left on the disk; the previous file is intact$/);
    disk.free = Number.POSITIVE_INFINITY;
    expect([readFileSync(path), readFileSync(statePath(path))]).toEqual(before);
    expect(readdirSync(run).sort()).toEqual(["last.safetensors", "last.state.safetensors"]);
    expect(tensorStats().live).toBe(live);
  });

  test("needs a folder to write to", () => {
    expect(() => save(join(folder, "nowhere", "last.safetensors"))).toThrow(UserError);
  });
});

describe("loadTrainingState()", () => {
  test("gives back moments, step counts and what the trainer counted", () => {
    const path = join(folder, "state.safetensors");
    save(path, 5);
    const twin = makeTwin(5);
    const groups = parameterGroups(twin.namedParameters(), { learningRate: 1, coreLrScale: 1, weightDecay: 0 });
    const optimizer = new AdamW(groups);
    expect(loadTrainingState(path, optimizer, "cpu")).toEqual({ counted: 5 });
    const { step, expAvg } = optimizer.state.get("readouts.2.features.weight")!;
    expect(step.item()).toBe(1);
    const weight = twin.stateDict().get("readouts.2.features.weight")!;
    const expected = Array.from(weight.toTypedArray() as Float32Array, (g) => Math.fround(g) * 0.1);
    expect(Array.from(expAvg.toTypedArray() as Float32Array)).toEqual(expected.map((m) => expect.closeTo(m, 7)));
    for (const moments of optimizer.state.values()) for (const t of Object.values(moments)) t.dispose();
    twin.dispose();
  });
});
