/**
 * @file The section on most exciting inputs: the images, and what units answer to them.
 */
import type { Evaluation } from "../../eval/evaluate.ts";
import { detailsOf } from "../evaluation-units.ts";
import type { Section } from "../figure.ts";
import { mapFigure } from "../map-figure.ts";
import { formatNumber } from "../markup.ts";
import { WIDTH } from "../panel.ts";

/** Images that are shown; the best predicted units of all sessions. */
const MOST_IMAGES = 12;

/** The section. */
export function mostExcitingSection({ sessions }: Evaluation): Section {
  const found = sessions.flatMap((session) => {
    const details = detailsOf(session, "mei");
    return (details?.meis ?? []).map((mei) => {
      const blank = details!.blankRates[mei.unit];
      return { ...mei, session: session.name, shape: details!.shape, blank: blank ?? Number.NaN };
    });
  });
  const shown = found
    .filter(({ activation }) => Number.isFinite(activation))
    .sort((a, b) => b.bps - a.bps)
    .slice(0, MOST_IMAGES);
  if (shown.length === 0) return { id: "most-exciting", heading: HEADING, items: [] };
  const images = shown.map(({ image, shape: [, lags, height, width] }) => {
    return { height, width, values: strongestLag(image, lags, height * width) };
  });
  const panels = shown.map(({ cid, session, activation, blank }, i) => ({
    title: `unit ${cid} of ${session}`,
    subtitle: `${formatNumber(activation, 2)} spikes per frame (blank: ${formatNumber(blank, 2)})`,
    rows: images[i]!.height,
    columns: images[i]!.width,
    values: images[i]!.values,
    colours: "grey" as const,
  }));
  const [first] = images;
  const pixels = Float64Array.from({ length: Math.max(...images.map(({ values }) => values.length)) }, (_, i) => i);
  const answers = {
    kind: "table" as const,
    id: "most-exciting-rates",
    title: "Answers to the most exciting images",
    caption: "Predicted spikes per frame. Starts from different noise that agree probably found the same image.",
    columns: [
      { name: "unit", title: "unit", values: shown.map(({ cid, session }) => `${cid} of ${session}`) },
      { name: "bits_per_spike", title: "bits per spike", values: shown.map(({ bps }) => bps), decimals: 3 },
      { name: "rate", title: "most exciting image", values: shown.map(({ activation }) => activation), decimals: 3 },
      {
        name: "lowest_start",
        title: "lowest of all starts",
        values: shown.map(({ startActivations }) => Math.min(...startActivations)),
        decimals: 3,
      },
      { name: "blank", title: "blank screen", values: shown.map(({ blank }) => blank), decimals: 3 },
    ],
  };
  const figure = {
    kind: "figure" as const,
    id: "most-exciting-images",
    title: "Most exciting images",
    caption:
      `Of the ${shown.length} best predicted units${found.length > shown.length ? ` (${found.length} were made)` : ""}: gradient ascent on the ` +
      "image at fixed contrast (Walker et al. 2019; Bashivan et al. 2019), shown at all lags. Values are those that the twin sees.",
    size: "wide" as const,
    svg: mapFigure(panels, {
      description: `Most exciting images of ${shown.length} units`,
      columns: 6,
      width: WIDTH.wide,
      quantity: "",
    }),
    columns: [
      { name: "row", values: pixels.map((i) => Math.floor(i / first!.width)) },
      { name: "column", values: pixels.map((i) => i % first!.width) },
      ...shown.map(({ cid, session }, i) => ({ name: `unit ${cid} of ${session}`, values: images[i]!.values })),
    ],
  };
  return { id: "most-exciting", heading: HEADING, items: [figure, answers] };
}

const HEADING = "Most exciting inputs";

/** The frame of a movie with the largest contrast; the image itself for images. First channel. */
function strongestLag(image: Float32Array, lags: number, pixels: number): Float32Array {
  const frames = Array.from({ length: lags }, (_, lag) => image.subarray(lag * pixels, (lag + 1) * pixels));
  const power = (frame: Float32Array) => frame.reduce((sum, value) => sum + value * value, 0);
  return frames.reduce((best, frame) => (power(frame) > power(best) ? frame : best));
}
