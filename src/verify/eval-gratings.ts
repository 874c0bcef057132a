/**
 * @file Golden grating analyses: sine fits and tuning (evaluation specification, section 12).
 */
import { phaseResponse } from "../eval/gratings/phase.ts";
import { fitSine, type SineFit, type VarianceModel } from "../eval/gratings/sine-fit.ts";
import { type GratingResponses, gratingMaps, unitTuning } from "../eval/gratings/tuning.ts";
import { toFloat64 } from "../formats/array.ts";
import { type CaseResult, type Comparison, type GoldenFile, readGolden, runCase } from "./golden.ts";

interface EvalGolden<Options> {
  options: Options;
  tensors: Record<string, { rtol: number; atol: number }>;
}

interface SineOptions {
  fields: string[];
  omega: number[];
}

/** Names of the fitted numbers in golden vectors. */
const SINE_FIELDS: Readonly<Record<string, keyof SineFit>> = {
  K: "sine",
  L: "cosine",
  C: "mean",
  K_se: "sineSe",
  L_se: "cosineSe",
  C_se: "meanSe",
  amplitude: "amplitude",
  amplitude_se: "amplitudeSe",
  phase_offset_rad: "phase",
  phase_offset_rad_se: "phaseSe",
  modulation_index: "modulationIndex",
  modulation_index_se: "modulationIndexSe",
  R_squared: "rSquared",
  condition_number_XTX: "conditionNumber",
};

/** Sine fits and grating tuning. */
export function verifyEvalGratings(folder: string): CaseResult[] {
  return [...verifySineFit(folder), ...verifyTuning(folder)];
}

/** What the golden case subtracts from its counts for a mean below 0, and the count that is the same for all phases. */
const BASELINE = 3;
const CONSTANT = 2;

/** Sine fits with every model of variance. */
function verifySineFit(folder: string): CaseResult[] {
  const golden = readGolden<EvalGolden<SineOptions>>(folder, "fit_sine");
  return [
    runCase("fit_sine", (compare) => {
      const expect = expectation(golden, compare);
      const { fields, omega } = golden.json.options;
      const x = toFloat64(golden.tensor("in.phase"));
      const y = toFloat64(golden.tensor("in.spikes"));
      for (const variance of ["observed_y", "fitted_y", "mse"] satisfies VarianceModel[]) {
        for (const w of omega) {
          const fit = fitSine(x, y, { omega: w, variance });
          expect(`out.${variance}_w${w}`, vectorOf(fit, fields));
          expect(`out.${variance}_w${w}_cov`, fit.covariance);
        }
      }
      const { sine, cosine, mean } = fitSine(x, y);
      expect("ind.lstsq_KLC", [sine, cosine, mean]);
      expect(
        "out.negative_baseline",
        vectorOf(
          fitSine(
            x,
            y.map((count) => count - BASELINE),
          ),
          fields,
        ),
      );
      compareConstant(
        golden,
        fitSine(
          x,
          y.map(() => CONSTANT),
        ),
        compare,
      );
    }),
  ];
}

/**
 * Constant counts have an amplitude of 0, which the reference knows up to the rounding of a count, 4e-16. Its errors of amplitude
 * and modulation index are that times their gradient's scale, 1e9: compared with room for it. Its phase is one rounding error
 * over another: not compared, as the case says.
 */
function compareConstant(
  { json, tensor }: GoldenFile<EvalGolden<SineOptions>>,
  fit: SineFit,
  compare: Comparison,
): void {
  const stated = json.tensors["out.constant"]!;
  const expected = toFloat64(tensor("out.constant"));
  for (const [i, field] of json.options.fields.entries()) {
    if (field.startsWith("phase_offset")) continue;
    const isRounding = field === "amplitude_se" || field === "modulation_index_se";
    const tolerance = isRounding ? { ...stated, atol: 1e-7 } : stated;
    compare.close(`out.constant ${field}`, vectorOf(fit, [field]), [expected[i]!], tolerance);
  }
}

interface TuningOptions {
  dt: number;
  n_lags: number;
  n_phase_bins: number;
  min_spikes: number;
  sine_fields: string[];
}

type Variant = Pick<GratingResponses, "dfs" | "frames">;

/** Maps, tuning and phase responses: without a mask, with one, and for a subset of frames. */
function verifyTuning(folder: string): CaseResult[] {
  const golden = readGolden<EvalGolden<TuningOptions>>(folder, "gratings_tuning");
  const dfs = toFloat64(golden.tensor("in.dfs"));
  const frames = golden.tensor("in.sf").data.length;
  const middle = Int32Array.from({ length: frames - 60 }, (_, i) => i + 20);
  const variants: Readonly<Record<string, Variant>> = { nomask: {}, mask: { dfs }, inds: { dfs, frames: middle } };
  return Object.entries(variants).map(([name, variant]) =>
    runCase(`gratings_tuning/${name}`, (compare) =>
      compareGratings(golden, name, variant, expectation(golden, compare)),
    ),
  );
}

function compareGratings(
  { json, tensor }: GoldenFile<EvalGolden<TuningOptions>>,
  name: string,
  variant: Variant,
  expect: Expect,
): void {
  const { dt, n_lags, n_phase_bins, min_spikes, sine_fields } = json.options;
  const { data: _, shape } = tensor("in.robs");
  const units = shape[1]!;
  const numbers = (column: string) => toFloat64(tensor(`in.${column}`));
  const input: GratingResponses = {
    sf: numbers("sf"),
    ori: numbers("ori"),
    responses: numbers("robs"),
    units,
    lags: n_lags,
    dt,
    ...variant,
  };
  const maps = gratingMaps(input);
  const phaseOptions = {
    phases: numbers("phase"),
    bins: n_phase_bins,
    minSpikes: min_spikes,
    compat: "reference",
  } as const;
  const all = Array.from({ length: units }, (_, unit) => {
    const tuning = unitTuning(maps, unit);
    return { tuning, phase: phaseResponse(input, maps, unit, tuning, phaseOptions) };
  });
  const compared = (field: string, values: readonly ArrayLike<number>[]) => {
    expect(
      `out.${name}_${field}`,
      values.flatMap((part) => Array.from(part)),
    );
  };
  const scalar = (field: string, value: (unit: (typeof all)[number]) => number) => {
    compared(field, [all.map(value)]);
  };
  compared("gratings_sta", [maps.rates]);
  // The reference has zeros, or -1 for positions, where a unit has no tuning.
  compared(
    "sf_tuning",
    all.map(({ tuning }) => tuning?.sfTuning ?? maps.sfs.map(() => 0)),
  );
  compared(
    "ori_tuning",
    all.map(({ tuning }) => tuning?.oriTuning ?? maps.oris.map(() => 0)),
  );
  scalar("peak_lag", ({ tuning }) => tuning?.peakLag ?? 0);
  scalar("peak_lag_idx", ({ tuning }) => tuning?.peakLagIndex ?? 0);
  scalar("peak_sf_idx", ({ tuning }) => tuning?.peakSfIndex ?? -1);
  scalar("peak_ori_idx", ({ tuning }) => tuning?.peakOriIndex ?? -1);
  scalar("peak_sf", ({ tuning }) => tuning?.peakSf ?? Number.NaN);
  scalar("peak_ori", ({ tuning }) => tuning?.peakOri ?? Number.NaN);
  scalar("sf_snr", ({ tuning }) => tuning?.sfSnr ?? Number.NaN);
  scalar("ori_snr", ({ tuning }) => tuning?.oriSnr ?? Number.NaN);
  compared("phase_bins", [all[0]!.phase.bins]);
  compared(
    "phase_response",
    all.map(({ phase }) => phase.mean),
  );
  compared(
    "phase_response_ste",
    all.map(({ phase }) => phase.standardError),
  );
  scalar("n_spikes_total", ({ phase }) => phase.spikes);
  scalar("modulation_index", ({ phase }) => phase.fit?.modulationIndex ?? Number.NaN);
  compared(
    "sine",
    all.map(({ phase }) => (phase.fit ? vectorOf(phase.fit, sine_fields) : sine_fields.map(() => Number.NaN))),
  );
}

function vectorOf(fit: SineFit, fields: readonly string[]): number[] {
  return fields.map((field) => fit[SINE_FIELDS[field]!] as number);
}

type Expect = (name: string, values: ArrayLike<number>) => void;

/** Compares values, in the order of a golden tensor, with it, within the tolerance that the case states for it. */
function expectation<Options>({ json, tensor }: GoldenFile<EvalGolden<Options>>, compare: Comparison): Expect {
  return (name, values) => {
    const expected = tensor(name);
    compare.close(name, values, { ...expected, shape: [expected.data.length] }, json.tensors[name]!);
  };
}
