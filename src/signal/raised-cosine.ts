/**
 * @file Raised-cosine basis of lags, as in Pillow et al. 2008 (model specification, section 23.1; data specification,
 * section 8.2).
 *
 * Row k of the basis holds weights b_k[j] of the value j bins away. A zero stands in front of every row, so the frame
 * itself has weight 0.
 */

/** Parameters of the basis, under their names in configurations. */
export interface RaisedCosineParams {
  /** Delta functions at 1, 2, … bins. */
  readonly num_delta_funcs: number;
  /** Raised cosines. */
  readonly num_cosine_funcs: number;
  /** Bins a function extends over. */
  readonly history_bins: number;
  /** Peaks evenly spaced in the logarithm of time instead of in time. */
  readonly log_spacing: boolean;
  /** Times of the first and the last peak, in milliseconds. */
  readonly peak_range_ms: readonly [number, number];
  /** Width of a bin in milliseconds, whatever the rate of the data is. */
  readonly bin_size_ms: number;
  /** Rows of unit length. */
  readonly normalize: boolean;
  /** Gram-Schmidt over the rows. */
  readonly orthogonalize: boolean;
}

const SMALLEST_NORM = 1e-12;

/** The basis, [functions, taps], with `taps = max(1, history_bins) + 1`. */
export function raisedCosineBasis(params: RaisedCosineParams): Float64Array[] {
  const bins = Math.max(1, params.history_bins);
  const rows: Float64Array[] = [];
  for (let i = 0; i < params.num_delta_funcs; i++) {
    rows.push(rowWithLeadingZero(bins, (j) => (j === i ? 1 : 0)));
  }
  for (const bump of cosineBumps(params)) {
    rows.push(rowWithLeadingZero(bins, (j) => bump(j * params.bin_size_ms)));
  }
  const scaled = params.normalize ? rows.map(normalized) : rows;
  return params.orthogonalize ? orthogonalized(scaled) : scaled;
}

function rowWithLeadingZero(bins: number, weight: (bin: number) => number): Float64Array {
  return Float64Array.from({ length: bins + 1 }, (_, tap) => (tap === 0 ? 0 : weight(tap - 1)));
}

/** One function of lag time in milliseconds per raised cosine. */
function cosineBumps(params: RaisedCosineParams): ((lagMs: number) => number)[] {
  const { num_cosine_funcs: count, log_spacing, peak_range_ms } = params;
  const [from, to] = peak_range_ms;
  const axis = log_spacing ? (ms: number) => Math.log(ms + 1e-6) : (ms: number) => ms;
  const low = log_spacing ? Math.log(Math.max(0.01, from)) : from;
  const high = log_spacing ? Math.log(Math.max(0.01, to)) : to;
  const centres = Array.from({ length: count }, (_, k) =>
    count === 1 ? (low + high) / 2 : low + ((high - low) * k) / (count - 1),
  );
  const width = count === 1 ? widthOfOne(low, high, to, log_spacing) : 2 * (centres[1]! - centres[0]!);
  return centres.map((centre) => (lagMs) => {
    const angle = ((axis(lagMs) - centre) * Math.PI) / width;
    return Math.abs(angle) <= Math.PI ? (Math.cos(angle) + 1) / 2 : 0;
  });
}

function widthOfOne(low: number, high: number, lastPeakMs: number, logSpacing: boolean): number {
  if (high - low > 0) return high - low;
  if (!logSpacing) return lastPeakMs;
  return Math.log(lastPeakMs > 0 ? lastPeakMs : 1);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function normalized(row: Float64Array): Float64Array {
  const norm = Math.max(Math.sqrt(dot(row, row)), SMALLEST_NORM);
  return row.map((value) => value / norm);
}

function orthogonalized(rows: Float64Array[]): Float64Array[] {
  const done: Float64Array[] = [];
  for (const row of rows) {
    // Projections of the original row, not of what remains of it: the reference's (classical) Gram-Schmidt.
    const shares = done.map((unit) => dot(row, unit));
    done.push(normalized(row.map((value, i) => done.reduce((rest, unit, k) => rest - shares[k]! * unit[i]!, value))));
  }
  return done;
}
