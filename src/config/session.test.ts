import { readFileSync } from "node:fs";
import { describe, expect, expectTypeOf, test } from "vitest";
import { mergeConfig } from "./merge.ts";
import { datafilterOps, type TransformOp, transformOps } from "./ops.ts";
import { parseSessionConfig } from "./session.ts";

const parents: Record<string, Record<string, unknown>> = JSON.parse(
  readFileSync(new URL("../../test/fixtures/config/dataset_configs.json", import.meta.url), "utf8"),
);

const minimal = { session: "A", types: ["backimage"], cids: [0, 1], keys_lags: { robs: 0 }, train_val_split: 0.5 };

/** The operations that a transform's list of operations is read as, and the warnings on the way. */
function readOps(ops: unknown[]): { ops: TransformOp[]; warnings: string[] } {
  const warnings: string[] = [];
  const { transforms } = parseSessionConfig({ ...minimal, transforms: { x: { ops } } }, undefined, (message) => {
    warnings.push(message);
  });
  return { ops: transformOps(transforms.x!), warnings };
}

describe("parseSessionConfig()", () => {
  test("fills in defaults", () => {
    expect(parseSessionConfig(minimal)).toEqual({
      session: "A",
      lab: "yates",
      eye: "right",
      types: ["backimage"],
      cids: [0, 1],
      sampling: null,
      keys_lags: { robs: 0 },
      transforms: {},
      datafilters: {},
      n_lags: 0,
      train_val_split: 0.5,
      seed: 1002,
      split_by: "trial",
      split_blocks: 10,
      strict_validity: false,
      trial_aware: false,
      transform_per_trial: false,
      strict_data: false,
      accept: [],
      _config_path: "",
      _parent_config_path: "",
    });
  });

  // polar_v1_test has another shape and is read by nothing.
  test.each(Object.entries(parents).filter(([name]) => name !== "polar_v1_test"))(
    "accepts the shared keys of %s and gives the same when it parses its own result",
    (_, { session_dir, sessions, ...shared }) => {
      const merged = mergeConfig(shared, { session: "Allen_2022-02-16", cids: [1, 4, 5] });
      const config = parseSessionConfig(merged);
      expect(Object.keys(config.transforms)).toEqual(Object.keys(merged.transforms as object));
      expect(parseSessionConfig(config)).toEqual(config);
    },
  );

  test("leaves its argument alone", () => {
    const written = { ...minimal, transforms: { x: { ops: ["symlog"], keys_lags: [0, 1] } } };
    const before = structuredClone(written);
    parseSessionConfig(written);
    expect(written).toEqual(before);
  });

  test("reads an empty or absent sampling as none", () => {
    expect(parseSessionConfig({ ...minimal, sampling: {} }).sampling).toBeNull();
    expect(parseSessionConfig({ ...minimal, sampling: null }).sampling).toBeNull();
  });

  test("reads lab in any case, and sections with nothing behind them", () => {
    const written = {
      ...minimal,
      lab: "Rowley",
      transforms: null,
      datafilters: null,
      adapter: { type: "adapter", params: null },
    };
    expect(parseSessionConfig(written)).toMatchObject({
      lab: "rowley",
      transforms: {},
      datafilters: {},
      adapter: { params: { grid_size: 25 } },
    });
  });

  test("reads a lag of null as 0 and takes n_lags from the largest lag", () => {
    const config = parseSessionConfig({ ...minimal, keys_lags: { robs: null, stim: [3, 9, -2], behavior: 4 } });
    expect(config.keys_lags).toEqual({ robs: 0, stim: [3, 9, -2], behavior: 4 });
    expect(config.n_lags).toBe(9);
    expect(parseSessionConfig({ ...minimal, n_lags: 3 }).n_lags).toBe(3);
  });

  test("names source and exposed key after the entry, and moves its keys_lags to the top", () => {
    const config = parseSessionConfig({
      ...minimal,
      transforms: { eyepos: { keys_lags: [0, 2] }, fast: { source: "eyepos", expose_as: "robs", keys_lags: 5 } },
      datafilters: { dfs: { ops: [{ valid_nlags: 3 }], keys_lags: null } },
    });
    expect(config.transforms).toEqual({
      eyepos: { source: "eyepos", ops: [], expose_as: "eyepos", concatenate: false },
      fast: { source: "eyepos", ops: [], expose_as: "robs", concatenate: false },
    });
    expect(config.datafilters).toEqual({ dfs: { ops: [{ valid_nlags: { n_lags: 3 } }], expose_as: "dfs" } });
    expect(config.keys_lags).toEqual({ robs: 5, eyepos: [0, 2], dfs: 0 });
    expect(config.n_lags).toBe(5);
  });
});

describe("transformOps()", () => {
  test("spells out shorthands", () => {
    expect(
      readOps(["pixelnorm", { diff: null }, { unsqueeze: 1 }, { mul: 2.5 }, { cast: "uint8" }, { smooth: 2 }]).ops,
    ).toEqual([
      { name: "pixelnorm", params: {} },
      { name: "diff", params: { axis: 0 } },
      { name: "unsqueeze", params: { axis: 1 } },
      { name: "mul", params: { factor: 2.5 } },
      { name: "cast", params: { dtype: "uint8" } },
      { name: "smooth", params: { type: "gaussian", params: 2 } },
    ]);
  });

  test("fills in parameters", () => {
    expect(
      readOps([{ temporal_basis: { causal: false } }, { dacones: { alpha: 0.01 } }, "fftwhitening", "splitrelu"]).ops,
    ).toEqual([
      {
        name: "temporal_basis",
        params: {
          num_delta_funcs: 0,
          num_cosine_funcs: 10,
          history_bins: 32,
          log_spacing: true,
          peak_range_ms: [5, 100],
          bin_size_ms: 5,
          normalize: true,
          orthogonalize: false,
          causal: false,
          batch_norm: false,
        },
      },
      {
        name: "dacones",
        params: {
          alpha: 0.01,
          beta: 8e-5,
          gamma: 0.5,
          tau_y_ms: 5,
          tau_z_ms: 60,
          n_y: 5,
          n_z: 2,
          filter_length: 200,
          sampling_rate: 240,
          learnable_params: false,
        },
      },
      { name: "fftwhitening", params: { f_0: 0.4, n: 4 } },
      { name: "splitrelu", params: { split_dim: 1, trainable_gain: false } },
    ]);
  });

  test("reads the parameters of smooth from a list of mappings, with a warning", () => {
    expect(readOps([{ smooth: [{ type: "gaussian" }, { params: 1.5 }] }])).toEqual({
      ops: [{ name: "smooth", params: { type: "gaussian", params: 1.5 } }],
      warnings: ["session config transforms.x.ops.0.smooth: the parameters of smooth are a list; read as one mapping"],
    });
  });

  test("types parameters by name", () => {
    expectTypeOf<Extract<TransformOp, { name: "unsqueeze" }>["params"]>().toEqualTypeOf<{ axis: number }>();
  });
});

describe("datafilterOps()", () => {
  test("spells out shorthands", () => {
    const { datafilters } = parseSessionConfig({
      ...minimal,
      datafilters: { dfs: { ops: [{ valid_nlags: 32 }, { missing_pct: 30 }, "missing_pct", "valid_nlags"] } },
    });
    expect(datafilterOps(datafilters.dfs!)).toEqual([
      { name: "valid_nlags", params: { n_lags: 32 } },
      { name: "missing_pct", params: { threshold: 30 } },
      { name: "missing_pct", params: { threshold: 45 } },
      { name: "valid_nlags", params: { n_lags: 1 } },
    ]);
  });
});
