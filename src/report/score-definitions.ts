/**
 * @file What each score is: its formula, in the symbols of the field, and who proposed it. The functions that compute scores
 * say the same at greater length.
 */

/** One line about a score. */
export interface ScoreDefinition {
  readonly formula: string;
  /** Empty for plain descriptions. */
  readonly citation: string;
}

const SCHOPPE = "Schoppe et al. 2016, Front. Comput. Neurosci. 10:10";
const HSU = "Hsu, Borst & Theunissen 2004, Network 15:91";
const SAHANI = "Sahani & Linden 2003, NIPS 15";
const CADENA = "Cadena et al. 2019, PLoS Comput. Biol. 15:e1006897";
const WILLEKE = "Willeke et al. 2022, Sensorium, arXiv:2206.08666";
const MCFARLAND = "McFarland, Cumming & Butts 2016, J. Neurosci. 36:6225";
const RINGACH = "Ringach, Sapiro & Shapley 1997, Vision Res. 37:2455";

/**
 * By the beginning of a score's key, longest first where one begins with another. Symbols: y spikes and r predicted spikes of a
 * sample, w its validity, ȳ mean over trials of a bin, n trials of a bin, s² variance over trials.
 */
const DEFINITIONS: readonly (readonly [prefix: string, formula: string, citation: string])[] = [
  [
    "bps_true_rates",
    "Bits per spike of the rates that synthetic spikes were drawn from: what a perfect model scores",
    "",
  ],
  [
    "bps",
    "Σ w [(y ln r − r) − (y ln m − m)] / (N ln 2), m the unit's mean over the same valid samples, N its spikes there",
    "Paninski et al. 2004, Network 15:243; Pillow et al. 2008, Nature 454:995",
  ],
  [
    "correlation_to_average",
    "CCabs = Pearson correlation over bins of the mean response and the mean prediction",
    `${WILLEKE}; ${SCHOPPE}`,
  ],
  ["correlation", "Pearson correlation over valid samples of predicted rates and single responses", ""],
  ["ccnorm_signal_power", "CCabs / CCmax by signal power", SCHOPPE],
  ["ccnorm_clipped", "CCnorm, values below 0 as 0 and above 1 as 1", ""],
  ["ccnorm", "CCnorm = CCabs / CCmax, not clipped", `${SCHOPPE}; ${HSU}`],
  ["ccmax_signal_power", "CCmax = √(SP / (SP + mean(s² / n)))", `${SCHOPPE}; ${SAHANI}`],
  [
    "ccmax",
    "CCmax = √(2 CChalf / (1 + CChalf)), CChalf the mean correlation of mean responses of random halves of the trials",
    `${HSU}; ${SCHOPPE}`,
  ],
  [
    "ccabs",
    "CCabs = Pearson correlation over bins of the mean response and the mean prediction over the bin's valid trials",
    SCHOPPE,
  ],
  [
    "published_ccnorm",
    "CCnorm of bins of fixation, mean of two estimates; none where these are further apart than 0.1",
    SCHOPPE,
  ],
  ["published_ccmax", "CCmax of bins of fixation; above 0.85 a unit is called reliable", SCHOPPE],
  [
    "published_explained_variance_psth",
    "1 − Var(o − y) / Var(y) over cells of fixation, o the mean of the bin's other trials",
    "",
  ],
  ["published_explained_variance", "1 − Var(r − y) / Var(y) over cells of fixation", ""],
  ["psth_correlation", "Pearson correlation of PSTHs over bins of fixation with more than 10 trials", ""],
  ["signal_power", "SP = Var(ȳ) − mean(s² / n) over bins", SAHANI],
  ["noise_power", "NP = mean(s²) over bins", SAHANI],
  [
    "feve",
    "FEVE = 1 − (mean (y − p)² − NV) / (TV − NV), NV variance over trials, TV variance over all cells, p the prediction averaged over trials",
    CADENA,
  ],
  ["fev", "FEV = (TV − NV) / TV", CADENA],
  [
    "jackknife_oracle",
    "Pearson correlation over all cells of a response and the mean of the bin's other trials",
    "Walker et al. 2019, Nat. Neurosci. 22:2060; Sinz et al. 2018, NeurIPS",
  ],
  [
    "conservative_oracle",
    "√(Vm / (Vm + Vn)), Vm variance over bins of the mean response, Vn mean variance over trials",
    "neuralpredictors (Sinz and Ecker laboratories)",
  ],
  ["explained_variance_psth", "1 − Var(o − y) / Var(y), o the mean of the bin's other trials", ""],
  ["explained_variance", "1 − Var(r − y) / Var(y) over all cells", ""],
  [
    "single_trial_correlation",
    "Pearson correlation over all (trial, bin) cells of response and prediction; its ceiling for predictions alike in all trials is √FEV",
    WILLEKE,
  ],
  [
    "sparseness",
    "S = (1 − a) / (1 − 1/n), a = mean(ȳ)² / mean(ȳ²), noise of the means subtracted from their squares",
    "Vinje & Gallant 2000, Science 287:1273; Rolls & Tovee 1995, J. Neurophysiol. 73:713",
  ],
  [
    "saccade_correlation",
    "Pearson correlation over the window of observed and predicted saccade-triggered average",
    "",
  ],
  [
    "saccade_suppression",
    "(q − q₀) / (q + q₀), q mean rate 20 to 80 ms after the start of saccades, q₀ before it",
    "for the time course, McFarland et al. 2015, Nat. Commun. 6:8110",
  ],
  [
    "saccade_rebound",
    "The same 80 to 200 ms after the start",
    "for the time course, McFarland et al. 2015, Nat. Commun. 6:8110",
  ],
  [
    "contamination_pct",
    "Estimate of the share of spikes of other units from violations of the refractory period, least over periods",
    "",
  ],
  ["missing_pct", "Estimate of the share of spikes below threshold from the truncation of amplitudes", ""],
  ["depth_from_l4_um", "Depth of the channel of the largest waveform less the depth of layer 4 on its shank", ""],
  [
    "rf_snr",
    "Largest |z| of the map at its peak lag over the standard deviation of z at the first lag; the larger of average and energy",
    "",
  ],
  ["rf_similarity", "Pearson correlation over pixels of the z-maps of model and data at the data's peak lag", ""],
  ["rf_energy_index", "(SNR of the energy − SNR of the average) / their sum", ""],
  ["rf_", "Centre or diameter of the region around the largest |z| above half of its height", ""],
  ["latency_", "Lag at which the map's variance over space peaks, or passes half of its rise", RINGACH],
  [
    "tuning_similarity",
    "Pearson correlation of model and data over orientation and spatial frequency curves, each around its mean",
    "",
  ],
  ["preferred_", "Peak of the tuning curve through the largest response, by a parabola", RINGACH],
  [
    "ori_circular_variance",
    "1 − |Σ R e^{2iθ}| / Σ R over orientations θ",
    "Ringach, Shapley & Hawken 2002, J. Neurosci. 22:5639",
  ],
  [
    "f1_f0",
    "Amplitude over mean of the sinusoid fitted to spikes against phase",
    "Skottun et al. 1991, Vision Res. 31:1079",
  ],
  [
    "eye_share",
    "1 − α = 1 − Var(PSTH) / Var(rate), rate covariance from pairs of trials with close gaze; model: analysis of variance",
    MCFARLAND,
  ],
  ["fano_uncorrected", "(Var(y) − Var(PSTH)) / mean(y)", MCFARLAND],
  ["fano", "(Var(y) − Var(rate)) / mean(y)", MCFARLAND],
  [
    "mei_rate",
    "Prediction for the image found by gradient ascent at fixed contrast",
    "Walker et al. 2019, Nat. Neurosci. 22:2060; Bashivan et al. 2019, Science 364:eaav9436",
  ],
];

/** The definition of a score by its key, such as `bps_backimage`; null for a score that is not known here. */
export function scoreDefinition(key: string): ScoreDefinition | null {
  const isModel = key.startsWith("model_");
  const own = isModel ? key.slice("model_".length) : key;
  const found = DEFINITIONS.find(([prefix]) => own.startsWith(prefix));
  if (found === undefined) return null;
  const [, formula, citation] = found;
  return { formula: isModel ? `For predicted rates: ${formula}` : formula, citation };
}
