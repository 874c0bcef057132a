/**
 * @file Where in the frame, and how finely, filters of a session's units look at the stimulus.
 */

import type { SampleSet } from "../../data/samples.ts";
import { ops, scope, type Tensor, tensor } from "../../torch/index.ts";
import { observe } from "../predict.ts";
import type { RunOptions } from "./baseline.ts";
import { finestGrid, gridFeatures, type PixelGrid, type PixelWindow, wholeFrame } from "./pixel-grid.ts";
import { type FrameShape, frameShape, inFrameOrder, streamFeatures, thinned } from "./stimulus-features.ts";

/** Cells of the maps, channels included. */
const CELLS = 576;
/** Samples that the averages are taken over. */
const SAMPLES = 50_000;
/** A map whose peak is below this many standard errors singles nothing out: some 15,000 cells and lags are looked at. */
const SIGNIFICANT = 6;
/** Share of its own peak above which a cell belongs to a unit's field. */
const SHARE = 0.5;

/**
 * The grid of filters with so many cells per lag, channels included: all pixels if they are no more, else the finest
 * grid over the part of the frame that the units respond to.
 */
export async function filterGrid(
  train: SampleSet,
  lags: Int32Array,
  cells: number,
  run: RunOptions,
): Promise<PixelGrid> {
  const frame = frameShape(train);
  const isLarge = frame.channels * frame.height * frame.width > cells;
  return finestGrid(frame, isLarge ? await responsiveWindow(train, lags, run) : wholeFrame(frame), cells);
}

/** A sentence on what filters see, unless it is all. */
export function describeGrid({ height, width }: FrameShape, { window, rows, columns }: PixelGrid): string[] {
  if (rows === height && columns === width) return [];
  const { top, left, bottom, right } = window;
  return [
    `The filter sees rows ${top} to ${bottom - 1} and columns ${left} to ${right - 1} of the frame, ` +
      `averaged over ${rows} x ${columns} cells.`,
  ];
}

/**
 * The smallest window with the fields of all units: the cells in which the spike-triggered average, in standard errors,
 * reaches half of the unit's peak, at any lag and channel, and one cell around them. The whole frame when no unit has a
 * significant map.
 */
async function responsiveWindow(train: SampleSet, lags: Int32Array, run: RunOptions): Promise<PixelWindow> {
  const frame = frameShape(train);
  const grid = finestGrid(frame, wholeFrame(frame), CELLS);
  const features = gridFeatures(frame, lags, grid);
  const positions = thinned(inFrameOrder(train), SAMPLES);
  const { robs, dfs, units } = observe(train.subset(positions));
  const spikes = robs.map((count, i) => (dfs[i]! > 0 ? count * dfs[i]! : 0));
  const { width } = features;
  const triggered = new Float64Array(width * units);
  const [sums, squares] = [new Float64Array(width), new Float64Array(width)];
  const receive = (block: Tensor, start: number) => {
    const count = block.size(0);
    const counts = tensor(spikes.subarray(start * units, (start + count) * units), [count, units]);
    tensor(triggered, [width, units]).add_(block.transpose(0, 1).matmul(counts).double());
    tensor(sums).add_(ops.sum.dim_IntList(block, [0], false, { dtype: "float64" }));
    tensor(squares).add_(ops.sum.dim_IntList(block.square(), [0], false, { dtype: "float64" }));
  };
  await streamFeatures(train, positions, features, receive, { ...run, stage: "receptive fields" });

  const peaks = scope(() => {
    const total = tensor(spikes, [positions.length, units]).double().sum(0);
    const mean = tensor(sums).div(positions.length);
    const variance = tensor(squares).div(positions.length).sub(mean.square()).clamp(1e-12);
    const average = tensor(triggered, [width, units]).div(total.clamp(1)).sub(mean.unsqueeze(1));
    const scores = average.abs().mul(total.sqrt()).div(variance.sqrt().unsqueeze(1));
    const perCell = scores.view([lags.length * frame.channels, grid.rows * grid.columns, units]).amax(0);
    return perCell.toTypedArray() as Float64Array;
  });
  const rows: number[] = [];
  const columns: number[] = [];
  for (let unit = 0; unit < units; unit++) {
    const map = peaks.filter((_, i) => i % units === unit);
    const peak = Math.max(...map);
    if (!(peak >= SIGNIFICANT)) continue;
    map.forEach((score, cell) => {
      if (score < SHARE * peak) return;
      rows.push(Math.floor(cell / grid.columns));
      columns.push(cell % grid.columns);
    });
  }
  if (rows.length === 0) return wholeFrame(frame);
  const [top, bottom] = span(rows, grid.rows, frame.height);
  const [left, right] = span(columns, grid.columns, frame.width);
  return { top, left, bottom, right };
}

/** Pixels from the first to the last of some cells along an axis, and one cell more on both sides. */
function span(cells: readonly number[], count: number, pixels: number): [start: number, end: number] {
  const first = cells.reduce((a, b) => Math.min(a, b));
  const last = cells.reduce((a, b) => Math.max(a, b));
  const size = pixels / count;
  return [Math.max(0, Math.floor((first - 1) * size)), Math.min(pixels, Math.ceil((last + 2) * size))];
}
