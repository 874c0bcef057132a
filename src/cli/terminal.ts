/**
 * @file Where text goes: results to standard output, everything else to standard error, colours only for a person.
 */
import { styleText } from "node:util";

/** Colours the command line uses. */
export type Colour = "red" | "yellow" | "green" | "cyan" | "dim" | "bold";

/** Puts colour around text, or leaves it as it is. */
export type Painter = (colour: Colour, text: string) => string;

/** Leaves text as it is. */
export const plain: Painter = (_colour, text) => text;

/** Colours for a stream that shows them and whose user has not set `NO_COLOR`. */
export function painterFor(stream: NodeJS.WriteStream): Painter {
  // hasColors() reads NO_COLOR, FORCE_COLOR and TERM; only terminals have it.
  return stream.isTTY && stream.hasColors() ? styleText : plain;
}

/** Prints a result, with a newline, to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints a value as JSON to standard output; numbers JSON cannot hold (NaN, infinities) become null. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Tells what is going on, with a newline, on standard error. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Columns of text with two spaces between them; those from `numbersFrom` on are flush right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[], numbersFrom = 1): string {
  const all = [header, ...rows];
  const widths = header.map((_, c) => Math.max(...all.map((row) => row[c]!.length)));
  const cell = (text: string, c: number) => (c < numbersFrom ? text.padEnd(widths[c]!) : text.padStart(widths[c]!));
  return all.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}
