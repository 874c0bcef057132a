/**
 * @file Covariance of responses and eye positions in single time bins, taken apart (evaluation specification, section 15.2).
 */

import { type CovarianceParts, decomposeSamples } from "./components.ts";
import type { DecompositionOptions } from "./decomposition-options.ts";
import { checkEyeResponses, type EyeResponses, singleBinSamples } from "./samples.ts";

/**
 * Splits the covariance of responses to repeats of a stimulus into a part locked to the stimulus, one driven by eye movements,
 * and the rest (McFarland, Cumming and Butts 2016): pairs of trials in the same time bin share the stimulus, pairs that also
 * have the eye at the same place share the image on the retina.
 *
 * Usable are bins of trials in which every unit and the eye are finite. Fewer than three of them, or fewer than two time bins
 * with `minTrialsPerBin`, leave everything NaN. Without close pairs, or with eye positions on a line, what depends on close
 * pairs is NaN.
 *
 * @throws UserError when sizes do not agree or an option is outside its range
 */
export function decomposeCovariance(responses: EyeResponses, options: DecompositionOptions = {}): CovarianceParts {
  checkEyeResponses(responses);
  return decomposeSamples(
    singleBinSamples(responses),
    { pointsOf: (trajectories) => trajectories, centred: false },
    options,
  );
}
