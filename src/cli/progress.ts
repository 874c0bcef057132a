/**
 * @file The progress of long work on standard error: one redrawn line on a terminal, a plain line now and then in a log.
 */
import { formatDuration } from "./quantities.ts";
import { type Painter, painterFor, plain } from "./terminal.ts";

/** How far the work has come. */
export interface Progress {
  /** What is being done: `epoch 3/50`. */
  readonly label: string;
  /** Steps done, of `total`. */
  readonly done: number;
  readonly total: number;
  /** Time left, in seconds, where it can be told. */
  readonly remaining?: number | undefined;
  /** Numbers to watch, most important first: `["loss 0.412", "812 samples/s"]`. */
  readonly details: readonly string[];
}

const REDRAW_MS = 50;
const LOG_LINE_MS = 10_000;
const BAR_WIDTH = 20;
const USUAL_WIDTH = 80;
const CLEAR_LINE = "\r\u001b[2K";

/**
 * One line without a newline: label, bar, share, time left, details. What does not fit into `width` is left out: first
 * the details from the last, then the bar.
 */
export function formatProgress(progress: Progress, width = Number.POSITIVE_INFINITY, paint: Painter = plain): string {
  const { label, done, total, remaining, details } = progress;
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const filled = Math.round(share * BAR_WIDTH);
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const tail = remaining === undefined ? percent : `${percent}  ${formatDuration(remaining)} left`;
  let line = `${label}  ${tail}`;
  let painted = line;
  if (line.length + 2 + BAR_WIDTH <= width) {
    const bar = `${paint("cyan", "━".repeat(filled))}${paint("dim", "─".repeat(BAR_WIDTH - filled))}`;
    line = `${label}  ${"━".repeat(BAR_WIDTH)}  ${tail}`;
    painted = `${label}  ${bar}  ${tail}`;
  }
  for (const detail of details) {
    if (line.length + 2 + detail.length > width) break;
    line += `  ${detail}`;
    painted += `  ${detail}`;
  }
  return line.length > width ? line.slice(0, width) : painted;
}

/** Writes progress to a stream at a calm pace. */
export class ProgressLine {
  private readonly stream: NodeJS.WriteStream;
  private readonly now: () => number;
  private readonly paint: Painter;
  private lastWrite: number;
  private isDrawn = false;

  /** @param now milliseconds, for tests */
  constructor(stream: NodeJS.WriteStream = process.stderr, now: () => number = Date.now) {
    this.stream = stream;
    this.now = now;
    this.paint = painterFor(stream);
    // A log gets its first line after the interval, a terminal at once.
    this.lastWrite = stream.isTTY ? Number.NEGATIVE_INFINITY : now();
  }

  /** Shows the progress, unless it was shown a moment ago. */
  update(progress: Progress): void {
    const interval = this.stream.isTTY ? REDRAW_MS : LOG_LINE_MS;
    if (this.now() - this.lastWrite < interval) return;
    this.lastWrite = this.now();
    if (this.stream.isTTY) {
      // One column stays free: a full line would wrap on some terminals. Some do not know their width.
      const width = (this.stream.columns || USUAL_WIDTH) - 1;
      this.stream.write(CLEAR_LINE + formatProgress(progress, width, this.paint));
      this.isDrawn = true;
    } else {
      this.stream.write(`${formatProgress(progress)}\n`);
    }
  }

  /** Writes a line that stays, above the progress. */
  line(text: string): void {
    this.clear();
    this.stream.write(`${text}\n`);
  }

  /** Takes the progress off the screen. */
  clear(): void {
    if (this.isDrawn) this.stream.write(CLEAR_LINE);
    this.isDrawn = false;
    // The next update is drawn without delay.
    if (this.stream.isTTY) this.lastWrite = Number.NEGATIVE_INFINITY;
  }
}
