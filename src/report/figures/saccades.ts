/**
 * @file The section on saccades: average responses around them, observed and predicted, and the main sequence.
 */
import type { Evaluation } from "../../eval/evaluate.ts";
import type { StimulusSaccades } from "../../eval/saccades/analysis.ts";
import { detailsOf, exampleUnits, locate, type PooledUnits, summarize, unitName } from "../evaluation-units.ts";
import type { Figure, ReportTable, Section } from "../figure.ts";
import { lineChart, linePanel } from "../line-chart.ts";
import { formatNumber } from "../markup.ts";
import { type Panel, panelGrid, WIDTH } from "../panel.ts";
import { scatterChart } from "../scatter-chart.ts";
import { present, scatterFigure } from "./unit-figures.ts";

/** More saccades would be one blue cloud: of more, evenly spaced ones are drawn. */
const MOST_SACCADES = 3000;

/** The section. */
export function saccadeSection(evaluation: Evaluation, units: PooledUnits): Section {
  const stimuli = usableStimuli(evaluation);
  if (stimuli.length === 0) return { id: "saccades", heading: HEADING, items: [] };
  const [most] = stimuli.toSorted((a, b) => b.saccades - a.saccades);
  const figures = present([
    ...stimuli.map((name) => populationFigure(evaluation, name.stimulus)),
    exampleFigure(evaluation, units, most!.stimulus),
    ...stimuli.map(({ stimulus }) =>
      scatterFigure(
        units,
        units.scores.get(`saccade_suppression_${stimulus}`),
        units.scores.get(`model_saccade_suppression_${stimulus}`),
        {
          id: `saccade-modulation-${stimulus}`,
          title: `Modulation by saccades, ${stimulus}`,
          caption:
            "(r − r₀) / (r + r₀) with r 20 to 80 ms after the start of saccades and r₀ before it, from −1 (silenced) to 1.",
          xLabel: "data",
          yLabel: "model",
        },
        { hasDiagonal: true },
      ),
    ),
    mainSequenceFigure(evaluation),
  ]);
  return { id: "saccades", heading: HEADING, items: [...figures, ...mainSequenceTable(evaluation)] };
}

const HEADING = "Around saccades";

/** Stimuli with averages in some session, with all their saccades. */
function usableStimuli({ sessions }: Evaluation): { stimulus: string; saccades: number }[] {
  const counts = new Map<string, number>();
  for (const { stimulus, averages } of sessions.flatMap((session) => detailsOf(session, "saccade")?.stimuli ?? [])) {
    if (averages !== null) counts.set(stimulus, (counts.get(stimulus) ?? 0) + averages.saccades);
  }
  return [...counts].map(([stimulus, saccades]) => ({ stimulus, saccades }));
}

function stimulusOf(evaluation: Evaluation, session: number, stimulus: string): StimulusSaccades | undefined {
  const found = detailsOf(evaluation.sessions[session]!, "saccade")?.stimuli.find((one) => one.stimulus === stimulus);
  return found?.averages === null ? undefined : found;
}

interface Timeline {
  readonly bins: number;
  readonly binSeconds: number;
  /** Middle of every bin, ms from the start of the saccade. */
  readonly ms: Float64Array;
}

function timeline({ averages, binSeconds }: StimulusSaccades): Timeline {
  const { bins, window } = averages!;
  const seconds = binSeconds ?? Number.NaN;
  return {
    bins,
    binSeconds: seconds,
    ms: Float64Array.from({ length: bins }, (_, bin) => 1000 * (window[0] + bin + 0.5) * seconds),
  };
}

/** Mean over units of responses relative to the mean before saccades. */
function populationFigure(evaluation: Evaluation, stimulus: string): Figure | null {
  const all = evaluation.sessions.flatMap((_, i) => stimulusOf(evaluation, i, stimulus) ?? []);
  const { bins, binSeconds, ms } = timeline(all[0]!);
  // Averages of different bins have no common time axis.
  const alike = all.filter((one) => one.averages!.bins === bins && Math.abs((one.binSeconds ?? 0) - binSeconds) < 1e-6);
  const courses = (which: "rbar" | "rbarhat") => alike.flatMap((one) => relativeCourses(one, which, ms));
  const [observed, predicted] = [meanCourse(courses("rbar"), bins), meanCourse(courses("rbarhat"), bins)];
  if (observed.n === 0) return null;
  const saccades = alike.reduce((sum, { averages }) => sum + averages!.saccades, 0);
  const title = `Responses around saccades, ${stimulus}`;
  const left = all.length - alike.length;
  return {
    kind: "figure",
    id: `saccade-average-${stimulus}`,
    title,
    caption:
      `Mean over ${observed.n} units of the rate relative to its mean before saccades, with standard errors over units; ${saccades} saccades.` +
      (left === 0 ? "" : ` ${left} sessions with other bins are left out.`),
    size: "half",
    svg: lineChart(
      {
        description: title,
        x: "time from the start of the saccade (ms)",
        y: "rate relative to before",
        width: WIDTH.half,
      },
      [
        { name: "observed", x: ms, y: observed.mean, low: observed.low, high: observed.high, colour: "ink" },
        { name: "predicted", x: ms, y: predicted.mean, low: predicted.low, high: predicted.high, colour: 1 },
      ],
      { eventAt: 0 },
    ),
    columns: [
      { name: "time_ms", values: ms },
      { name: "observed", values: observed.mean },
      { name: "observed_standard_error", values: observed.error },
      { name: "predicted", values: predicted.mean },
      { name: "predicted_standard_error", values: predicted.error },
    ],
  };
}

/** Averages of every unit that fires before saccades, divided by its mean there. */
function relativeCourses({ averages }: StimulusSaccades, which: "rbar" | "rbarhat", ms: Float64Array): Float64Array[] {
  const { bins, units } = averages!;
  const values = averages![which];
  return Array.from({ length: units }, (_, unit) => {
    const course = Float64Array.from({ length: bins }, (_, bin) => values[bin * units + unit]!);
    const before = course.filter((rate, bin) => ms[bin]! < 0 && !Number.isNaN(rate));
    const mean = before.reduce((sum, rate) => sum + rate, 0) / before.length;
    return course.map((rate) => rate / mean);
  }).filter((course) => course.some(Number.isFinite));
}

function meanCourse(courses: readonly Float64Array[], bins: number) {
  const columns = Array.from({ length: bins }, (_, bin) =>
    courses.map((course) => course[bin]!).filter(Number.isFinite),
  );
  const mean = Float64Array.from(columns, (values) => values.reduce((sum, value) => sum + value, 0) / values.length);
  const error = Float64Array.from(columns, (values, bin) => {
    const squares = values.reduce((sum, value) => sum + (value - mean[bin]!) ** 2, 0);
    return Math.sqrt(squares / (values.length - 1) / values.length);
  });
  return {
    n: courses.length,
    mean,
    error,
    low: mean.map((m, i) => m - error[i]!),
    high: mean.map((m, i) => m + error[i]!),
  };
}

/** Units at the quartiles of agreement around the saccades of one stimulus. */
function exampleFigure(evaluation: Evaluation, units: PooledUnits, stimulus: string): Figure | null {
  const score = units.scores.get(`saccade_correlation_${stimulus}`);
  const examples = score === undefined ? [] : exampleUnits(score.values);
  const drawn = examples.map(({ rank, unit, value }) => {
    const { session, place } = locate(units, unit);
    const found = stimulusOf(evaluation, session, stimulus)!;
    const { bins, binSeconds, ms } = timeline(found);
    const course = (values: Float64Array) =>
      Float64Array.from({ length: bins }, (_, bin) => values[bin * found.averages!.units + place]! / binSeconds);
    const [observed, predicted] = [course(found.averages!.rbar), course(found.averages!.rbarhat)];
    const name = unitName(units, unit);
    const panel = linePanel(
      { x: "time from the start of the saccade (ms)", y: "spikes per second" },
      [
        { name: "observed", x: ms, y: observed, colour: "ink" },
        { name: "predicted", x: ms, y: predicted, colour: 1 },
      ],
      { title: `${rank}, r = ${formatNumber(value, 2)}: ${name}`, eventAt: 0 },
    );
    const columns = [
      { name: `time_ms, ${name}`, values: ms },
      { name: `observed_hz, ${name}`, values: observed },
      { name: `predicted_hz, ${name}`, values: predicted },
    ];
    return { panel, columns };
  });
  const panels = drawn.flatMap(({ panel }): Panel[] => (panel === undefined ? [] : [panel]));
  if (panels.length === 0) return null;
  return {
    kind: "figure",
    id: "saccade-examples",
    title: `Units around saccades, ${stimulus}`,
    caption:
      "Observed and predicted averages of the unit that the model follows best, and of those at the quartiles; r is their correlation over the window.",
    size: "wide",
    svg: panelGrid(`Average responses of ${panels.length} units around saccades`, panels, {
      columns: panels.length,
      width: WIDTH.wide,
      height: 230,
    }),
    columns: drawn.flatMap(({ columns }) => columns),
  };
}

/** Peak speed against amplitude. Sessions have fits of their own; the line is that of their medians. */
function mainSequenceFigure({ sessions }: Evaluation): Figure | null {
  const all = sessions.flatMap((session) => detailsOf(session, "saccade")?.mainSequence ?? []);
  const amplitudes = all.flatMap((one) => [...one.amplitudes]);
  const speeds = all.flatMap((one) => [...one.peakSpeeds]);
  if (amplitudes.length === 0) return null;
  const count = Math.min(amplitudes.length, MOST_SACCADES);
  const kept = Array.from({ length: count }, (_, k) => Math.floor((k * amplitudes.length) / count));
  const [x, y] = [kept.map((i) => amplitudes[i]!), kept.map((i) => speeds[i]!)];
  const exponent = summarize(all.map((one) => one.exponent)).median;
  const scale = summarize(all.map((one) => one.scale)).median;
  const [smallest, largest] = [Math.min(...x.filter((amplitude) => amplitude > 0)), Math.max(...x)];
  const ends = [smallest, largest];
  const line = Number.isFinite(exponent * scale * smallest)
    ? {
        name: `${formatNumber(scale, 0)} · amplitude^${formatNumber(exponent, 2)}`,
        x: ends,
        y: ends.map((amplitude) => scale * amplitude ** exponent),
      }
    : undefined;
  const { svg } = scatterChart(
    {
      description: `Peak speed against amplitude of ${count} saccades`,
      x: "amplitude (degrees)",
      y: "peak speed (degrees per second)",
    },
    { x, y },
    { kind: "log", line },
  );
  return {
    kind: "figure",
    id: "main-sequence",
    title: "Main sequence",
    caption:
      `${amplitudes.length.toLocaleString("en-US")} saccades${count < amplitudes.length ? `, of which ${count.toLocaleString("en-US")} are drawn` : ""}. The line is a power law fitted on logarithms` +
      `${all.length > 1 ? ", the median over sessions" : ""} (Bahill, Clark & Stark 1975).`,
    svg,
    columns: [
      { name: "amplitude_deg", values: x },
      { name: "peak_speed_deg_per_s", values: y },
    ],
  };
}

function mainSequenceTable({ sessions }: Evaluation): ReportTable[] {
  const known = sessions.flatMap((session) => {
    const found = detailsOf(session, "saccade");
    return found === undefined
      ? []
      : [{ name: session.name, listed: found.listed, origin: found.origin, ...found.mainSequence }];
  });
  if (known.length === 0) return [];
  const numbers = (
    name: string,
    title: string,
    key: "amplitude" | "peakSpeed" | "duration" | "exponent",
    decimals: number,
  ) => {
    return { name, title, values: known.map((one) => one[key]), decimals };
  };
  return [
    {
      kind: "table",
      id: "saccade-table",
      title: "Saccades of every session",
      caption: "Medians over the saccades that pass the filters; the exponent is that of the main sequence.",
      columns: [
        { name: "session", title: "session", values: known.map(({ name }) => name) },
        { name: "listed", title: "listed", values: known.map(({ listed }) => listed) },
        { name: "used", title: "used", values: known.map(({ saccades }) => saccades) },
        numbers("amplitude_deg", "amplitude (degrees)", "amplitude", 2),
        numbers("peak_speed_deg_per_s", "peak speed (degrees per second)", "peakSpeed", 0),
        numbers("duration_ms", "duration (ms)", "duration", 1),
        numbers("exponent", "exponent", "exponent", 2),
        { name: "origin", title: "from", values: known.map(({ origin }) => String(origin)) },
      ],
    },
  ];
}
