/**
 * @file One representative point per eye trajectory (evaluation specification, sections 15.1 and 15.3).
 */

const MOST_STEPS = 128;
/** Distances below this count as this, degrees: a median may fall on one of its points. */
const LEAST_DISTANCE = 1e-10;
const CONVERGED = 1e-9;

/**
 * Mean position of every trajectory.
 *
 * @param trajectories [samples, length, 2]
 * @returns [samples, 2]
 */
export function centroids(trajectories: Float64Array, length: number): Float64Array {
  const points = new Float64Array(trajectories.length / length);
  for (let i = 0; i < trajectories.length; i++) points[2 * Math.floor(i / (2 * length)) + (i % 2)]! += trajectories[i]!;
  return points.map((sum) => sum / length);
}

/**
 * Geometric median of every trajectory, the point with the smallest sum of distances: a saccade at the end of a window moves
 * it less than the mean. Weiszfeld's iteration (Weiszfeld 1937, Tohoku Mathematical Journal) from the centroids, until no
 * median moves by 1e-9 degrees any more.
 *
 * @param trajectories [samples, length, 2]
 * @returns [samples, 2]
 */
export function geometricMedians(trajectories: Float64Array, length: number): Float64Array {
  const medians = centroids(trajectories, length);
  for (let step = 0; step < MOST_STEPS; step++) if (weiszfeldStep(medians, trajectories, length) < CONVERGED) break;
  return medians;
}

/** Moves the medians; returns the largest change of a coordinate. */
function weiszfeldStep(medians: Float64Array, trajectories: Float64Array, length: number): number {
  let largest = 0;
  for (let sample = 0; sample < medians.length; sample += 2) {
    const [x, y] = [medians[sample]!, medians[sample + 1]!];
    let [sumX, sumY, weights] = [0, 0, 0];
    for (let i = sample * length; i < (sample + 2) * length; i += 2) {
      const [px, py] = [trajectories[i]!, trajectories[i + 1]!];
      const weight = 1 / Math.max(LEAST_DISTANCE, Math.hypot(px - x, py - y));
      sumX += weight * px;
      sumY += weight * py;
      weights += weight;
    }
    medians[sample] = sumX / weights;
    medians[sample + 1] = sumY / weights;
    largest = Math.max(largest, Math.abs(medians[sample]! - x), Math.abs(medians[sample + 1]! - y));
  }
  return largest;
}
