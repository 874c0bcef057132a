/**
 * @file Checkpoints of the small model, without a training run, for tests.
 */

import { buildModel } from "../models/build.ts";
import type { Twin } from "../models/twin.ts";
import { AdamW, Generator, noGrad, scope, tensor } from "../torch/index.ts";
import { saveCheckpoint } from "./checkpoint.ts";
import { openModelFile } from "./model-file.ts";
import type { ModelInfo } from "./model-info.ts";
import { parameterGroups } from "./optimizers.ts";
import { defaultSettings } from "./options.ts";
import { describeSession, inputShape } from "./session-fit.ts";
import { tinyModel, tinySessions } from "./tiny-run.fake.ts";

const prepared = tinySessions();

/** The small model, or another one, of the small sessions, freshly initialised. */
export function tinyTwin(seed: number, model = tinyModel()): Twin {
  const sessions = prepared.map(({ session: name, nUnits }) => ({ name, nUnits }));
  return buildModel(model, sessions, { generator: new Generator(seed), input: inputShape(prepared[0]!)! });
}

/** What its model file says. */
export function tinyInfo(): ModelInfo {
  return {
    model_config: tinyModel(),
    input: inputShape(prepared[0]!),
    sessions: prepared.map(describeSession),
    epoch: 3,
    global_step: 40,
    metrics: { val_bps_overall: 0.25 },
    settings: defaultSettings("cpu"),
    imported: null,
  };
}

/** Saves a twin with freshly drawn weights and one update's moments. */
export function saveTiny(path: string, seed = 0, info: ModelInfo = tinyInfo()): void {
  const twin = tinyTwin(seed);
  const optimizer = new AdamW(
    parameterGroups(twin.namedParameters(), { learningRate: 1e-3, coreLrScale: 1, weightDecay: 0 }),
  );
  scope(() => {
    for (const t of optimizer.parameters()) t.setGrad(t.detach().clone());
    optimizer.step();
  });
  try {
    saveCheckpoint(path, twin, info, { optimizer, device: "cpu", run: { counted: seed } });
  } finally {
    for (const moments of optimizer.state.values()) for (const t of Object.values(moments)) t.dispose();
    twin.dispose();
  }
}

/** Rates for samples 0 and 5 of every session, in evaluation mode. */
export function tinyRates(twin: Twin): number[][] {
  twin.eval();
  return noGrad(() =>
    scope(() =>
      prepared.map(({ train }, session) => {
        const served = train.serve([0, 5]).stim!;
        const stimulus = tensor(served.data, served.shape);
        const [rates] = twin.forward([{ session, stimulus, behavior: null }]);
        return Array.from(rates!.toTypedArray() as Float32Array);
      }),
    ),
  );
}

/** Bytes of every tensor of a file, in hexadecimal. */
export function tensorBytes(path: string): Record<string, string> {
  using file = openModelFile(path);
  return Object.fromEntries(
    [...file.tensors].map(([name, tensor]) => {
      const { data } = tensor.read();
      return [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")];
    }),
  );
}
