/**
 * @file YAML with a memory of lines: every value can be traced back to file, line and column.
 *
 * Reads YAML 1.2 (core schema, plus merge keys `<<`). Configurations that were written for Python load with the same
 * values, with three differences, all of them announced: `yes`, `no`, `on` and `off` are text and rejected where a
 * boolean is wanted, `1e-3` is a number, and a key that is written twice in one mapping is an error.
 * See the model specification, section 1, and the data specification, section 2.
 */

import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from "yaml";
import { ConfigError, type ConfigPath } from "./config-error.ts";
import { readConfigFile } from "./file.ts";
import { valueAt } from "./mapping.ts";
import type { ConfigSource, Location } from "./source.ts";

/** Wider source lines are cut around the caret in excerpts. */
const EXCERPT_WIDTH = 110;

type ParsedYaml = ReturnType<typeof parseDocument>;

/** A parsed YAML file whose top level is a mapping. */
export class YamlDocument implements ConfigSource {
  readonly file: string;
  /** The file's text, unchanged: checkpoints keep it. */
  readonly text: string;
  /** The top-level mapping as plain values. Do not modify. */
  readonly value: Readonly<Record<string, unknown>>;
  readonly #parsed: ParsedYaml;
  readonly #lines: LineCounter;

  /** Use {@link parseYaml}. */
  constructor(file: string, text: string, parsed: ParsedYaml, lines: LineCounter, value: Record<string, unknown>) {
    this.file = file;
    this.text = text;
    this.value = value;
    this.#parsed = parsed;
    this.#lines = lines;
  }

  locate(path: ConfigPath, part: "key" | "value"): Location {
    const { key, node, depth } = this.#walk(path);
    // Past the deepest written place only its value is left to point at.
    const target = part === "key" && depth === path.length ? (key ?? node) : node;
    return locationAt(this.file, this.text, this.#lines, target?.range?.[0] ?? 0);
  }

  locateGap(path: ConfigPath): Location {
    const { key, node } = this.#walk(path);
    // A block mapping starts at its first child: its key says more. A flow mapping starts at its own brace.
    const target = isMap(node) && node.flow ? node : (key ?? node);
    return locationAt(this.file, this.text, this.#lines, target?.range?.[0] ?? 0);
  }

  depth(path: ConfigPath): number {
    return valueAt(this.value, path).depth;
  }

  written(path: ConfigPath): unknown {
    return valueAt(this.value, path).value;
  }

  /** Deepest node on the way along `path`, with the key it is stored under. */
  #walk(path: ConfigPath): { key: Node | undefined; node: Node | undefined; depth: number } {
    let key: Node | undefined;
    let node = this.#resolve(this.#parsed.contents);
    for (const [depth, element] of path.entries()) {
      const next = isSeq(node) ? { key: undefined, value: node.items[Number(element)] } : this.#entry(node, element);
      if (next === undefined || next.value === undefined) return { key, node, depth };
      key = next.key;
      // The value of `key:` with nothing behind it is no node of its own in some positions.
      node = this.#resolve(next.value) ?? next.key;
    }
    return { key, node, depth: path.length };
  }

  /** The pair stored under `name`, also through merge keys; own keys win over merged ones. */
  #entry(node: unknown, name: string | number): { key: Node | undefined; value: unknown } | undefined {
    if (!isMap(node)) return undefined;
    for (const { key, value } of node.items) {
      if (isScalar(key) && typeof key.value !== "symbol" && String(key.value) === String(name)) return { key, value };
    }
    for (const { key, value } of node.items) {
      if (!isScalar(key) || (typeof key.value !== "symbol" && key.value !== "<<")) continue;
      const merged = this.#resolve(value);
      for (const source of isSeq(merged) ? merged.items : [merged]) {
        const entry = this.#entry(this.#resolve(source), name);
        if (entry !== undefined) return entry;
      }
    }
    return undefined;
  }

  #resolve(node: unknown): Node | undefined {
    if (isAlias(node)) return node.resolve(this.#parsed);
    return isMap(node) || isSeq(node) || isScalar(node) ? node : undefined;
  }
}

/**
 * Reads a YAML file whose top level is a mapping. `what` and `namedAt` as in {@link readConfigFile}.
 *
 * @throws MissingFileError when there is no such file; ConfigError as {@link parseYaml}.
 */
export function readYaml(path: string, what?: string, namedAt?: string): YamlDocument {
  return parseYaml(readConfigFile(path, what, namedAt), path);
}

/**
 * Parses YAML text whose top level is a mapping. `file` is only used in messages.
 *
 * @throws ConfigError for syntax errors, keys written twice, unknown tags and anchors, several documents in one file,
 * an empty file, and a top level that is a list or a single value.
 */
export function parseYaml(text: string, file: string): YamlDocument {
  const lines = new LineCounter();
  const parsed = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const fail = (offset: number, message: string, found: string, expected: string): never => {
    const location = locationAt(file, text, lines, offset);
    throw new ConfigError([{ ...location, path: [], message, found, expected }]);
  };

  // Unknown tags are mere warnings to the parser, but the value then is not what the author meant.
  const problem = parsed.errors[0] ?? parsed.warnings[0];
  if (problem !== undefined) {
    const offset = problem.pos[0];
    if (problem.code === "DUPLICATE_KEY") {
      const key = text.slice(offset).match(/^[^:\s]*/)?.[0] ?? "";
      fail(offset, `key "${key}" is written twice in the same mapping`, "the key a second time", "each key once");
    }
    if (problem.code === "MULTIPLE_DOCS") {
      fail(offset, 'a second document starts here ("---"); expected one per file', "a second document", "one document");
    }
    fail(offset, `not valid YAML: ${problem.message}`, "a syntax error", "valid YAML");
  }

  let value: unknown;
  try {
    value = parsed.toJS();
  } catch (error) {
    let offset = 0;
    visit(parsed, {
      Alias(_, alias) {
        if (alias.resolve(parsed) !== undefined) return undefined;
        offset = alias.range?.[0] ?? 0;
        return visit.BREAK;
      },
    });
    fail(offset, (error as Error).message, "an alias", "an anchor set earlier in the file");
  }
  if (value === null || value === undefined) {
    fail(0, "the file is empty; expected a mapping of keys to values", "nothing", "a mapping");
  }
  if (typeof value !== "object" || Array.isArray(value)) {
    const found = Array.isArray(value) ? "a list" : `the single value ${JSON.stringify(value)}`;
    const offset = parsed.contents?.range?.[0] ?? 0;
    fail(offset, `expected a mapping of keys to values at the top level, found ${found}`, found, "a mapping");
  }
  return new YamlDocument(file, text, parsed, lines, value as Record<string, unknown>);
}

function locationAt(file: string, text: string, lines: LineCounter, offset: number): Location {
  // An empty text has no line starts to search.
  const { line, col } = text === "" ? { line: 1, col: 1 } : lines.linePos(offset);
  const lineStart = offset - (col - 1);
  const lineEnd = text.indexOf("\n", lineStart);
  const sourceLine = text.slice(lineStart, lineEnd === -1 ? undefined : lineEnd).replace(/\r$/, "");
  return { file, line, column: col, excerpt: excerptOf(sourceLine.replaceAll("\t", " "), col) };
}

function excerptOf(sourceLine: string, column: number): string {
  const start = sourceLine.length <= EXCERPT_WIDTH ? 0 : Math.max(0, column - 1 - EXCERPT_WIDTH / 2);
  const end = Math.min(sourceLine.length, start + EXCERPT_WIDTH);
  const before = start > 0 ? "…" : "";
  const after = end < sourceLine.length ? "…" : "";
  const caret = " ".repeat(before.length + column - 1 - start);
  return `${before}${sourceLine.slice(start, end)}${after}\n${caret}^`;
}
