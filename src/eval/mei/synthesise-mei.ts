/**
 * @file Most exciting inputs of a twin's units (evaluation specification, section 14; Bashivan et al. 2019, Science; Walker et
 * al. 2019, Nature Neuroscience).
 */

import { setImmediate } from "node:timers/promises";
import { mixSeeds } from "../../data/random.ts";
import { UserError } from "../../errors.ts";
import { type InputShape, ignoresStimulus } from "../../models/shapes.ts";
import type { Twin } from "../../models/twin.ts";
import { Generator, noGrad, ops, randn, scope, stack, type Tensor, tensor, zeros } from "../../torch/index.ts";
import type { Floats } from "../bps.ts";
import { clipRange, fixedContrast, inOrder } from "./constraints.ts";
import { gradientBlur } from "./gradient-blur.ts";
import { jitter } from "./jitter.ts";
import type { Penalty } from "./penalties.ts";
import { type Stop, Synthesis } from "./synthesis.ts";
import { NormalizedDescent } from "./updates.ts";

/** How most exciting inputs are made. Values are those that the twin sees, after its transforms. */
export interface MeiOptions {
  /** Size of the twin's stimuli, as its model file has it. */
  input: InputShape;
  /** `image` (the default): one picture that is shown at all lags. `movie`: every lag its own. */
  kind?: "image" | "movie" | undefined;
  /** Root-mean-square contrast; 0.15 is near that of natural images on the scale of `pixelnorm`, -0.5 to 0.5. */
  rms?: number | undefined;
  /** Mean of every input; absent: not constrained. */
  mean?: number | undefined;
  /** Limits of the values; they hold in the end, so that the contrast may be lower than asked for. Absent: none. */
  range?: readonly [min: number, max: number] | undefined;
  iterations?: number | undefined;
  /** Size of the first step as a part of the contrast; steps become smaller evenly. */
  step?: number | undefined;
  /** Blur of the gradient in pixels, at first and in the end. */
  blur?: readonly [first: number, last: number] | undefined;
  /** Largest random shift at every iteration, pixels. */
  jitter?: number | undefined;
  penalty?: Penalty | undefined;
  /** Inputs from different noise for every unit, of which the best is taken. */
  starts?: number | undefined;
  seed?: number | undefined;
  /** Behaviour that the twin is told, such as its mean; zeros when absent. Spike history is zeros. */
  behavior?: Floats | undefined;
  device?: string | undefined;
  /** Inputs that pass through the twin together; results differ by rounding alone, which many steps may amplify. */
  batchSize?: number | undefined;
  /** Stops before the next step; the promise is then rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told after every step which part is done, from 0 to 1. */
  onProgress?: ((part: number) => void) | undefined;
}

/** The most exciting input of one unit. */
export interface Mei {
  /** Number of the unit in the readout. */
  unit: number;
  /** See {@link MeiResult.shape}. */
  image: Float32Array;
  /** What the unit answers, spikes per frame. NaN when every start led there. */
  activation: number;
  /** The same for every start; starts that agree on an answer probably found the same input. */
  startActivations: Float64Array;
  /** Answers before every step of the start that was taken, spikes per frame. */
  trace: Float64Array;
  /** Why and when this start was given up before its last step; null otherwise. */
  stopped: Stop | null;
}

/** Most exciting inputs of units of one session. */
export interface MeiResult {
  session: string;
  kind: "image" | "movie";
  /** [channels, lags, height, width]; one lag for images, otherwise the newest frame first. */
  shape: [number, number, number, number];
  meis: Mei[];
  /** What all units of the session answer to a stimulus of zeros, spikes per frame. */
  blankRates: Float64Array;
}

interface Job {
  unit: number;
  start: number;
}

interface Attempt extends Job {
  image: Float32Array;
  activation: number;
  trace: Float64Array;
  stopped: Stop | null;
}

/** Options with what is left out filled in. */
function complete({
  kind = "image",
  rms = 0.15,
  iterations = 200,
  step = 0.2,
  blur = [1, 0],
  jitter = 0,
  starts = 1,
  seed = 0,
  device = "cpu",
  batchSize = 32,
  ...others
}: MeiOptions) {
  return { ...others, kind, rms, iterations, step, blur, jitter, starts, seed, device, batchSize };
}

type MeiSettings = ReturnType<typeof complete>;

/**
 * Makes the inputs that excite units of a session most, by gradient ascent at a fixed contrast; the units of a session together,
 * each with an input of its own. The twin is in evaluation mode meanwhile. Gives the event loop a turn after every step.
 *
 * @param session number of the session in the twin
 * @param units numbers in its readout; all when null
 * @example
 * const { twin, info } = loadTwin("checkpoints/my_run");
 * const { meis, shape } = await synthesiseMei(twin, 0, [3, 14], { input: info.input!, starts: 3 });
 *
 * @throws UserError when there is no such session or unit, the twin sees no stimulus, or an option is out of range
 */
export async function synthesiseMei(
  twin: Twin,
  session: number,
  units: readonly number[] | null,
  options: MeiOptions,
): Promise<MeiResult> {
  const settings = complete(options);
  const { kind, starts, batchSize } = settings;
  const chosen = units ?? Array.from({ length: twin.sessions[session]?.nUnits ?? 0 }, (_, unit) => unit);
  checkRequest(twin, session, chosen, settings);
  const jobs = chosen.flatMap((unit) => Array.from({ length: starts }, (_, start): Job => ({ unit, start })));
  const { frames, height, width } = settings.input;
  const shape: MeiResult["shape"] = [twin.config.initial_input_channels, kind === "movie" ? frames : 1, height, width];
  const [wasTraining, allowedMissing] = [twin.training, twin.allowMissing];
  twin.eval();
  twin.allowMissing = true;
  try {
    const attempts: Attempt[] = [];
    for (let first = 0; first < jobs.length; first += batchSize) {
      const batch = jobs.slice(first, first + batchSize);
      const told = (part: number) => settings.onProgress?.((first + part * batch.length) / jobs.length);
      attempts.push(...(await attempt(twin, session, batch, shape, settings, told)));
    }
    return {
      session: twin.sessions[session]!.name,
      kind,
      shape,
      meis: chosen.map((unit) => bestAttempt(attempts.filter((made) => made.unit === unit))),
      blankRates: blankRates(twin, session, settings),
    };
  } finally {
    twin.train(wasTraining);
    twin.allowMissing = allowedMissing;
  }
}

/** Runs some ascents together. */
async function attempt(
  twin: Twin,
  session: number,
  jobs: readonly Job[],
  shape: readonly number[],
  settings: MeiSettings,
  told: (part: number) => void,
): Promise<Attempt[]> {
  const { rms, range, iterations, step, blur, seed, device } = settings;
  const constraints = [fixedContrast(settings), ...(range ? [clipRange({ min: range[0], max: range[1] })] : [])];
  const constraint = inOrder(constraints);
  const own = scope(() =>
    tensor(
      jobs.map(({ unit }) => unit),
      [jobs.length, 1],
      { dtype: "int64", device },
    ),
  ).keep();
  const [from, to] = blur;
  const start = scope(() => constraint(stack(jobs.map((job) => noise(job, shape, seed))).to({ device }))).keep();
  using synthesis = new Synthesis(
    (inputs) => ops.gather(answers(twin, session, inputs, settings), 1, own).squeeze(1),
    start,
    {
      update: new NormalizedDescent(step * rms, iterations),
      maxGradNorm: null,
      transform: settings.jitter > 0 ? jitter([settings.jitter, settings.jitter], seed) : undefined,
      preconditioner: gradientBlur([from, from], [to, to], iterations),
      penalty: settings.penalty,
      constraint,
    },
  );
  start.dispose();
  try {
    for (let i = 0; i < iterations && !synthesis.stopped; i++) {
      settings.signal?.throwIfAborted();
      synthesis.step();
      told((i + 1) / iterations);
      await setImmediate();
    }
    const rateOf = (output: number) => (twin.logRates ? Math.exp(output) : output);
    const rates = synthesis.activations().map(rateOf);
    const images = synthesis.images.toTypedArray() as Float32Array;
    const size = images.length / jobs.length;
    return jobs.map((job, i) => ({
      ...job,
      image: images.slice(i * size, (i + 1) * size),
      activation: rates[i]!,
      trace: Float64Array.from(synthesis.traces[i]!, rateOf),
      stopped: synthesis.stops[i]!,
    }));
  } finally {
    own.dispose();
  }
}

/** The twin's outputs for inputs `[batch, channels, lags or 1, height, width]`: `[batch, units]`. */
function answers(twin: Twin, session: number, inputs: Tensor, { input, behavior }: MeiSettings): Tensor {
  const [batch, channels, , height, width] = inputs.shape as [number, number, number, number, number];
  const stimulus = inputs.expand([batch, channels, input.frames, height, width]);
  const told = behavior
    ? tensor(Float32Array.from(behavior), [1, behavior.length])
        .to({ device: inputs.device })
        .expand([batch, behavior.length])
    : null;
  return twin.forward([{ session, stimulus, behavior: told, history: null }])[0]!;
}

function blankRates(twin: Twin, session: number, settings: MeiSettings): Float64Array {
  const { height, width } = settings.input;
  const outputs = noGrad(() =>
    scope(() => {
      const blank = zeros([1, twin.config.initial_input_channels, 1, height, width], {
        device: settings.device,
      });
      const output = answers(twin, session, blank, settings);
      return (twin.logRates ? output.exp() : output).toTypedArray();
    }),
  );
  return Float64Array.from(outputs as Float32Array);
}

/** Every unit and start has noise of its own, so that what else is made does not matter. */
function noise({ unit, start }: Job, shape: readonly number[], seed: number): Tensor {
  return randn(shape, new Generator(mixSeeds(seed, unit, start)));
}

function bestAttempt(attempts: readonly Attempt[]): Mei {
  const answer = ({ activation }: Attempt) => (Number.isFinite(activation) ? activation : Number.NEGATIVE_INFINITY);
  const { unit, image, activation, trace, stopped } = attempts.reduce((a, b) => (answer(b) > answer(a) ? b : a));
  const startActivations = Float64Array.from(attempts, (made) => made.activation);
  return { unit, image, activation, startActivations, trace, stopped };
}

function checkRequest(twin: Twin, session: number, units: readonly number[], settings: MeiSettings): void {
  const known = twin.sessions[session];
  const cannot = (reason: string) => new UserError(`Cannot make most exciting inputs: ${reason}`);
  if (known === undefined) throw cannot(`the twin has no session ${session}, it has ${twin.sessions.length}`);
  if (ignoresStimulus(twin.config, twin.sessions)) throw cannot("the twin sees no stimulus, only behaviour");
  const wrong = units.find((unit) => !(Number.isInteger(unit) && unit >= 0 && unit < known.nUnits));
  if (wrong !== undefined) throw cannot(`session "${known.name}" has ${known.nUnits} units, there is no unit ${wrong}`);
  for (const name of ["iterations", "starts", "batchSize"] as const) {
    const value = settings[name];
    if (!(Number.isInteger(value) && value > 0)) throw cannot(`${name} is ${value}, expected a whole number above 0`);
  }
}
