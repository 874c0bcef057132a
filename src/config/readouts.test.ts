/**
 * @file Configuration of readouts beyond the reference's, and of the shifter.
 */

import { describe, expect, test } from "vitest";
import { ConfigError } from "./config-error.ts";
import { type ModelConfig, parseModelConfig } from "./model.ts";
import { parseSessionConfig } from "./session.ts";

const model = (change: Record<string, unknown>): ModelConfig =>
  parseModelConfig({ convnet: { type: "none" }, ...change });

describe("parseModelConfig()", () => {
  test("fills in what readouts and shifters leave out", () => {
    const { params: point } = model({ readout: { type: "gaussian_point" } }).readout;
    expect(point).toEqual({ bias: true, covariance: "full", sample: "sample", init_mu_range: 0.1, init_sigma: 0.3 });
    const { params: masks } = model({ readout: { type: "factorized", params: null } }).readout;
    expect(masks).toEqual({ bias: true, non_negative: false, normalize: false, init: "gaussian", initial_std: 5 });
    const { shifter } = model({ shifter: { type: "mlp", params: { behavior_dim: 2 } } });
    expect(shifter.params).toEqual({
      features: null,
      behavior_dim: 2,
      hidden_dims: [10],
      activation: "tanh",
      max_shift: 0.5,
    });
    expect(model({}).shifter).toEqual({ type: "none", params: {} });
  });

  test("reads factorised as factorized, in a model and in a session's own readout", () => {
    expect(model({ readout: { type: "factorised" } }).readout.type).toBe("factorized");
    const session = {
      session: "a",
      types: ["gaborium"],
      cids: [1],
      keys_lags: { robs: 0, dfs: 0, stim: 0 },
      train_val_split: 0.8,
      readout: { type: "factorised" },
    };
    expect(parseSessionConfig(session).readout?.type).toBe("factorized");
  });

  test("gives an equal result when it reads its own result", () => {
    const config = model({ readout: { type: "factorised" }, shifter: { type: "mlp", params: { features: [0] } } });
    expect(parseModelConfig(config)).toEqual(config);
  });

  test.each<[string, Record<string, unknown>, string]>([
    [
      "an unknown readout",
      { readout: { type: "gaussian_points" } },
      'readout.type: expected one of gaussian, linear, gaussian_point, factorized, found "gaussian_points": did you mean "gaussian_point"?',
    ],
    ["a key of another readout", { readout: { type: "gaussian_point", params: { initial_std: 1 } } }, "initial_std"],
    [
      "a width of masks that are not Gaussian",
      { readout: { type: "factorized", params: { init: "flat", initial_std: 2 } } },
      "readout.params.initial_std: initial_std is read by init gaussian only, not by flat",
    ],
    [
      "an unknown covariance",
      { readout: { type: "gaussian_point", params: { covariance: "diagonal" } } },
      "readout.params.covariance: expected one of isotropic, uncorrelated, full",
    ],
    ["no spread", { readout: { type: "gaussian_point", params: { init_sigma: 0 } } }, "readout.params.init_sigma"],
    [
      "a shifter of unknown width",
      { shifter: { type: "mlp", params: {} } },
      "shifter.params.behavior_dim: needed where features is null",
    ],
    [
      "gaze outside of behaviour",
      { shifter: { type: "mlp", params: { features: [40, 41], behavior_dim: 41 } } },
      "shifter.params.features: 41 is not among the 41 behaviour features",
    ],
    [
      "gaze twice",
      { shifter: { type: "mlp", params: { features: [2, 3, 2] } } },
      "shifter.params.features: 2 is listed twice",
    ],
    ["no gaze", { shifter: { type: "mlp", params: { features: [] } } }, "shifter.params.features"],
    ["no room", { shifter: { type: "mlp", params: { features: [0], max_shift: 0 } } }, "shifter.params.max_shift"],
    ["an unknown shifter", { shifter: { type: "gru" } }, 'shifter.type: expected one of none, mlp, found "gru"'],
  ])("explains %s", (_, change, message) => {
    expect(() => model(change)).toThrow(ConfigError);
    expect(() => model(change)).toThrow(message);
  });
});
