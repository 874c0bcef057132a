/**
 * @file Golden spike-triggered analyses (evaluation specification, section 11).
 */
import { stillFrames } from "../eval/maps/fixations.ts";
import { movieOf } from "../eval/maps/movie.ts";
import {
  forwardCorrelation,
  type ReverseCorrelationInput,
  reverseCorrelation,
} from "../eval/maps/reverse-correlation.ts";
import { mapSnr, peakLags, populationPeakLag } from "../eval/maps/ste-snr.ts";
import { type Extremum, subpixelArgmax, subpixelArgmin } from "../eval/maps/subpixel.ts";
import { fitWhitening } from "../eval/maps/whitening.ts";
import { summarizeMaps, type ZMapResult, type ZMaps, zMaps, zPeakLags } from "../eval/maps/zmaps.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

/** The JSON beside the tensors of a golden case. */
interface EvalGolden<Options> {
  options: Options;
  tensors: Record<string, { rtol: number; atol: number }>;
}

type EvalCase<Options> = GoldenFile<EvalGolden<Options>>;

/** Reverse correlation, z-maps and extrema between samples. */
export function verifyEvalMaps(folder: string): CaseResult[] {
  return [...verifyCorrelation(folder), ...verifyGaborium(folder), ...verifySubpixel(folder)];
}

/** Reverse and forward correlation, and the signal to noise of energies. */
function verifyCorrelation(folder: string): CaseResult[] {
  const golden = readGolden<EvalGolden<{ n_lags: number; lag_list: number[] }>>(folder, "sta_correlation");
  return [
    runCase("sta_correlation", (compare) => {
      const expect = expectation(golden, compare);
      const responses = toFloat64(golden.tensor("in.robs"));
      const dfs = toFloat64(golden.tensor("in.mask"));
      const lags = counting(golden.json.options.n_lags);
      const images = movieOf(golden.tensor("in.stim"));
      const reverse = (more: Partial<ReverseCorrelationInput>) =>
        reverseCorrelation({ movie: images, responses, units: 3, lags, compat: "reference", ...more });
      expect("out.reverse_nomask", reverse({}).values);
      expect("out.reverse_mask", reverse({ dfs }).values);
      expect("fix.reverse_mask", reverse({ dfs, compat: undefined }).values);
      expect("out.reverse_mask1d", reverse({ dfs: toFloat64(golden.tensor("in.mask_1d")) }).values);
      const frames = Int32Array.from(toFloat64(golden.tensor("in.inds")));
      expect("out.reverse_inds_lags", reverse({ dfs, frames, lags: golden.json.options.lag_list }).values);

      const onehot = golden.tensor("in.onehot");
      const features = movieOf({ ...onehot, dtype: "float32", data: Float32Array.from(toFloat64(onehot)) });
      const forward = { movie: features, responses, units: 3, lags };
      expect("out.forward_onehot", forwardCorrelation(forward).values);
      const masked = forwardCorrelation({ ...forward, dfs }).values;
      expect("out.forward_onehot_mask", masked);
      expect("ind.forward_onehot_mask", masked);

      const energy = reverse({ dfs, energy: true });
      expect("out.reverse_energy", energy.values);
      const { snr, lag, perLag } = mapSnr(energy);
      expect("out.snr", snr);
      expect("out.snr_lag", lag);
      expect("out.snr_per_lag", perLag);
      const peaks = peakLags(energy);
      expect("out.peak_lag", peaks);
      expect("out.population_peak_lag", [populationPeakLag(peaks)]);
    }),
  ];
}

interface GaboriumOptions {
  lags: number[];
  ridge: number;
  target_rate_hz: number;
  modes: [name: string, fixationsOnly: boolean, allSamples: boolean][];
}

/** Whitened z-maps of data and model, and their summaries. */
function verifyGaborium(folder: string): CaseResult[] {
  const golden = readGolden<EvalGolden<GaboriumOptions>>(folder, "gaborium_zmaps");
  return golden.json.options.modes.map((mode) =>
    runCase(`gaborium_zmaps/${mode[0]}`, (compare) => compareGaborium(golden, mode, expectation(golden, compare))),
  );
}

function compareGaborium(
  { json, tensor }: EvalCase<GaboriumOptions>,
  [mode, fixationsOnly, allSamples]: GaboriumOptions["modes"][number],
  expect: Expect,
): void {
  const { lags, ridge, target_rate_hz } = json.options;
  const units = tensor("in.robs").shape[1]!;
  const numbers = (name: string) => toFloat64(tensor(`in.${name}`));
  const movie = movieOf(tensor("in.stim"));
  const dfs = numbers("dfs");
  const frameOf = Int32Array.from([...(allSamples ? numbers("train_inds") : []), ...numbers("val_inds")]);
  const whitening = fitWhitening(movie, unitMeans(dfs, units), { ridge });
  expect(`out.${mode}_mu2_hw`, whitening.energy);
  expect("ind.mu2_hw", whitening.energy);

  const rows = (name: string) => rowsOf(numbers(name), units, frameOf);
  const still = stillFrames(numbers("eyepos"), frameOf, target_rate_hz, "reference");
  const used = rows("dfs").map((valid, i) => valid * (fixationsOnly ? still[Math.floor(i / units)]! : 1));
  expect(`out.${mode}_dfs_used`, used);

  const result = zMaps({ movie, whitening, frameOf, robs: rows("robs"), rates: rows("rhat"), dfs: used, units, lags });
  const peaks = zPeakLags(result);
  expect(`out.${mode}_peak_lag`, peaks);
  for (const [source, maps] of [["robs", result.data] as const, ["rhat", result.model!] as const]) {
    expect(`out.${mode}_norm_${source}`, maps.spikes);
    expect(`out.${mode}_Z_STA_${source}`, unitsLast(result, maps.sta));
    expect(`out.${mode}_Z_STE_${source}`, unitsLast(result, maps.ste));
    const summaries = counting(units).map((unit) => summarizeMaps(result, maps, unit, peaks[unit]!));
    expect(
      `out.${mode}_snr_sta_${source}`,
      summaries.map(({ snrSta }) => snrSta),
    );
    expect(
      `out.${mode}_snr_ste_${source}`,
      summaries.map(({ snrSte }) => snrSte),
    );
    expect(
      `out.${mode}_modulation_index_${source}`,
      summaries.map(({ modulationIndex }) => modulationIndex),
    );
    expect(
      `out.${mode}_peak_lag_subpixel_${source}`,
      summaries.map(({ peakBetweenLags }) => peakBetweenLags),
    );
  }
}

/** Extrema between samples, along each axis and of all values. */
function verifySubpixel(folder: string): CaseResult[] {
  const golden = readGolden<EvalGolden<object>>(folder, "argmax_subpixel");
  return [
    runCase("argmax_subpixel", (compare) => {
      const expect = expectation(golden, compare);
      const { shape, data } = golden.tensor("in.a") as NdArray & { data: Float64Array };
      const [rows, columns] = shape as [number, number];
      const alongAxis = [
        counting(columns).map((column) => data.filter((_, i) => i % columns === column)),
        counting(rows).map((row) => data.subarray(row * columns, (row + 1) * columns)),
      ];
      for (const [axis, profiles] of alongAxis.entries()) {
        for (const [name, find] of [["max", subpixelArgmax] as const, ["min", subpixelArgmin] as const]) {
          const extrema: Extremum[] = profiles.map((profile) => find(profile));
          expect(
            `out.${name}${axis}_idx`,
            extrema.map(({ index }) => index),
          );
          expect(
            `out.${name}${axis}_val`,
            extrema.map(({ value }) => value),
          );
        }
      }
      const { index, value } = subpixelArgmax(data);
      expect("out.maxflat", [index, value]);
    }),
  ];
}

type Expect = (name: string, values: ArrayLike<number>) => void;

/** Compares values, in the order of a golden tensor, with it, within the tolerance that the case states for it. */
function expectation<Options>({ json, tensor }: EvalCase<Options>, compare: Comparison): Expect {
  return (name, values) => {
    const expected = tensor(name);
    compare.close(name, values, { ...expected, shape: [expected.data.length] }, json.tensors[name]!);
  };
}

function counting(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** Mean over units of every frame. */
function unitMeans(values: Float64Array, units: number): Float64Array {
  return Float64Array.from({ length: values.length / units }, (_, t) => {
    return values.subarray(t * units, (t + 1) * units).reduce((sum, value) => sum + value, 0) / units;
  });
}

function rowsOf(values: Float64Array, width: number, rows: Int32Array): Float64Array {
  return Float64Array.from({ length: rows.length * width }, (_, i) => {
    return values[rows[Math.floor(i / width)]! * width + (i % width)]!;
  });
}

/** [units, lags, pixels] as [lags, pixels, units], the layout of the golden maps. */
function unitsLast({ units }: ZMapResult, values: ZMaps["sta"]): Float64Array {
  const perUnit = values.length / units;
  return Float64Array.from(values, (_, i) => values[(i % units) * perUnit + Math.floor(i / units)]!);
}
