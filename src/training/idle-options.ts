/**
 * @file Options that act only together with others: given alone they would be ignored, so they are refused (training
 * specification, section 2).
 */

import { UserError } from "../errors.ts";
import type { TrainingSettings, TrainOptions } from "./options.ts";

/** An option that may be idle. */
interface Dependent {
  readonly option: keyof TrainOptions;
  /** Whether it makes a difference in a run. */
  readonly acts: (settings: TrainingSettings, options: TrainOptions) => boolean;
  /** With what it acts: a flag. */
  readonly needs: string;
}

const hasWarmup = ({ lrScheduler }: TrainingSettings): boolean => /^cosine_warmup/.test(lrScheduler);

const DEPENDENT: readonly Dependent[] = [
  { option: "curriculumWarmupSteps", acts: (settings) => settings.enableCurriculum, needs: "--enable-curriculum" },
  { option: "curriculumFloor", acts: (settings) => settings.enableCurriculum, needs: "--enable-curriculum" },
  { option: "warmupEpochs", acts: hasWarmup, needs: "--lr-scheduler cosine_warmup or cosine_warmup_restart" },
  { option: "warmupPerStep", acts: hasWarmup, needs: "--lr-scheduler cosine_warmup or cosine_warmup_restart" },
  {
    option: "restartPeriod",
    acts: ({ lrScheduler }) => lrScheduler === "cosine_warmup_restart",
    needs: "--lr-scheduler cosine_warmup_restart",
  },
  {
    option: "optimizerWarmupSteps",
    acts: ({ optimizer }) => optimizer === "schedule_free",
    needs: "--optimizer schedule_free",
  },
  {
    option: "earlyStoppingMinDelta",
    acts: ({ earlyStoppingPatience }) => earlyStoppingPatience !== null,
    needs: "--early-stopping-patience",
  },
  { option: "coreLrScale", acts: ({ freeze }) => freeze !== "core", needs: "a core that trains, not --frozen-core" },
  {
    option: "weighSamples",
    // Batches of one session have no sessions to weigh, unless those of all processes are weighed together.
    acts: (settings) => !settings.homogeneousBatches || (settings.globalObjective && settings.numProcesses > 1),
    needs: "mixed batches, not --homogeneous-batches",
  },
  {
    option: "maxDatasets",
    // The checkpoint knows its sessions.
    acts: (_, { datasetConfigsPath, resume }) => datasetConfigsPath !== undefined || resume === undefined,
    needs: "--dataset-configs",
  },
  { option: "allowConfigChange", acts: (_, { resume }) => resume !== undefined, needs: "--resume" },
];

/** @throws UserError for an option that is given and makes no difference; one that switches something off never does */
export function refuseIdleOptions(options: TrainOptions, settings: TrainingSettings): void {
  const isGiven = (value: unknown) => value !== undefined && value !== null && value !== false;
  const idle = DEPENDENT.find(({ option, acts }) => isGiven(options[option]) && !acts(settings, options));
  if (idle === undefined) return;
  const flag = `--${idle.option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new UserError(
    `Cannot train: ${idle.option} is given and would be ignored, as it acts only with ${idle.needs}`,
    {
      hint: `Add what it needs, or leave out ${flag}.`,
    },
  );
}
