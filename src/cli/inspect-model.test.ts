import { describe, expect, test } from "vitest";
import { formatModel, inspectModel } from "./inspect-model.ts";

const MODELS = "experiments/model_configs";
const FLAGSHIP = `${MODELS}/learned_resnet_none_convgru_gaussian.yaml`;
const UNPOOLED = `${MODELS}/learned_resnet_none_none_gaussian.yaml`;

function inspect(
  path: string,
  { frames = 33, units = [8, 12], rateHz }: { frames?: number; units?: number[]; rateHz?: number } = {},
) {
  return inspectModel(path, { input: { frames, height: 51, width: 51 }, units, rateHz });
}

describe("inspectModel()", () => {
  test("adds up the published parameters: all, trainable, used", () => {
    const { totals, stages, sessions } = inspect(FLAGSHIP);
    expect(totals).toMatchObject({ parameters: 4_324_057, trainable: 4_323_854, live: 2_844_654 });
    expect(sessions).toEqual([
      { name: "session 1", units: 8 },
      { name: "session 2", units: 12 },
    ]);
    expect(stages.reduce((sum, { parameters }) => sum + parameters, 0)).toBe(totals.parameters);
  });

  test("has the layers of every block, which add up to it", () => {
    for (const { layers, ...stage } of inspect(FLAGSHIP).stages.filter(({ path }) => path.startsWith("convnet"))) {
      expect(layers.map(({ path }) => path)).toContain(`${stage.path}.conv_params`);
      for (const cost of ["parameters", "fixed", "unused", "multiplyAdds", "activations"] as const) {
        expect(layers.reduce((sum, layer) => sum + layer[cost], 0)).toBe(stage[cost]);
      }
      expect(layers.at(-1)!.output).toEqual(stage.output);
    }
  });

  test("counts what waits for the backward pass in two precisions", () => {
    const { activationBytes } = inspect(FLAGSHIP).totals;
    expect(activationBytes.float32).toBeGreaterThan(activationBytes.bf16);
    expect(activationBytes.bf16).toBeGreaterThan(activationBytes.float32 / 2);
    // In memory, a sample of the flagship took 58 MB in float32 and 54 MB in bf16.
    expect(58e6 / activationBytes.float32).toBeCloseTo(1.2, 1);
  });

  test("knows lags and pixels, and warns about the newest lags", () => {
    const { lags, pixels, warnings } = inspect(UNPOOLED, { rateHz: 120 });
    expect(lags!.seen).toEqual(Array.from({ length: 21 }, (_, i) => 11 + i));
    expect(pixels).toMatchObject({ size: [16, 16], step: [2, 2], frame: [51, 51] });
    expect(pixels!.spacing[0]).toBeCloseTo(0.679, 3);
    expect(warnings).toContainEqual(expect.stringMatching(/^the newest 11 lags \(92 ms\)/));
    expect(inspect(`${MODELS}/modulator_only_convgru.yaml`)).toMatchObject({ lags: null, pixels: null });
  });

  test("does not build a model that does not fit", () => {
    expect(() => inspect(FLAGSHIP, { frames: 12 })).toThrow("frontend.params.kernel_size: the kernel spans 16 frames");
  });
});

describe("formatModel()", () => {
  test("prints stages, totals, lags and pixels", () => {
    const text = formatModel(inspect(UNPOOLED, { rateHz: 120 }));
    expect(text).toContain("stimulus 33 lags of 51 x 51 pixels; 2 sessions, 20 units");
    expect(text).toMatch(/^convnet\.params\.block_configs\.0 +\[128, 9, 18, 18\] +499,905 +3,715,282,944 +29\.3 MB/m);
    expect(text).toMatch(/^total +2,999,129 /m);
    expect(text).toContain(
      "2,999,129 as the reference counts them, 2,998,926 trainable, 1,519,726 without weight norm's unused copies",
    );
    expect(text).toContain("scored output sees lags 11-31 of 33 (92 ms to 258 ms at 120 Hz)");
    expect(text).toContain("one feature pixel sees 16 x 16 pixels, the next one is 2 further");
    expect(text).toContain("which looks at the central 69 % of the stimulus at first (there: 11 x 11 stimulus pixels)");
    expect(text).toContain("warning: convnet.params.checkpointing: accepted and ignored");
    expect(text).not.toContain("norm_type");
  });

  test("prints the layers of blocks when asked to", () => {
    const text = formatModel(inspect(UNPOOLED), { detail: true });
    expect(text).toMatch(/^ {2}norm_type +\[64, 18, 37, 37\] +128 /m);
    expect(text).toMatch(/^ {2}\(shortcut\) +\[128, 9, 18, 18\] +2,048 /m);
  });
});
