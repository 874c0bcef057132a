/**
 * @file Opening a checkpoint that another program wrote: a Lightning checkpoint or a state_dict in PyTorch's file format
 * (training specification, section 5), or a state_dict as safetensors.
 *
 * Pickles are read as data. Nothing in them is executed; a file that asks for functions which act on the machine is
 * refused.
 */
import { UserError } from "../errors.ts";
import { type ByteSource, openFile } from "../formats/byte-source.ts";
import { isLazyArray, type LazyArray } from "../formats/lazy.ts";
import { OpaqueObject } from "../formats/pickle.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { openTorchFile, tensorsByName } from "../formats/torchfile.ts";
import { modelNames } from "./import-names.ts";
import { type Json, jsonValue, kindOf, mappingOf } from "./import-values.ts";

/** A checkpoint of the reference, open for reading. */
export interface ForeignCheckpoint extends Disposable {
  readonly path: string;
  readonly kind: "Lightning checkpoint" | "PyTorch state_dict" | "safetensors state_dict";
  /** Tensors under the names they have inside the model, still in the file. */
  readonly tensors: ReadonlyMap<string, LazyArray>;
  /** The model configuration it carries, not checked yet; undefined when it carries none. */
  readonly modelConfig: unknown;
  readonly hyperParameters: Readonly<Record<string, Json>>;
  /** Last epoch, counted from 0; null when unknown. */
  readonly epoch: number | null;
  /** Optimiser steps; null when unknown. */
  readonly globalStep: number | null;
  /** Parts of the file that are not imported. */
  readonly leftOut: readonly string[];
  /** Size of the file. */
  readonly bytes: number;
}

/**
 * Opens a checkpoint and finds its tensors and what it says about itself.
 *
 * @throws UserError when the file cannot be read, is damaged, names functions that act on the machine, or holds no
 *   state_dict whose names belong together
 */
export function openForeignCheckpoint(path: string): ForeignCheckpoint {
  const source = openFile(path);
  try {
    return looksLikeSafetensors(source) ? fromSafetensors(source) : fromPickle(source);
  } catch (error) {
    source.close();
    throw error;
  }
}

function looksLikeSafetensors(source: ByteSource): boolean {
  // The JSON header follows its length in 8 bytes.
  return source.size > 8 && source.read(8, 1)[0] === "{".charCodeAt(0);
}

function fromSafetensors(source: ByteSource): ForeignCheckpoint {
  const { metadata, tensors } = openSafetensors(source);
  if (metadata.visioncore !== undefined) {
    throw new UserError(`Cannot import "${source.name}": it is a VisionCore file already`, {
      hint: "Use it as it is; importing is for files of other programs.",
    });
  }
  return {
    path: source.name,
    kind: "safetensors state_dict",
    tensors: renamed(tensors, source.name),
    modelConfig: undefined,
    hyperParameters: {},
    epoch: null,
    globalStep: null,
    leftOut: [],
    bytes: source.size,
    [Symbol.dispose]: () => source.close(),
  };
}

function fromPickle(source: ByteSource): ForeignCheckpoint {
  const path = source.name;
  const { root } = openTorchFile(source, { unknown: (name) => !ACTING.test(name) });
  if (!(root instanceof Map)) throw noDictionary(path, root);
  const { holder, key, state } = findState(path, root);
  const tensors = renamed(tensorsByName(path, state, key === "" ? "it" : `its "${key}"`), path);

  const unread: string[] = [];
  const given = mappingOf(root.get("hyper_parameters"));
  const { model_config_dict, ...hyperParameters } =
    given === undefined ? {} : (jsonValue(given, "hyper_parameters", unread) as Record<string, Json>);
  const modelConfig = model_config_dict ?? mappingAmong([hyperParameters.model_config, jsonAt(root, "model_config")]);
  const known = new Set<unknown>([holder, "epoch", "global_step", "pytorch-lightning_version", "hparams_name"]);
  if (given !== undefined) known.add("hyper_parameters");
  if (root.has("model_config")) known.add("model_config");
  const others = state === root ? [] : [...root.keys()].filter((name) => !known.has(name)).map(String);
  return {
    path,
    kind: root.has("pytorch-lightning_version") ? "Lightning checkpoint" : "PyTorch state_dict",
    tensors,
    modelConfig,
    hyperParameters,
    epoch: wholeOrNull(root.get("epoch")),
    globalStep: wholeOrNull(root.get("global_step")),
    leftOut: [...others, ...unread],
    bytes: source.size,
    [Symbol.dispose]: () => source.close(),
  };
}

/** Functions that act on the machine. A checkpoint that names one was made to harm, though nothing here would call it. */
const ACTING = new RegExp(
  [
    "^(os|posix|nt|sys|subprocess|shutil|socket|ctypes|importlib|imp|runpy|pty|code|codeop|commands|popen2)\\.",
    "^(webbrowser|platform|multiprocessing|signal|asyncio|threading|urllib|http|requests|ftplib|smtplib|pip)\\.",
    "^(pickle|_pickle|cloudpickle|dill|joblib|marshal|shelve|bdb|pdb|timeit|trace|profile|cProfile)\\.",
    "^(builtins|__builtin__)\\.(eval|exec|execfile|compile|open|input|breakpoint|__import__|globals|locals|vars)(\\.|$)",
    "^torch\\.(load|hub\\.|jit\\.|package\\.|utils\\.cpp_extension\\.|_inductor\\.|serialization\\.load)",
    "^numpy\\.(load|fromfile|memmap|lib\\.npyio\\.|testing\\.|f2py\\.|distutils\\.)",
  ].join("|"),
);

const PLACES = ["state_dict", "model_state_dict", "model"];

/** Where the tensors are: under a usual name, or at the top. `holder` is the key at the top that leads there. */
function findState(path: string, root: ReadonlyMap<unknown, unknown>) {
  for (const place of PLACES) {
    const value = root.get(place);
    if (!(value instanceof Map)) continue;
    const inner = value.get("state_dict");
    const [key, state] = inner instanceof Map ? [`${place}.state_dict`, inner] : [place, value];
    if (state.size > 0) return { holder: place, key, state: state as Map<unknown, unknown> };
    throw new UserError(`Cannot import "${path}": its "${key}" is empty`, {
      hint: "The model had no parameters when it was saved. Use another checkpoint.",
    });
  }
  if ([...root.values()].some(isTensor)) return { holder: undefined, key: "", state: root };
  const object = PLACES.find((place) => root.get(place) instanceof OpaqueObject);
  if (object !== undefined) throw noDictionary(path, root.get(object), `its "${object}"`);
  const keys = root.size === 0 ? "is empty" : `has ${[...root.keys()].map(String).join(", ")}`;
  throw new UserError(`Cannot import "${path}": it holds no state_dict; its dictionary ${keys}`, {
    hint: `Tensors are looked for under ${PLACES.join(", ")}, and at the top.`,
  });
}

/** Whether a value is a tensor, readable or not. */
function isTensor(value: unknown): boolean {
  return isLazyArray(value) || (value instanceof OpaqueObject && value.problem !== undefined);
}

function noDictionary(path: string, value: unknown, what = "it"): UserError {
  const found = value instanceof OpaqueObject ? `the Python object ${kindOf(value)}` : kindOf(value);
  return new UserError(`Cannot import "${path}": ${what} holds ${found}, not a dictionary of tensors`, {
    hint: "Save the parameters alone: torch.save(model.state_dict(), path).",
  });
}

function renamed(tensors: ReadonlyMap<string, LazyArray>, path: string): Map<string, LazyArray> {
  if (tensors.size === 0) {
    throw new UserError(`Cannot import "${path}": it holds no tensors`, { hint: "Use another checkpoint." });
  }
  return new Map([...modelNames(tensors.keys(), path)].map(([name, stored]) => [name, tensors.get(stored)!]));
}

function jsonAt(root: ReadonlyMap<unknown, unknown>, key: string): Json | undefined {
  return root.has(key) ? jsonValue(root.get(key), key, []) : undefined;
}

function mappingAmong(candidates: readonly (Json | undefined)[]): Json | undefined {
  return candidates.find((value) => typeof value === "object" && value !== null && !Array.isArray(value));
}

function wholeOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
