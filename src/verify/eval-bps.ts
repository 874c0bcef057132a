/**
 * @file Golden checkpoint discovery, bits per spike, the Poisson loss under masks, rescaling, and the bits-per-spike stage of
 * one session (evaluation specification, sections 2, 4, 6 and 7).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { bitsPerSpike, type Floats, jointBitsPerSpike, type ScoredSamples, withoutNaN } from "../eval/bps.ts";
import { extractModelType, parseCheckpointName, scanCheckpoints } from "../eval/checkpoints.ts";
import { fitRescaling, type RescaleMode, rescalePredictions } from "../eval/rescale.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import { poissonLoss } from "../models/losses.ts";
import { fromArray, scope } from "../torch/index.ts";
import { sumScores } from "../training/bits-per-spike.ts";
import { validationMetrics } from "../training/metrics.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

/** What the JSON of every case says about its tensors. */
interface Sidecar {
  tensors: Record<string, { shape: number[]; rtol?: number; atol?: number }>;
}

/** All cases of this file. */
export function verifyEvalBps(folder: string): CaseResult[] {
  const golden = <Json extends Sidecar>(name: string, body: (compare: Comparison, golden: GoldenFile<Json>) => void) =>
    runCase(name, (compare) => body(compare, readGolden<Json>(folder, name)));
  return [
    golden("checkpoint_discovery", compareCheckpoints),
    golden("bps_masks", compareMasks),
    golden("bps_edge", compareEdgeCases),
    golden("bps_aggregate", compareAggregation),
    golden("masked_poisson_loss", compareLosses),
    golden("rescale", compareRescaling),
    golden("evaluate_end_to_end", compareStage),
  ];
}

function closeTo(compare: Comparison, golden: GoldenFile<Sidecar>, name: string, values: ArrayLike<number>): void {
  const { rtol = 0, atol = 0 } = golden.json.tensors[name]!;
  compare.close(name, values, toFloat64(golden.tensor(name)), { rtol, atol });
}

function floats(golden: GoldenFile<unknown>, name: string): Floats {
  return (golden.tensor(name) as NdArray & { data: Floats }).data;
}

interface NamedCheckpoint {
  val_loss: number | null;
  val_bps: number | null;
  epoch: number | null;
}

interface DiscoveryGolden extends Sidecar {
  data: {
    tree: Record<string, string[] | string>;
    scan_result: Record<string, (NamedCheckpoint & { path: string; experiment: string; metric_type: string })[]>;
    file_name_parsing: (NamedCheckpoint & { file: string })[];
    model_types: { experiment: string; model_type: string }[];
  };
}

function compareCheckpoints(compare: Comparison, { json: { data } }: GoldenFile<DiscoveryGolden>): void {
  for (const { file, ...expected } of data.file_name_parsing) {
    const { epoch, valLoss, valBps } = parseCheckpointName(file, { compat: "reference" });
    compare.same(file, { val_loss: valLoss, val_bps: valBps, epoch }, expected);
  }
  for (const { experiment, model_type } of data.model_types) {
    compare.same(experiment, extractModelType(experiment), model_type);
  }
  const root = mkdtempSync(join(tmpdir(), "visioncore-"));
  try {
    for (const path of treeFiles(data.tree)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), "");
    }
    const found = scanCheckpoints(root, { compat: "reference" });
    compare.same("types", [...found.keys()].sort(), Object.keys(data.scan_result).sort());
    for (const [type, expected] of Object.entries(data.scan_result)) {
      const records = found.get(type)?.map(({ path, experiment, epoch, valLoss, valBps, metricType }) => ({
        path: relative(root, path),
        val_loss: valLoss,
        val_bps: valBps,
        epoch,
        experiment,
        metric_type: metricType,
      }));
      compare.same(type, records, expected);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function treeFiles(tree: Record<string, string[] | string>): string[] {
  return Object.entries(tree).flatMap(([name, files]) =>
    Array.isArray(files) ? files.map((file) => join(name, file)) : [name],
  );
}

function compareMasks(compare: Comparison, golden: GoldenFile<Sidecar>): void {
  const samples = { rates: floats(golden, "in.rhat"), robs: floats(golden, "in.robs"), units: 6 };
  const score = (mask?: string) =>
    bitsPerSpike({ ...samples, dfs: mask === undefined ? undefined : floats(golden, `in.mask_${mask}`) });
  closeTo(compare, golden, "out.bps_none", score());
  for (const mask of ["col", "full", "vec", "frac"]) closeTo(compare, golden, `out.bps_${mask}`, score(mask));
  const single = (name: string) => Float32Array.from(floats(golden, name));
  const singles = { rates: single("in.rhat"), robs: single("in.robs"), dfs: single("in.mask_full"), units: 6 };
  closeTo(compare, golden, "out.bps_full_f32", bitsPerSpike(singles));
  closeTo(compare, golden, "ind.bps_none_logpmf", score());
  closeTo(compare, golden, "ind.bps_full_logpmf", score("full"));
}

function compareEdgeCases(compare: Comparison, golden: GoldenFile<Sidecar>): void {
  const samples = {
    rates: floats(golden, "in.rhat"),
    robs: floats(golden, "in.robs"),
    dfs: floats(golden, "in.mask"),
    units: golden.json.tensors["in.rhat"]!.shape[1]!,
  };
  closeTo(compare, golden, "out.bps_main", bitsPerSpike(samples, { compat: "reference" }));
  closeTo(compare, golden, "out.bps_sanitised", bitsPerSpike(samples, { compat: "reference-rescaled" }));
  closeTo(compare, golden, "fix.bps", bitsPerSpike(samples));
}

function compareAggregation(compare: Comparison, golden: GoldenFile<Sidecar>): void {
  const units = 4;
  const [rates, robs, dfs] = ["in.rhat", "in.robs", "in.dfs"].map((name) => floats(golden, name)) as [
    Floats,
    Floats,
    Floats,
  ];
  const cuts = [0, ...toFloat64(golden.tensor("in.batch_cuts")), robs.length / units];
  const batches = cuts.slice(1).map((end, i): ScoredSamples => {
    const rows = (values: Floats) => values.subarray(cuts[i]! * units, end * units);
    return { rates: rows(rates), robs: rows(robs), dfs: rows(dfs), units };
  });
  const scores = jointBitsPerSpike(batches);
  closeTo(compare, golden, "out.bps", scores);
  const first = (values: Floats) => values.filter((_, i) => i % units === 0);
  // One unit without a mask.
  closeTo(compare, golden, "out.bps_1d_input", bitsPerSpike({ rates: first(rates), robs: first(robs), units: 1 }));
  const sessions = [Float64Array.from(floats(golden, "in.bps_dataset_b")), scores].map((values, i) => ({
    session: `session_${i}`,
    ...sumScores(values),
  }));
  const metrics = validationMetrics({ losses: [[]], scores: sessions });
  closeTo(
    compare,
    golden,
    "out.per_dataset",
    sessions.map(({ sum, count }) => sum / count),
  );
  closeTo(compare, golden, "out.overall", [metrics.val_bps_overall!]);
}

function compareLosses(compare: Comparison, golden: GoldenFile<Sidecar>): void {
  scope(() => {
    const input = (name: string) => fromArray(golden.tensor(name));
    const [logRate, robs, column] = [input("in.log_rate"), input("in.robs"), input("in.mask_col")];
    const masks = { none: null, col: column, vec: column.flatten(), full: input("in.mask_full") };
    const loss = (kind: string, mask: keyof typeof masks, legacyMask = false) => {
      const logInput = kind === "log";
      const prediction = logInput ? logRate : logRate.exp();
      return [poissonLoss(prediction, robs, masks[mask], { logInput, legacyMask }).item()];
    };
    for (const kind of ["log", "lin"]) {
      for (const mask of Object.keys(masks) as (keyof typeof masks)[]) {
        closeTo(compare, golden, `out.${kind}_${mask}`, loss(kind, mask, true));
        // A column is worth as much as a vector unless the reference's loss is asked for.
        if (mask !== "col") closeTo(compare, golden, `out.${kind}_${mask}`, loss(kind, mask));
        else closeTo(compare, golden, `out.${kind}_vec`, loss(kind, mask));
      }
    }
  });
}

function compareRescaling(compare: Comparison, golden: GoldenFile<Sidecar>): void {
  const samples = {
    rates: floats(golden, "in.rhat"),
    robs: floats(golden, "in.robs"),
    dfs: floats(golden, "in.dfs"),
    units: 5,
  };
  const compat = "reference";
  for (const mode of ["globalgain", "gain", "globalaffine", "affine"] satisfies RescaleMode[]) {
    const { gain, offset } = fitRescaling(samples, mode, { compat });
    const fitted = mode.startsWith("global") ? 1 : samples.units;
    closeTo(compare, golden, `out.${mode}_rates`, rescalePredictions(samples, mode, { compat }));
    closeTo(compare, golden, `out.${mode}_gain`, gain.subarray(0, fitted));
    if (mode.endsWith("affine")) closeTo(compare, golden, `out.${mode}_offset`, offset.subarray(0, fitted));
  }
  const score = (rates: Floats) => bitsPerSpike({ ...samples, rates }, { compat: "reference-rescaled" });
  closeTo(compare, golden, "out.bps_before", score(samples.rates));
  closeTo(compare, golden, "out.bps_after_affine", score(rescalePredictions(samples, "affine", { compat })));
  // The expected values are those of inputs without NaN; ours does not define the fit of a unit that has one.
  const clean = withoutNaN(samples);
  const { gain, offset } = fitRescaling(clean, "affine");
  closeTo(compare, golden, "ind.closed_form_gain", fitRescaling(clean).gain);
  closeTo(compare, golden, "fix.affine_gain", gain);
  closeTo(compare, golden, "fix.affine_offset", offset);
  closeTo(
    compare,
    golden,
    "fix.bps_after_affine",
    bitsPerSpike({ ...clean, rates: rescalePredictions(clean, "affine") }),
  );
}

interface StageGolden extends Sidecar {
  options: { stimuli_present: string[]; missing: string[] };
}

/**
 * Predictions come from the golden case's own predictor. A missing stimulus has scores of NaN, as with the reference; the rows
 * that the reference makes up for it are not reproduced.
 */
function compareStage(compare: Comparison, golden: GoldenFile<StageGolden>): void {
  const byStimulus = new Map(golden.json.options.stimuli_present.map((stim) => [stim, stageSamples(golden, stim)]));
  for (const [stimulus, samples] of byStimulus) {
    const { rates, robs, units } = samples;
    closeTo(compare, golden, `out.${stimulus}_bps`, bitsPerSpike(samples));
    closeTo(compare, golden, `out.${stimulus}_n_samples`, [robs.length / units]);
    const sums = new Float64Array(units);
    for (const [i, rate] of rates.entries()) sums[i % units]! += rate;
    closeTo(compare, golden, `out.${stimulus}_rhat_sum`, sums);
    const rescaled = { ...samples, rates: rescalePredictions(samples, "affine", { compat: "reference" }) };
    closeTo(compare, golden, `out.${stimulus}_bps_rescaled`, bitsPerSpike(rescaled, { compat: "reference-rescaled" }));
    // All masks of this case are binary and nothing is NaN, so a gain alone gives the same numbers.
    const gained = bitsPerSpike({ ...samples, rates: rescalePredictions(samples) });
    closeTo(compare, golden, `out.${stimulus}_bps_rescaled`, gained);
  }
  const none = { rates: new Float32Array(0), robs: new Float32Array(0), units: 4 };
  for (const stimulus of golden.json.options.missing) {
    closeTo(compare, golden, `out.${stimulus}_bps`, bitsPerSpike(none));
    closeTo(
      compare,
      golden,
      `out.${stimulus}_bps_rescaled`,
      bitsPerSpike({ ...none, rates: rescalePredictions(none) }),
    );
  }
  const joined = ["gaborium", "backimage"].map((stimulus) => byStimulus.get(stimulus)!);
  closeTo(compare, golden, "out.val", jointBitsPerSpike(joined, { compat: "reference" }));
  closeTo(compare, golden, "fix.val", jointBitsPerSpike(joined));
}

/** Rates `softplus(behavior W - 0.5)` for the evaluated samples: those of validation, of fixrsvp all. */
function stageSamples(golden: GoldenFile<StageGolden>, stimulus: string) {
  return scope(() => {
    const input = (name: string) => fromArray(golden.tensor(`in.${name}`));
    const rows = stimulus === "fixrsvp" ? ["train", "val"] : ["val"];
    const pick = (name: string) =>
      rows.map((part) => input(`${stimulus}_${name}`).indexSelect(0, input(`${stimulus}_${part}_inds`)));
    const join = (parts: Float32Array[]) => Float32Array.from(parts.flatMap((part) => [...part]));
    const host = (name: string) => join(pick(name).map((part) => part.toTypedArray() as Float32Array));
    const predict = pick("behavior").map((part) => part.matmul(input("W")).sub(0.5).softplus());
    const rates = join(predict.map((part) => part.toTypedArray() as Float32Array));
    return { rates, robs: host("robs"), dfs: host("dfs"), units: golden.json.tensors["in.W"]!.shape[1]! };
  });
}
