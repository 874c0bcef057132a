/**
 * @file The section on responses to repeats: PSTHs of some units, observed and predicted.
 */
import type { Evaluation } from "../../eval/evaluate.ts";
import { detailsOf, exampleUnits, locate, type PooledUnits, unitName } from "../evaluation-units.ts";
import type { Figure, Section } from "../figure.ts";
import { lineChart } from "../line-chart.ts";
import { formatNumber } from "../markup.ts";
import { WIDTH } from "../panel.ts";

/** The section. */
export function responseSection({ sessions }: Evaluation, units: PooledUnits): Section {
  const repeats = sessions.map((session) => detailsOf(session, "ccnorm"));
  // Where no unit has a ceiling, other scores still say which units are predicted.
  const ranking = ["ccnorm", "ccabs", "bps"]
    .flatMap((key) => units.scores.get(key) ?? [])
    .find(({ values }) => values.some(Number.isFinite));
  if (ranking === undefined) return { id: "responses", heading: HEADING, items: [] };
  const hasRepeats = (unit: number) => repeats[locate(units, unit).session] !== undefined;
  const figures = exampleUnits(ranking.values, hasRepeats).map(({ rank, unit, value }): Figure => {
    const { session, place } = locate(units, unit);
    const found = repeats[session]!;
    const count = sessions[session]!.cids.length;
    const course = (values: Float64Array) =>
      Float64Array.from({ length: found.bins }, (_, bin) => values[bin * count + place]!);
    const time = Float64Array.from({ length: found.bins }, (_, bin) => (bin + 0.5) * found.binSeconds);
    const [observed, predicted] = [course(found.rbar), course(found.rbarhat)];
    const numbers = ["ccnorm", "ccabs", "ccmax", "bps"].flatMap((key) => {
      const known = units.scores.get(key);
      return known !== undefined && Number.isFinite(known.values[unit])
        ? [`${SHORT[key]} ${formatNumber(known.values[unit]!, 2)}`]
        : [];
    });
    const title = `${rank}${rank === "Median" ? " unit" : ""}, ${SHORT[ranking.key]} ${formatNumber(value, 2)}`;
    return {
      kind: "figure",
      id: `psth-${rank.toLowerCase().replaceAll(" ", "-")}`,
      title,
      caption: `${capital(unitName(units, unit))}: means over up to ${found.trials} repeats of ${found.stimulus} (${numbers.join(", ")}).`,
      size: "half",
      svg: lineChart(
        {
          description: `${title}: observed and predicted rate over ${formatNumber(found.bins * found.binSeconds, 1)} seconds`,
          x: "time in trial (s)",
          y: "spikes per second",
          width: WIDTH.half,
        },
        [
          { name: "observed mean", x: time, y: observed, mark: "area", colour: "ink" },
          { name: "predicted mean", x: time, y: predicted, colour: 1 },
        ],
      ),
      columns: [
        { name: "time_s", values: time },
        { name: "observed_hz", values: observed },
        { name: "predicted_hz", values: predicted },
      ],
    };
  });
  return { id: "responses", heading: HEADING, items: figures };
}

const HEADING = "Predicted and observed";

const SHORT: Record<string, string> = { ccnorm: "CCnorm", ccabs: "CCabs", ccmax: "CCmax", bps: "bits per spike" };

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
