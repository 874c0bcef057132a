/**
 * @file Covariance of several sessions in a few numbers: Fano factors and noise correlations before and after correction for eye
 * movements, and whether stimulus and eye movements drive the same dimensions (evaluation specification, section 15.6).
 */

import { geometricMean } from "../statistics/geometric-mean.ts";
import { median, quartiles } from "../statistics/quantiles.ts";
import {
  leadingSubspace,
  participationRatio,
  projectToPsd,
  subspaceOverlap,
  varianceCapture,
} from "../statistics/subspace.ts";
import { type SignedRank, wilcoxonSignedRank } from "../statistics/wilcoxon.ts";
import { upperTriangle } from "./correlation-matrix.ts";
import { difference, submatrix } from "./matrix.ts";
import { fisherMean, noiseCorrelations } from "./noise-correlation.ts";
import type { EyeCovariance, WindowCovariance } from "./session.ts";

export interface PopulationOptions {
  /** Sessions with fewer included units are left out; 10. */
  minUnits?: number | undefined;
  /** Dimensions of the subspaces that are compared; 4. */
  dimensions?: number | undefined;
  /** Length of the windows whose subspaces are compared, bins; 3. */
  subspaceWindow?: number | undefined;
}

/** One number per population, with the quartiles of the units. */
export interface Spread {
  /** Geometric mean of Fano factors, median of shares. */
  centre: number;
  quartiles: [number, number];
}

/** Windows of one length, included units of all sessions together. */
export interface PopulationWindow {
  windowBins: number;
  units: number;
  pairs: number;
  fanoUncorrected: Spread;
  fanoCorrected: Spread;
  /** Whether correction lowers Fano factors. */
  fanoTest: SignedRank;
  /** Mean noise correlations of pairs of units, as Fisher z. */
  noiseCorrelationUncorrected: number;
  noiseCorrelationCorrected: number;
  /** Share of the rate's variance that eye movements make. */
  oneMinusAlpha: Spread;
}

/** How the dimensions that the stimulus drives lie to those that eye movements drive, in one session. */
export interface SubspaceComparison {
  /** Position of the session in the list. */
  session: number;
  /** 1 when both are the same subspace, 0 when they are orthogonal. */
  overlap: number;
  psthParticipation: number;
  eyeParticipation: number;
  /** Share of the variance that eye movements make inside the stimulus' subspace, and the reverse. */
  eyeInPsth: number;
  psthInEye: number;
}

export interface PopulationCovariance {
  /** Positions of the sessions that went in. */
  sessions: number[];
  /** Why the others did not. */
  left: { session: number; reason: string }[];
  windows: PopulationWindow[];
  subspaces: SubspaceComparison[];
}

/** Summarises sessions over their included units. */
export function summarizeEyeCovariance(
  sessions: readonly EyeCovariance[],
  { minUnits = 10, dimensions = 4, subspaceWindow = 3 }: PopulationOptions = {},
): PopulationCovariance {
  const columns = sessions.map(({ included }) => [...included.keys()].filter((unit) => included[unit] === 1));
  const used = [...sessions.keys()].filter((session) => columns[session]!.length >= minUnits);
  const lengths = new Set(used.flatMap((session) => sessions[session]!.windows.map(({ windowBins }) => windowBins)));
  const windowsOf = (windowBins: number) =>
    used.flatMap((session) =>
      sessions[session]!.windows.filter((window) => window.windowBins === windowBins).map((window) => ({
        session,
        window,
        columns: columns[session]!,
      })),
    );
  return {
    sessions: used,
    left: columns.flatMap(({ length }, session) =>
      length >= minUnits
        ? []
        : [{ session, reason: sessions[session]!.reason ?? `${length} units are included: ${minUnits} needed` }],
    ),
    windows: [...lengths]
      .sort((a, b) => a - b)
      .map((windowBins) => populationWindow(windowBins, windowsOf(windowBins))),
    subspaces: windowsOf(subspaceWindow)
      .filter(({ window, columns }) => window.rate.every(Number.isFinite) && columns.length >= dimensions)
      .map(({ session, window, columns }) => ({ session, ...compareSubspaces(window, columns, dimensions) })),
  };
}

function populationWindow(
  windowBins: number,
  parts: readonly { window: WindowCovariance; columns: readonly number[] }[],
): PopulationWindow {
  const perUnit = (pick: (window: WindowCovariance) => Float64Array) =>
    Float64Array.from(parts.flatMap(({ window, columns }) => columns.map((unit) => pick(window)[unit]!)));
  // The included units' covariance is projected on its own: units that are left out must not change it.
  const correlations = (pick: (window: WindowCovariance) => Float64Array) =>
    parts.flatMap(({ window, columns }) => {
      const noise = submatrix(pick(window), window.units, columns);
      return [...upperTriangle(noiseCorrelations(noise, columns.length), columns.length)];
    });
  const fanoUncorrected = perUnit((window) => window.fanoUncorrected);
  const fanoCorrected = perUnit((window) => window.fano);
  const oneMinusAlpha = perUnit((window) => window.oneMinusAlpha);
  const corrected = correlations((window) => window.noise);
  return {
    windowBins,
    units: fanoCorrected.length,
    pairs: corrected.length,
    fanoUncorrected: { centre: geometricMean(fanoUncorrected), quartiles: quartiles(fanoUncorrected) },
    fanoCorrected: { centre: geometricMean(fanoCorrected), quartiles: quartiles(fanoCorrected) },
    fanoTest: wilcoxonSignedRank(fanoUncorrected, fanoCorrected, "greater"),
    noiseCorrelationUncorrected: fisherMean(correlations((window) => difference(window.total, window.psth))),
    noiseCorrelationCorrected: fisherMean(corrected),
    oneMinusAlpha: { centre: median(oneMinusAlpha), quartiles: quartiles(oneMinusAlpha) },
  };
}

function compareSubspaces(
  { psth, rate, units }: WindowCovariance,
  columns: readonly number[],
  dimensions: number,
): Omit<SubspaceComparison, "session"> {
  const n = columns.length;
  const stimulus = projectToPsd(submatrix(psth, units, columns), n);
  const eye = projectToPsd(submatrix(difference(rate, psth), units, columns), n);
  const [stimulusBasis, eyeBasis] = [leadingSubspace(stimulus, n, dimensions), leadingSubspace(eye, n, dimensions)];
  return {
    overlap: subspaceOverlap(stimulusBasis, eyeBasis, n),
    psthParticipation: participationRatio(stimulus, n),
    eyeParticipation: participationRatio(eye, n),
    eyeInPsth: varianceCapture(eye, stimulusBasis, n),
    psthInEye: varianceCapture(stimulus, eyeBasis, n),
  };
}
