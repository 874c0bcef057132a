/**
 * @file libhdf5, compiled to WebAssembly: loaded once, with compression filters, and with errors that are thrown instead
 * of printed.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Metadata } from "h5wasm/node";
import { UserError } from "../errors.ts";

/** The low-level functions of libhdf5. */
export type Hdf5Library = Awaited<typeof import("h5wasm/node")["ready"]>;

/** What libhdf5 tells about a dataset or an attribute. */
export type Hdf5Metadata = Metadata;

/** The library, loaded. */
export interface LoadedHdf5 {
  readonly library: Hdf5Library;
  /** The value of an attribute of a composed type, nested arrays as the library makes them. */
  readonly composedAttribute: (file: bigint, path: string, name: string) => unknown;
}

let loading: Promise<LoadedHdf5> | undefined;

/** Loads the library; the first call takes about 0.1 s. */
export function loadHdf5(): Promise<LoadedHdf5> {
  loading ??= load();
  return loading;
}

async function load(): Promise<LoadedHdf5> {
  const { Group, ready } = await import("h5wasm/node");
  const library = await ready;
  // Without a handler of its own the library prints its stack to stderr and carries on with invalid handles.
  library.activate_throwing_error_handler();
  const plugins = dirname(createRequire(import.meta.url).resolve("h5wasm-plugins/package.json"));
  library.insert_plugin_search_path(join(plugins, "plugins"), 0);
  return { library, composedAttribute: (file, path, name) => new Group(file, path).attrs[name]?.value };
}

/**
 * Runs a call of the library. Its errors become UserErrors that start with `what`.
 *
 * @param what what cannot be done: `Cannot read "stim" of "a.nwb"`
 */
export function callHdf5<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const reason = deepestReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`${what}: ${reason}`, { hint: hintFor(reason), cause: error });
  }
}

/**
 * What a file did to the library; undefined for other errors. The library reports a stack of lines
 * `#007: file line 5 in H5X(): reason`; the last one is the cause.
 */
function deepestReason(error: unknown): string | undefined {
  const { name, message } = error as Error;
  // What a WebAssembly program ends with when it fails inside.
  if (name === "RuntimeError") return `the HDF5 library failed on it (${message})`;
  if (!message.startsWith("HDF5-DIAG")) return undefined;
  return [...message.matchAll(/^ *#\d+: .*? in \w+\(\): (.*)$/gm)].at(-1)?.[1] ?? "the HDF5 library failed on it";
}

function hintFor(reason: string): string {
  if (reason.includes("truncated file")) return "The file was cut short; copy or download it again.";
  if (/filter.*(not registered|not available)|plugin/.test(reason)) {
    return "It is compressed with a filter that is not built in. Rewrite it with gzip: h5repack -f GZIP=4 <file> <new file>";
  }
  if (/lock|already open/.test(reason)) return "Another program is writing the file; close it there first.";
  if (/memory|allocat/i.test(reason)) {
    return "A piece of the file needs more than 2 GB at once. Rewrite it with smaller chunks: h5repack -l CHUNK=… <file> <new file>";
  }
  return "The file may be damaged; copy or download it again, or check it with: h5dump -H <file>";
}
