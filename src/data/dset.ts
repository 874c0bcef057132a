/**
 * @file Recordings as the labs store them: `.dset` files, data.md section 4.3.
 *
 * A recording is a dictionary of covariates, tensors of equal length along the first axis (frames), and metadata. Both
 * come from `torch.save`; the tensors must be plain, metadata may hold any Python object and unknown ones are kept as
 * opaque records.
 */
import { UserError } from "../errors.ts";
import type { LazyArray } from "../formats/lazy.ts";
import { plainValue } from "../formats/plain-value.ts";
import { openTorchFile, tensorsByName } from "../formats/torchfile.ts";

/** An open recording. */
export interface Dset {
  readonly path: string;
  /** Tensors by key (`stim`, `robs`, `eyepos`, ...) in file order, each `[frames, ...]`, read when asked for. */
  readonly covariates: ReadonlyMap<string, LazyArray>;
  /**
   * Plain values; numpy arrays are NdArrays, tensors {@link LazyArray}s, objects of unknown classes
   * `{ __py: "module.Name", args, state }`.
   */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Closes the file; covariates can no longer be read. */
  close(): void;
}

/**
 * Opens a recording; covariates are read when asked for.
 *
 * @throws UserError when the file is missing, a folder, damaged, not a PyTorch file, has no covariates, or covariates
 *   are not tensors of equal length
 */
export function openDset(path: string): Dset {
  const file = openTorchFile(path, { unknown: "keep" });
  if (!(file.root instanceof Map)) {
    throw new UserError(`Cannot read "${path}": it holds no dictionary, so it is not a recording`);
  }
  const root = file.root as ReadonlyMap<unknown, unknown>;
  if (!root.has("covariates")) {
    const keys = [...root.keys()].map((key) => JSON.stringify(key)).join(", ");
    throw new UserError(
      `Cannot read "${path}": it has no "covariates", so it is not a recording; it has ${keys || "no keys"}`,
    );
  }
  const covariates = tensorsByName(path, root.get("covariates"), '"covariates"');
  checkLengths(path, covariates);
  return { path, covariates, metadata: readMetadata(path, root.get("metadata")), close: file.close };
}

function readMetadata(path: string, value: unknown): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  const metadata = plainValue(value, path);
  if (!(value instanceof Map) || metadata instanceof Map) {
    throw new UserError(`Cannot read "${path}": "metadata" is not a dictionary with strings as keys`);
  }
  return metadata as Record<string, unknown>;
}

function checkLengths(path: string, covariates: ReadonlyMap<string, LazyArray>): void {
  const [first] = covariates;
  if (first === undefined) throw new UserError(`Cannot read "${path}": "covariates" is empty`);
  const frames = first[1].shape[0];
  for (const [key, { shape }] of covariates) {
    if (shape.length === 0)
      throw new UserError(`Cannot read "${path}": covariate "${key}" is a scalar, not one value per frame`);
    if (shape[0] === frames) continue;
    throw new UserError(
      `Cannot read "${path}": covariates have different lengths: "${first[0]}" ${frames} frames, "${key}" ${shape[0]}`,
      { hint: "The recording is inconsistent; export it again." },
    );
  }
}
