/**
 * @file Parts of another twin: a trained core under new adapters and readouts, or pretrained vision to start from (training
 * specification, sections 20 and 21, with T-03 and T-15 put right: what cannot be copied is an error, and what is frozen
 * neither trains nor draws dropout nor updates statistics).
 */

import { UserError } from "../errors.ts";
import { fromArray, type Module, scope } from "../torch/index.ts";
import { bestCheckpoint } from "./checkpoint-files.ts";
import { type ModelFile, openModelFile, verifyParameters } from "./model-file.ts";
import type { TrainOptions } from "./options.ts";

/** What of a twin does not train: nothing, the core, or everything up to the convnet. */
export const FREEZES = ["none", "core", "vision"] as const;
export type Freeze = (typeof FREEZES)[number];

/** Parts that all sessions share, in the order stimuli pass through them. */
const CORE = ["frontend", "convnet", "modulator", "recurrent"];
const VISION = ["frontend", "convnet"];

/** Sessions of a twin by number; adapters belong to them. */
type Sessions = readonly { readonly name: string }[];

/**
 * The file that parts are taken from.
 *
 * @throws UserError when two are asked for, one beside a checkpoint to continue from, or a freeze without one
 */
export function openDonor({
  frozenCore,
  pretrainedCheckpoint,
  freezeVision,
  resume,
}: TrainOptions): ModelFile | undefined {
  const path = frozenCore ?? pretrainedCheckpoint;
  if (frozenCore !== undefined && pretrainedCheckpoint !== undefined) {
    throw new UserError("Cannot train: both a frozen core and a pretrained checkpoint were given", {
      hint: "--frozen-core takes over the whole core; leave out --pretrained-checkpoint.",
    });
  }
  if (path !== undefined && resume !== undefined) {
    throw new UserError(`Cannot resume with parts of "${path}": the checkpoint has all parameters`, {
      hint: "Leave out --frozen-core and --pretrained-checkpoint; what was frozen stays frozen.",
    });
  }
  if (freezeVision && pretrainedCheckpoint === undefined && resume === undefined) {
    throw new UserError("Cannot freeze vision that was never trained", {
      hint: "Say where it comes from: --pretrained-checkpoint.",
    });
  }
  return path === undefined ? undefined : openModelFile(bestCheckpoint(path));
}

/** What a run that asks for these parts freezes; undefined when it does not say. */
export function freezeOf({ freeze, frozenCore, freezeVision }: TrainOptions): Freeze | undefined {
  if (frozenCore !== undefined) return "core";
  return freezeVision ? "vision" : freeze;
}

/** Copies what is asked for, and says so in a sentence. Throws a UserError that lists what does not fit. */
export function takeOver(twin: Module, sessions: Sessions, donor: ModelFile, freeze: Freeze): string[] {
  verifyParameters(donor);
  if (freeze === "core") {
    copyCore(twin, donor);
    return [`the core of ${donor.path} is taken over and does not train`];
  }
  const fresh = copyVision(twin, sessions, donor);
  const adapters = fresh.length === 0 ? "all adapters" : `adapters but for ${fresh.join(", ")}`;
  const trains = freeze === "vision" ? "and do not train" : "and go on training";
  return [`frontend, convnet and ${adapters} are taken from ${donor.path} ${trains}`];
}

/** Copies the core of a model file; adapters and readouts stay as they are. Throws a UserError that lists what does not fit. */
function copyCore(twin: Module, file: ModelFile): void {
  copy(twin, file, (name) => (CORE.includes(part(name)) ? name : undefined));
}

/**
 * Copies frontend and convnet of a model file, and the adapters of sessions that both twins have.
 *
 * @returns names of sessions whose adapters start afresh
 * @throws UserError that lists what does not fit
 */
function copyVision(twin: Module, sessions: Sessions, file: ModelFile): string[] {
  const numberThere = new Map(file.info.sessions.map(({ name }, i) => [name, i]));
  const fresh = sessions.filter(({ name }) => !numberThere.has(name)).map(({ name }) => name);
  copy(twin, file, (name) => {
    if (VISION.includes(part(name))) return name;
    const [, number, rest] = /^adapters\.(\d+)\.(.*)$/.exec(name) ?? [];
    const there = number === undefined ? undefined : numberThere.get(sessions[Number(number)]!.name);
    return there === undefined ? undefined : `adapters.${there}.${rest}`;
  });
  return fresh;
}

/** Stops the parts from training; see `Module.freeze`. */
export function freezeParts(twin: Module, freeze: Freeze): void {
  if (freeze === "none") return;
  const frozen = freeze === "core" ? CORE : ["adapters", "adapter", ...VISION];
  for (const [name, child] of twin.children()) if (frozen.includes(name)) child.freeze();
}

function part(name: string): string {
  return name.slice(0, name.indexOf("."));
}

/**
 * @param source name in the file of one of the twin's tensors, undefined for those that stay as they are
 */
function copy(twin: Module, { path, tensors }: ModelFile, source: (name: string) => string | undefined): void {
  const problems: string[] = [];
  const copies = [...twin.stateDict()].flatMap(([name, tensor]) => {
    const from = source(name);
    if (from === undefined) return [];
    const found = tensors.get(from);
    const expected = tensor.shape.join(", ");
    if (found === undefined) problems.push(`${from} is missing`);
    else if (found.shape.join(", ") !== expected) {
      problems.push(`${from} is [${found.shape.join(", ")}], this model needs [${expected}]`);
    }
    return found === undefined ? [] : [{ tensor, found }];
  });
  if (problems.length > 0) {
    const shown = problems.slice(0, 5).join("; ");
    const more = problems.length > 5 ? `; and ${problems.length - 5} more` : "";
    throw new UserError(`Cannot take parts of "${path}" into this model: ${shown}${more}`, {
      hint: "The model configurations must agree in the parts that are taken over.",
    });
  }
  scope(() => {
    for (const { tensor, found } of copies) tensor.detach().copy_(fromArray(found.read()));
  });
}
