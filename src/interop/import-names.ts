/**
 * @file From the names of tensors in a checkpoint of the reference to the names inside its model (model specification,
 * section 18): the training wrapper puts `model.` in front, and `torch.compile` puts `_orig_mod.` before whatever it
 * compiled.
 */
import { UserError } from "../errors.ts";

const WRAPPERS = /^(?:_orig_mod\.)?(?:model\.)?(?:_orig_mod\.)?/;

/**
 * Names inside the model, in the order given, each with the name in the file.
 *
 * @param path names the file in messages
 * @throws UserError when some names have a wrapper's prefix and others have not, or two names become the same: then it
 *   cannot be told which tensors belong to the model
 */
export function modelNames(names: Iterable<string>, path: string): Map<string, string> {
  const byPrefix = new Map<string, string[]>();
  const found = new Map<string, string>();
  for (const name of names) {
    const prefix = WRAPPERS.exec(name)![0];
    byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), name]);
    const inside = name.slice(prefix.length).replaceAll(/(?<=^|\.)_orig_mod\./g, "");
    const other = found.get(inside);
    if (other !== undefined) {
      throw new UserError(`Cannot import "${path}": "${other}" and "${name}" are both the model's "${inside}"`, {
        hint: "Save the state_dict of one model alone: torch.save(model.state_dict(), path).",
      });
    }
    found.set(inside, name);
  }
  if (byPrefix.size > 1) throw mixedPrefixes(byPrefix, path);
  return found;
}

function mixedPrefixes(byPrefix: ReadonlyMap<string, readonly string[]>, path: string): UserError {
  const kinds = [...byPrefix].map(([prefix, names]) => {
    const what = prefix === "" ? "without a prefix" : `with "${prefix}"`;
    return `${names.length} ${what} (${names[0]})`;
  });
  return new UserError(
    `Cannot import "${path}": the names of its tensors do not belong together: ${kinds.join(", ")}`,
    {
      hint: "Save the state_dict of the model alone: torch.save(model.state_dict(), path).",
    },
  );
}
