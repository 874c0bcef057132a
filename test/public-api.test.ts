/** @file The public API, spelt out: nobody widens or narrows it by accident. */

import { expect, test } from "vitest";
import * as visioncore from "../src/index.ts";

test("the library exports exactly these values", () => {
  expect(Object.keys(visioncore).sort()).toMatchInlineSnapshot(`
    [
      "BatchLoader",
      "ConfigError",
      "PRESETS",
      "Recording",
      "SampleSet",
      "UserError",
      "bitsPerSpike",
      "buildModel",
      "convertDset",
      "convertNpy",
      "correlation",
      "describeModel",
      "diagnose",
      "ensureReady",
      "exportPytorch",
      "exportSafetensors",
      "formatDoctor",
      "generateSession",
      "importCheckpoint",
      "inspectData",
      "jsonSchemas",
      "jsonlTracker",
      "loadDatasetConfigs",
      "loadModelConfig",
      "loadParameters",
      "loadTwin",
      "makeTrackers",
      "openModelFile",
      "openRecording",
      "openSession",
      "predictSamples",
      "prepareSession",
      "readMetrics",
      "renderReport",
      "saveModelFile",
      "scorePredictions",
      "scoreTwin",
      "synthesize",
      "train",
      "verifyData",
      "verifyDigests",
      "verifyModels",
      "verifyTraining",
      "writeRecording",
      "writeReport",
    ]
  `);
});
