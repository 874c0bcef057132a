import { describe, expect, test } from "vitest";
import { parseModelConfig, type RegularizerConfig } from "../config/model.ts";
import { type NamedTensor, ones, scope } from "../torch/index.ts";
import { matchesPattern, Regularizers } from "./regularizers.ts";

function configs(...specs: Record<string, unknown>[]): RegularizerConfig[] {
  return parseModelConfig({ convnet: { type: "none" }, regularization: specs }).regularization;
}

const parameters = (...names: string[]): NamedTensor[] => names.map((name) => ({ name, tensor: ones([2]) }));

test("matchesPattern() wants every piece somewhere in the name", () => {
  expect(matchesPattern("readouts/features", "readouts.3.features.weight")).toBe(true);
  expect(matchesPattern("features/readouts", "readouts.3.features.weight")).toBe(true);
  expect(matchesPattern("readouts/std", "readouts.3.features.weight")).toBe(false);
});

describe("Regularizers.warnings", () => {
  test("name patterns that match nothing", () => {
    const { warnings } = new Regularizers(
      configs({ name: "sparse", type: "l1", lambda: 1, apply_to: ["readout/featurs"] }),
      parameters("readouts.0.features.weight"),
    );
    expect(warnings).toEqual(['Regulariser "sparse" matches no parameter: apply_to is ["readout/featurs"]']);
  });

  test("name a number that also begins other numbers", () => {
    const spec = { name: "one", type: "l1", lambda: 1, apply_to: ["readouts.1/std"] };
    const some = parameters("readouts.1.std", "readouts.10.std");
    expect(new Regularizers(configs(spec), some).warnings).toEqual([
      'Regulariser "one": "readouts.1" also matches readouts.10.std; write "readouts.1." to end the number',
    ]);
    expect(new Regularizers(configs({ ...spec, apply_to: ["readouts.1./std"] }), some).warnings).toEqual([]);
  });

  test("name a ramp that ends before the run does", () => {
    const schedule = { kind: "linear_ramp", start_epoch: 0, end_epoch: 9 };
    const specs = configs({ name: "ramp", type: "l1", lambda: 1, apply_to: ["std"], schedule });
    expect(new Regularizers(specs, parameters("std"), { maxEpochs: 10 }).warnings).toEqual([]);
    expect(new Regularizers(specs, parameters("std"), { maxEpochs: 11 }).warnings).toEqual([
      'Regulariser "ramp" has no effect after epoch 9: a linear_ramp falls back to 0 at its end',
    ]);
  });
});

describe("Regularizers.penalties()", () => {
  test("gives one value per regulariser in force, in the configuration's order", () => {
    const specs = configs(
      { name: "b", type: "l2", lambda: 2, apply_to: ["std"] },
      { name: "off", type: "l1", lambda: 0, apply_to: ["std"] },
      { name: "later", type: "l1", lambda: 1, apply_to: ["std"], schedule: { kind: "warmup", start_epoch: 4 } },
      { name: "a", type: "l1", lambda: 3, apply_to: ["mean"] },
    );
    scope(() => {
      const penalties = new Regularizers(specs, parameters("mean", "std")).penalties(3);
      expect(penalties.map(({ name, value }) => [name, value.item()])).toEqual([
        ["b", 4],
        ["a", 6],
      ]);
    });
  });
});
