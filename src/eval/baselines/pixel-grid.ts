/**
 * @file The stimulus on a coarser grid: pixels of a part of the frame, averaged over cells, so that a filter over many
 * lags has few enough parameters.
 */

import { type Tensor, tensor } from "../../torch/index.ts";
import type { FrameShape, StimulusFeatures } from "./stimulus-features.ts";

/** A part of a frame in pixels, ends excluded. */
export interface PixelWindow {
  top: number;
  left: number;
  bottom: number;
  right: number;
}

/** Cells over a window. */
export interface PixelGrid {
  window: PixelWindow;
  rows: number;
  columns: number;
}

/** How much dearer differences between neighbours in time and space are than weights themselves. */
const SMOOTHNESS = 1;

/** All of a frame. */
export function wholeFrame({ height, width }: FrameShape): PixelWindow {
  return { top: 0, left: 0, bottom: height, right: width };
}

/** The finest grid of about square cells with at most so many of them, channels included: pixels themselves where they fit. */
export function finestGrid({ channels }: FrameShape, window: PixelWindow, cells: number): PixelGrid {
  const height = window.bottom - window.top;
  const width = window.right - window.left;
  const scale = Math.min(1, Math.sqrt(cells / (channels * height * width)));
  const fitted = (pixels: number) => Math.max(1, Math.floor(pixels * scale + 1e-9));
  return { window, rows: fitted(height), columns: fitted(width) };
}

/** Weights with which pixels enter the cells of a grid: area averages, [height · width, rows · columns]. */
export function gridWeights({ height, width }: FrameShape, { window, rows, columns }: PixelGrid): Float32Array {
  const down = overlaps(window.top, window.bottom, height, rows);
  const across = overlaps(window.left, window.right, width, columns);
  const cells = rows * columns;
  const weights = new Float32Array(height * width * cells);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let row = 0; row < rows; row++) {
        const share = down[y * rows + row]!;
        if (share === 0) continue;
        const start = (y * width + x) * cells + row * columns;
        for (let column = 0; column < columns; column++)
          weights[start + column] = share * across[x * columns + column]!;
      }
    }
  }
  return weights;
}

/** Share of every cell that a pixel is, along one axis, [pixels, cells]. */
function overlaps(start: number, end: number, pixels: number, cells: number): Float64Array {
  const size = (end - start) / cells;
  const shares = new Float64Array(pixels * cells);
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let cell = 0; cell < cells; cell++) {
      const common = Math.min(pixel + 1, start + (cell + 1) * size) - Math.max(pixel, start + cell * size);
      if (common > 1e-9) shares[pixel * cells + cell] = common / size;
    }
  }
  return shares;
}

/**
 * Cell averages at every lag, features in the order [lags, channels, rows, columns]. All share one scale, so that the
 * penalty means the same everywhere: squared weights, and squared differences of neighbours in time, rows and columns.
 */
export function gridFeatures(frame: FrameShape, lags: Int32Array, grid: PixelGrid): StimulusFeatures {
  const { channels, height, width } = frame;
  const cells = grid.rows * grid.columns;
  const weights = gridWeights(frame, grid);
  const frameWidth = channels * cells;
  const total = lags.length * frameWidth;
  return {
    frame,
    lags,
    frameWidth,
    width: total,
    groups: new Int32Array(total),
    penalty: () => smoothPenalty([lags.length, channels, grid.rows, grid.columns]),
    project: (frames) => projected(frames, weights, height * width, cells).reshape([-1, frameWidth]),
    combine: (stacks) => stacks.reshape([-1, total]),
  };
}

/** Cell averages of frames, [frames, channels, cells]. */
export function projected(frames: Tensor, weights: Float32Array, pixels: number, cells: number): Tensor {
  return frames.flatten(2).matmul(tensor(weights, [pixels, cells]));
}

/** 1 + Σ D'D over time, rows and columns for weights [lags, channels, rows, columns]; [weights, weights]. */
export function smoothPenalty(shape: readonly [number, number, number, number]): Float64Array {
  const [lags, channels, rows, columns] = shape;
  const total = lags * channels * rows * columns;
  const penalty = new Float64Array(total * total);
  const strides = [channels * rows * columns, rows * columns, columns, 1] as const;
  for (let i = 0; i < total; i++) {
    penalty[i * total + i]! += 1;
    for (const axis of [0, 2, 3] as const) {
      const stride = strides[axis];
      if (Math.floor(i / stride) % shape[axis] === shape[axis] - 1) continue;
      const next = i + stride;
      penalty[i * total + i]! += SMOOTHNESS;
      penalty[next * total + next]! += SMOOTHNESS;
      penalty[i * total + next]! -= SMOOTHNESS;
      penalty[next * total + i]! -= SMOOTHNESS;
    }
  }
  return penalty;
}
