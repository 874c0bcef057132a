/**
 * @file The library: every command of the command line as a function, and the parts they are made of. Nothing here prints,
 * and libtorch is loaded when the first tensor is made.
 *
 * Tensors and modules are in `visioncore/torch`, single measures of evaluation in `visioncore/eval`.
 */

export { type ConvertDsetOptions, type ConvertedDset, convertDset } from "./cli/convert/dset.ts";
export { type ConvertedNpy, type ConvertNpyOptions, convertNpy } from "./cli/convert/npy.ts";
export { type DataReport, type InspectDataOptions, inspectData } from "./cli/inspect-data.ts";
export { ConfigError, type ConfigIssue } from "./config/config-error.ts";
export { type DatasetConfigs, loadDatasetConfigs } from "./config/dataset.ts";
export { jsonSchemas } from "./config/json-schema.ts";
export { type LoadedModelConfig, loadModelConfig } from "./config/load.ts";
export type { ModelConfig } from "./config/model.ts";
export type { SessionConfig } from "./config/session.ts";
export type { Doubt } from "./data/doubts.ts";
export { BatchLoader, type SessionBatch } from "./data/loader.ts";
export { type PreparedSession, type PrepareOptions, prepareSession } from "./data/prepare.ts";
export { Recording } from "./data/recording.ts";
export { type Verification, verifyDigests } from "./data/recording-digests.ts";
export { openRecording, writeRecording } from "./data/recording-files.ts";
export { SampleSet } from "./data/samples.ts";
export { type FolderSession, openSession, type Session } from "./data/session.ts";
export { generateSession, type SynthesizeOptions, synthesize } from "./data/synthetic/population.ts";
export { PRESETS, type Preset } from "./data/synthetic/presets.ts";
export { UserError } from "./errors.ts";
export { type Baseline, type BaselineKind, baselinePredictions } from "./eval/baselines/baseline.ts";
export { type BaselineOptions, fitBaseline } from "./eval/baselines/fit-baseline.ts";
export { bitsPerSpike, jointBitsPerSpike, pooledBitsPerSpike, type ScoredSamples } from "./eval/bps.ts";
export { scanCheckpoints } from "./eval/checkpoints.ts";
export { type CompareOptions, type Comparison, compareModels } from "./eval/compare.ts";
export { correlation } from "./eval/correlation.ts";
export { type EyeCovariance, eyeCovariance } from "./eval/covariance/session.ts";
export { type EvaluateOptions, type Evaluation, evaluateModelMultidataset } from "./eval/evaluate.ts";
export { type GratingsTuning, gratingsTuning } from "./eval/gratings/gratings-tuning.ts";
export { type LoadedModel, type LoadModelOptions, loadModel } from "./eval/load-model.ts";
export { type GaboriumMaps, gaboriumMaps } from "./eval/maps/gaborium.ts";
export { type MeiOptions, type MeiResult, synthesiseMei } from "./eval/mei/synthesise-mei.ts";
export { type Predictions, type PredictOptions, predictSamples, scorePredictions } from "./eval/predict.ts";
export { type QualityControl, qualityControl } from "./eval/qc.ts";
export { referenceLayout } from "./eval/reference-layout.ts";
export { type Ccnorm, ccnorm } from "./eval/repeats/ccnorm.ts";
export { type RepeatScores, repeatScores } from "./eval/repeats/scores.ts";
export { applyRescaling, fitRescaling, rescalePredictions } from "./eval/rescale.ts";
export { readResult, writeResult } from "./eval/result-file.ts";
export { type SaccadeAnalysis, saccadeAnalysis } from "./eval/saccades/analysis.ts";
export { alignedTrials, alignTrials, type TrialResponses } from "./eval/trials.ts";
export { trialPsth } from "./eval/trials-psth.ts";
export type { DType, NdArray } from "./formats/array.ts";
export { type ExportOptions, exportPytorch, exportSafetensors } from "./interop/export-pytorch.ts";
export { type ImportedTwin, type ImportOptions, importCheckpoint } from "./interop/import-checkpoint.ts";
export { buildModel } from "./models/build.ts";
export { describeModel, type InputShape, type ModelRow, type SessionSpec } from "./models/shapes.ts";
export type { SessionInput, Twin } from "./models/twin.ts";
export { writeEvaluationReport } from "./report/evaluation-report.ts";
export { type ReportData, renderReport, writeReport } from "./report/report.ts";
export { type DoctorReport, diagnose, formatDoctor } from "./torch/setup/doctor.ts";
export { ensureReady, type Ready } from "./torch/setup/ensure.ts";
export { jsonlTracker, readMetrics } from "./tracking/jsonl.ts";
export { makeTrackers, type TrackingOptions } from "./tracking/trackers.ts";
export type { EpochEvent, RunEvent, StepEvent, TrainEvents } from "./training/events.ts";
export {
  type LoadedTwin,
  type LoadTwinOptions,
  loadParameters,
  loadTwin,
  type ModelFile,
  openModelFile,
  saveModelFile,
} from "./training/model-file.ts";
export type { ModelInfo, ModelSession } from "./training/model-info.ts";
export type { TrainingSettings, TrainOptions } from "./training/options.ts";
export type { MetricRecord, TrackedRun, Tracker } from "./training/tracker.ts";
export { type TrainResult, train } from "./training/trainer.ts";
export { verifyData } from "./verify/data.ts";
export { verifyEval } from "./verify/eval.ts";
export type { CaseResult } from "./verify/golden.ts";
export { verifyModels } from "./verify/models.ts";
export { verifyTraining } from "./verify/training.ts";
