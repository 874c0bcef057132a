import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import type { ModelConfig } from "../config/model.ts";
import { Generator, setNumThreads } from "../torch/index.ts";
import { buildModel } from "./build.ts";
import { type Cost, totalCost } from "./shape-rules.ts";
import { describeModel, type ModelRow } from "./shapes.ts";

setNumThreads(1);

interface Facts {
  total: number;
  trainable: number;
  /** Copies of weight norm, which are trainable in name. */
  decoy: number;
  frontend: number;
  convnet: number;
  modulator: number;
  recurrent: number;
  perUnit: number;
  perSession: number;
  /** Shapes at 25 and 33 lags; null for models without a stimulus. */
  afterFrontend: readonly [number[], number[]] | null;
  afterConvnet: readonly [number[], number[]] | null;
  /** Channels after the modulator. */
  modulated: number | null;
  /** Channels, rows and columns that readouts see. */
  read: readonly [number, number, number];
}

const afterFrontend: Facts["afterFrontend"] = [
  [4, 10, 51, 51],
  [4, 18, 51, 51],
];
const convnet = (channels: number, size: number): Facts["afterConvnet"] => [
  [channels, 5, size, size],
  [channels, 9, size, size],
];

/** What is published of the reference's models for stimuli of 51 x 51 pixels and two sessions of 8 and 12 units. */
// biome-ignore format: a table
const FACTS: Record<string, Facts> = {
  cones_res_small_gru_optimized: {
    total: 2_109_693, trainable: 2_109_686, decoy: 0, frontend: 7, convnet: 1_093_400, modulator: 1_013_600,
    recurrent: 0, perUnit: 134, perSession: 3,
    afterFrontend: [[1, 25, 51, 51], [1, 33, 51, 51]], afterConvnet: [[128, 13, 24, 24], [128, 17, 24, 24]],
    modulated: 128, read: [128, 24, 24],
  },
  learned_dense_concat_convgru_gaussian: {
    total: 1_418_797, trainable: 1_418_738, decoy: 178_976, frontend: 68, convnet: 358_123, modulator: 6_912,
    recurrent: 1_051_008, perUnit: 134, perSession: 3,
    afterFrontend, afterConvnet: convnet(112, 14), modulated: 176, read: [128, 14, 14],
  },
  learned_dense_concat_convgru_gaussian_history: {
    total: 1_422_941, trainable: 1_422_882, decoy: 178_976, frontend: 68, convnet: 358_123, modulator: 6_912,
    recurrent: 1_051_008, perUnit: 134 + 171, perSession: 3 + 362,
    afterFrontend, afterConvnet: convnet(112, 14), modulated: 176, read: [128, 14, 14],
  },
  learned_dense_film_none_gaussian: {
    total: 4_822_713, trainable: 4_822_442, decoy: 2_367_200, frontend: 68, convnet: 4_735_207, modulator: 76_592,
    recurrent: 0, perUnit: 542, perSession: 3,
    afterFrontend, afterConvnet: convnet(536, 14), modulated: 536, read: [536, 14, 14],
  },
  learned_dense_none_convgru_gaussian: {
    total: 1_190_701, trainable: 1_190_642, decoy: 178_976, frontend: 68, convnet: 358_123, modulator: 0,
    recurrent: 829_824, perUnit: 134, perSession: 3,
    afterFrontend, afterConvnet: convnet(112, 14), modulated: null, read: [128, 14, 14],
  },
  learned_resnet_concat_convgru_gaussian: {
    total: 4_552_153, trainable: 4_551_950, decoy: 1_479_200, frontend: 64, convnet: 2_993_819, modulator: 6_912,
    recurrent: 1_548_672, perUnit: 134, perSession: 3,
    afterFrontend, afterConvnet: convnet(256, 14), modulated: 320, read: [128, 14, 14],
  },
  learned_resnet_film_none_gaussian: {
    total: 299_049, trainable: 298_990, decoy: 139_808, frontend: 64, convnet: 282_347, modulator: 15_232,
    recurrent: 0, perUnit: 70, perSession: 3,
    afterFrontend, afterConvnet: convnet(64, 15), modulated: 64, read: [64, 15, 15],
  },
  learned_resnet_none_convgru_gaussian: {
    total: 4_324_057, trainable: 4_323_854, decoy: 1_479_200, frontend: 64, convnet: 2_993_819, modulator: 0,
    recurrent: 1_327_488, perUnit: 134, perSession: 3,
    afterFrontend, afterConvnet: convnet(256, 14), modulated: null, read: [128, 14, 14],
  },
  learned_resnet_none_none_gaussian: {
    total: 2_999_129, trainable: 2_998_926, decoy: 1_479_200, frontend: 64, convnet: 2_993_819, modulator: 0,
    recurrent: 0, perUnit: 262, perSession: 3,
    afterFrontend, afterConvnet: convnet(256, 14), modulated: null, read: [256, 14, 14],
  },
  learned_resnet_wide3_none_convgru_gaussian: {
    total: 18_024_914, trainable: 18_024_478, decoy: 8_048_704, frontend: 64, convnet: 16_252_308, modulator: 0,
    recurrent: 1_769_856, perUnit: 134, perSession: 3,
    afterFrontend, afterConvnet: convnet(384, 8), modulated: null, read: [128, 8, 8],
  },
  modulator_only_convgru: {
    total: 676_884, trainable: 676_884, decoy: 0, frontend: 0, convnet: 0, modulator: 6_912,
    recurrent: 667_392, perUnit: 129, perSession: 0,
    afterFrontend: [[1, 1, 1, 1], [1, 1, 1, 1]], afterConvnet: null, modulated: 65, read: [128, 1, 1],
  },
};

const SESSIONS = [8, 12].map((nUnits, i) => ({ name: `s${i}`, nUnits }));
const LAGS = [25, 33] as const;

const inputOf = (frames: number) => ({ frames, height: 51, width: 51 });

function shipped(name: string): ModelConfig {
  const path = `../../experiments/model_configs/${name}.yaml`;
  return loadModelConfig(fileURLToPath(new URL(path, import.meta.url))).config;
}

/** The cones model as published does not fit; its patched file has as many parameters. */
function runnable(name: string): ModelConfig {
  return shipped(name === "cones_res_small_gru_optimized" ? `${name}_patched` : name);
}

function rowsOf(config: ModelConfig, frames: number): ModelRow[] {
  return describeModel(config, inputOf(frames), SESSIONS);
}

function stage(rows: readonly ModelRow[], name: string): Required<Cost> & { output: readonly number[] | undefined } {
  const found = rows.filter(({ path }) => path.split(".")[0] === name);
  return { ...totalCost(found), output: found.at(-1)?.output };
}

describe.each(Object.entries(FACTS))("%s", (name, facts) => {
  test("describeModel() counts the published parameters", () => {
    const rows = rowsOf(runnable(name), 33);
    const { parameters, fixed, unused } = totalCost(rows);
    expect({ parameters, trainable: parameters - fixed, unused }).toEqual({
      parameters: facts.total,
      trainable: facts.trainable,
      unused: facts.decoy,
    });
    for (const part of ["frontend", "convnet", "modulator", "recurrent"] as const) {
      expect(stage(rows, part).parameters, part).toBe(facts[part]);
    }
    const own = ["adapter", "readout", "history_encoder"].reduce((sum, part) => sum + stage(rows, part).parameters, 0);
    expect(own).toBe(2 * facts.perSession + 20 * facts.perUnit);
  });

  test("describeModel() gives the published shapes", () => {
    for (const [i, frames] of LAGS.entries()) {
      const rows = rowsOf(runnable(name), frames);
      expect(stage(rows, "frontend").output).toEqual(facts.afterFrontend?.[i]);
      if (facts.afterConvnet) expect(stage(rows, "convnet").output).toEqual(facts.afterConvnet[i]);
      if (facts.modulated) expect(stage(rows, "modulator").output?.[0]).toBe(facts.modulated);
      const [channels, , ...size] = rows.findLast(({ output }) => output.length === 4)!.output;
      expect([channels, ...size]).toEqual(facts.read);
    }
  });

  test("buildModel() makes what describeModel() describes, at its real size", () => {
    const config = runnable(name);
    rowsOf(config, 25);
    const input = inputOf(25);
    const twin = buildModel(config, SESSIONS, { generator: new Generator(1), input });
    const parameters = [...twin.namedParameters()];
    const count = (counted: typeof parameters) => counted.reduce((sum, { tensor }) => sum + tensor.numel, 0);
    expect(count(parameters)).toBe(facts.total);
    expect(count(parameters.filter(({ tensor }) => tensor.requiresGrad))).toBe(facts.trainable);
    twin.dispose();
  });
});

describe("cones_res_small_gru_optimized as published", () => {
  test("does not fit, for the reason that is known", () => {
    expect(() => rowsOf(shipped("cones_res_small_gru_optimized"), 33)).toThrow(
      "convnet.params.block_configs.0: the block puts out 27 rows, its shortcut only 26",
    );
  });
});
