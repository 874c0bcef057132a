/**
 * @file The report of a trained twin: how well it predicts, how it got there, what it was trained on and how to repeat
 * it, in one HTML file. Numbers go in, a page comes out; nothing is computed from models or recordings here.
 */
import { writeFileAtomic } from "../formats/atomic.ts";
import { barChart, lineChart, type Series, scatterChart } from "./charts.ts";
import { type HeatMap, heatMap } from "./heat-map.ts";
import { escapeMarkup, formatNumber } from "./markup.ts";
import { figure, htmlPage, preformatted, table } from "./page.ts";

/** Scores of one session, averaged over its units. Bits are bits per spike. */
export interface ReportSession {
  readonly name: string;
  readonly units: number;
  readonly meanBits: number | null;
  readonly medianBits: number | null;
  /** Of the rates that made the spikes, where they are known. */
  readonly oracleBits: number | null;
}

/** Score of one unit, in bits per spike. */
export interface ReportUnit {
  readonly session: string;
  readonly unit: number;
  readonly bits: number;
  readonly oracleBits: number | null;
}

/** Responses of one unit over time: frames of one trial, or means over repeats of the same stimulus. */
export interface ReportTrace {
  /** Which unit, and why it was picked: `Best unit: 12 of Syn_2020-01-01`. */
  readonly title: string;
  /** What to look for. */
  readonly caption: string;
  /** Duration of a frame, in seconds. */
  readonly frameSeconds: number;
  /** Whether `observed` are counts of one trial, drawn as stems, or means over trials, drawn as an area. */
  readonly isMean: boolean;
  /** Spikes in each frame. NaN leaves a gap. */
  readonly observed: ArrayLike<number>;
  /** Predicted spikes in each frame. */
  readonly predicted: ArrayLike<number>;
  /** The rate that made the spikes, where it is known, in spikes per frame. */
  readonly truth?: ArrayLike<number>;
}

/** A curve of the training run. */
export interface ReportCurve {
  readonly title: string;
  readonly y: string;
  readonly caption: string;
  readonly series: readonly Series[];
}

/** Everything a report shows. Lists may be empty; their sections are then left out. */
export interface ReportData {
  readonly title: string;
  /** One paragraph under the title: what was trained on what. */
  readonly summary: string;
  /** Mean over units of the bits per spike on validation data. */
  readonly bitsPerSpike: number | null;
  /** The same for the rates that made the spikes. */
  readonly oracleBits: number | null;
  /** Mean score as a part of the mean oracle score. */
  readonly fractionOfOracle: number | null;
  /** Further numbers for the head of the page: `["training time", "3 min 20 s"]`. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly curves: readonly ReportCurve[];
  readonly sessions: readonly ReportSession[];
  readonly units: readonly ReportUnit[];
  readonly traces: readonly ReportTrace[];
  readonly maps: readonly (HeatMap & { readonly title: string; readonly caption: string })[];
  /** Files and settings as text, each under its name. */
  readonly configuration: readonly (readonly [name: string, text: string])[];
  /** Commands that repeat the run, one a line. */
  readonly reproduce: readonly string[];
}

/**
 * Writes the report as one self-contained HTML file, atomically.
 *
 * @throws UserError when the file cannot be written
 */
export function writeReport(path: string, data: ReportData): void {
  writeFileAtomic(path, renderReport(data));
}

/** The report as HTML. The same data gives the same text. */
export function renderReport(data: ReportData): string {
  const parts = [
    headline(data),
    section("Training", gallery(data.curves.map(curveFigure))),
    section("Sessions", data.sessions.length > 0 ? sessionFigures(data.sessions) : ""),
    section("Units", data.units.length > 0 ? unitFigures(data.units) : ""),
    section("Predicted and observed", gallery(data.traces.map(traceFigure))),
    section("Maps", gallery(data.maps.map((map) => figure(map.title, heatMap(map), map.caption)))),
    section("Configuration", data.configuration.map(([name, text]) => disclosure(name, text)).join("")),
    section("Repeat this run", data.reproduce.length > 0 ? preformatted(data.reproduce.join("\n")) : ""),
  ];
  return htmlPage(data.title, parts.join("\n"));
}

function headline({ title, summary, bitsPerSpike, oracleBits, fractionOfOracle, facts }: ReportData): string {
  const percent = fractionOfOracle === null ? null : `${formatNumber(100 * fractionOfOracle, 0)} %`;
  const items: [string, string][] = [["bits per spike, mean over units", formatNumber(bitsPerSpike, 3)]];
  if (oracleBits !== null) items.push(["bits per spike of the true rates", formatNumber(oracleBits, 3)]);
  if (percent !== null) items.push(["of what the true rates reach", percent]);
  for (const [name, value] of facts) items.push([name, value]);
  const list = items.map(([name, value]) => `<li><b>${escapeMarkup(value)}</b><span>${escapeMarkup(name)}</span></li>`);
  return (
    `<header><h1>${escapeMarkup(title)}</h1><p class="soft">${escapeMarkup(summary)}</p>` +
    `<ul class="facts">${list.join("")}</ul></header>`
  );
}

function curveFigure({ title, y, caption, series }: ReportCurve): string {
  return figure(title, lineChart({ description: `${title}. ${caption}`, x: "epoch", y }, series), caption);
}

function sessionFigures(sessions: readonly ReportSession[]): string {
  const hasOracle = sessions.some(({ oracleBits }) => oracleBits !== null);
  const rows = sessions.map((session) => {
    const cells = [session.name, String(session.units), bits(session.meanBits), bits(session.medianBits)];
    return hasOracle ? [...cells, bits(session.oracleBits), percentOf(session.meanBits, session.oracleBits)] : cells;
  });
  const header = ["session", "units", "mean bits/spike", "median bits/spike"];
  const full = hasOracle ? [...header, "true rates", "part reached"] : header;
  const bars = sessions.map(({ name, meanBits, oracleBits }) => ({ name, value: meanBits, limit: oracleBits }));
  const caption = hasOracle ? "The upright mark is what the true rates reach." : "Mean over the units of each session.";
  const description = `Bits per spike of ${sessions.length} sessions, as in the table above`;
  const chart = barChart({ description, x: "bits per spike, mean over units" }, bars);
  return table("Scores per session", full, rows) + gallery([figure("Score of each session", chart, caption)]);
}

function unitFigures(units: readonly ReportUnit[]): string {
  const sorted = units.map(({ bits }) => bits).sort((a, b) => b - a);
  const rank = Array.from(sorted, (_, i) => i + 1);
  const ranked = lineChart(
    {
      description: `Bits per spike of ${units.length} units from the best, ${bits(sorted[0]!)}, to the worst, ${bits(sorted.at(-1)!)}`,
      x: "units, best first",
      y: "bits per spike",
    },
    [{ name: "twin", x: rank, y: sorted, mark: "area" }],
  );
  const figures = [figure("All units, ranked", ranked, "Zero is a prediction of each unit's mean rate.")];
  const known = units.filter(({ oracleBits }) => oracleBits !== null);
  if (known.length > 0) {
    const dots = known.map(({ session, unit, bits: y, oracleBits }) => {
      return {
        x: oracleBits!,
        y,
        name: `unit ${unit} of ${session}: ${bits(y)} of ${bits(oracleBits)} bits per spike`,
      };
    });
    const description = `Score of ${known.length} units against the score of their true rates; a perfect twin lies on the diagonal`;
    const chart = scatterChart({ description, x: "true rates, bits per spike", y: "twin, bits per spike" }, dots);
    figures.push(
      figure("Twin against true rates", chart, "One dot a unit; on the dashed line nothing more can be predicted."),
    );
  }
  return gallery(figures);
}

function traceFigure({ title, caption, frameSeconds, isMean, observed, predicted, truth }: ReportTrace): string {
  const x = Array.from(predicted, (_, i) => i * frameSeconds);
  const series: Series[] = [
    isMean
      ? { name: "observed mean", x, y: observed, mark: "area", colour: 2 }
      : { name: "observed spikes", x, y: observed, mark: "stems", colour: 2 },
  ];
  if (truth !== undefined) series.push({ name: "true rate", x, y: truth, colour: 3 });
  series.push({ name: "predicted rate", x, y: predicted, colour: 1 });
  const description = `${title}: predicted rate and observed spikes over ${formatNumber(x.length * frameSeconds, 1)} seconds`;
  const chart = lineChart({ description, x: "time (s)", y: "spikes per frame" }, series);
  return figure(title, chart, caption);
}

function section(heading: string, content: string): string {
  return content === "" ? "" : `<section><h2>${escapeMarkup(heading)}</h2>${content}</section>`;
}

function gallery(figures: readonly string[]): string {
  return figures.length === 0 ? "" : `<div class="charts">${figures.join("\n")}</div>`;
}

function disclosure(name: string, text: string): string {
  return `<details><summary>${escapeMarkup(name)}</summary>${preformatted(text)}</details>`;
}

function bits(value: number | null): string {
  return formatNumber(value, 3);
}

function percentOf(part: number | null, whole: number | null): string {
  return part === null || whole === null || !(whole > 0) ? "–" : `${formatNumber((100 * part) / whole, 0)} %`;
}
