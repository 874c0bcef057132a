import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BatchLoader } from "../data/loader.ts";
import type { PreparedSession } from "../data/prepare.ts";
import { buildModel } from "../models/build.ts";
import type { Twin } from "../models/twin.ts";
import { Generator, scope, setNumThreads, tensorStats } from "../torch/index.ts";
import { explainNonFinite } from "./non-finite.ts";
import { tinyModel, tinySession } from "./tiny-run.fake.ts";

setNumThreads(1);

let sessions: PreparedSession[];
let twin: Twin;
let loader: BatchLoader;

beforeEach(() => {
  sessions = [tinySession("Allen_2022-02-16", { seed: 1 }), tinySession("Logan_2019-12-20", { units: 2, seed: 2 })];
  twin = buildModel(
    tinyModel({ dropout: 0 }),
    sessions.map(({ session, nUnits }) => ({ name: session, nUnits })),
    { generator: new Generator(1) },
  );
  prepare();
});
afterEach(() => {
  loader.dispose();
  twin.dispose();
});

function prepare(): void {
  loader?.dispose();
  loader = new BatchLoader(sessions.map(({ train }) => train));
}

function explanation(plan: readonly number[] = [4, loader.offsets[1]! + 7, 2]): string {
  const lossOptions = { logInput: false, precision: "32", device: "cpu" } as const;
  return explainNonFinite({ twin, trainLoader: loader, lossOptions }, plan);
}

/** Column of the second session. */
function column(key: string): Float32Array {
  return sessions[1]!.train.recordings[0]!.floats(key).data as Float32Array;
}

function set(name: string, value: number): void {
  scope(() => void twin.stateDict().get(name)!.detach().fill_(value));
}

describe("explainNonFinite()", () => {
  test("lists the samples of every session, the first eight of many", () => {
    expect(explanation()).toBe(
      "Repeated, all its numbers are finite. " +
        "The batch's samples, by session: Allen_2022-02-16 4, 2; Logan_2019-12-20 7",
    );
    expect(explanation(Array.from({ length: 10 }, (_, i) => i))).toContain("0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
  });

  test("names a parameter", () => {
    set("convnet.layers.0.shortcut.weight", Number.NaN);
    expect(explanation()).toMatch(/^The parameter convnet\.layers\.0\.shortcut\.weight is not finite any more\./);
  });

  test("names the first part whose output is not finite", () => {
    const frontend = "frontend.temporal_conv.conv.weight";
    expect(twin.stateDict().has(frontend)).toBe(true);
    set(frontend, 1e20);
    set("convnet.layers.0.shortcut.weight", 1e30);
    expect(explanation()).toMatch(/^The first part whose output is not finite is convnet\.layers\.0\./);
    set(frontend, 0.1);
    set("convnet.layers.0.shortcut.weight", 0.1);
    set("readouts.1.features.weight", 3e38);
    set("readouts.1.bias", 3.4e38);
    expect(explanation()).toMatch(/^The first part whose output is not finite is readouts\.1\./);
  });

  test("names a session whose counts are not finite, or whose mask is empty", () => {
    column("robs").fill(Number.NaN);
    prepare();
    expect(explanation()).toMatch(/^The model's outputs are finite, the loss of Logan_2019-12-20 is not/);
    column("dfs").fill(0);
    prepare();
    expect(explanation()).toMatch(/^The mask \(dfs\) of Logan_2019-12-20 leaves no valid entry\./);
  });

  test("names behaviour that is not finite", () => {
    sessions[1] = tinySession("Logan_2019-12-20", { units: 2, seed: 2, gaze: true });
    column("behavior").fill(Number.NaN);
    prepare();
    expect(explanation()).toMatch(/^The behavior of Logan_2019-12-20 is not finite\./);
  });

  test("names a parameter whose gradient is not finite", () => {
    // A loss of about 1e38 that is 1e7 times as steep.
    column("robs").fill(1e37);
    set("readouts.1.features.weight", 0);
    set("readouts.1.bias", -16);
    prepare();
    expect(explanation()).toMatch(/^All outputs are finite, the gradient of readouts\.1\.features\.weight is not\./);
  });

  test("keeps no tensors and no gradients", () => {
    explanation();
    const { live } = tensorStats();
    explanation();
    expect(tensorStats().live).toBe(live);
    scope(() => {
      for (const { tensor } of twin.namedParameters()) expect(tensor.grad).toBeNull();
    });
  });
});
