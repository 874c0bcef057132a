/**
 * @file Parsers for the values of flags. Commander calls them and puts the flag's name before their messages.
 */
import { InvalidArgumentError } from "commander";
import { parseRanges } from "./ranges.ts";

/** A whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** A number between two limits, both included. */
export function numberBetween(least: number, most = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < least || value > most) {
      const range = most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`;
      throw new InvalidArgumentError(`Expected a number ${range}.`);
    }
    return value;
  };
}

/** A number above zero. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("Expected a number above 0.");
  return value;
}

/** Words separated by commas, each one of `words`. */
export function listOf<Word extends string>(words: readonly Word[]): (text: string) => Word[] {
  const wordOf = (text: string) => {
    const known = words.find((word) => word === text);
    if (known === undefined) throw new InvalidArgumentError(`"${text}" is not one of ${words.join(", ")}.`);
    return known;
  };
  return (text) => text.split(",").map((word) => wordOf(word.trim()));
}

/** Names separated by commas. */
export function names(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** Whole numbers of at least 1, separated by commas: `8,12`. */
export function counts(text: string): number[] {
  return text.split(",").map(wholeNumber(1));
}

/** Whole numbers and ranges separated by commas: `0,2,5-9`. */
export function wholeNumbers(text: string): number[] {
  const numbers = parseRanges(text);
  if (numbers === undefined) throw new InvalidArgumentError("Expected numbers and ranges such as 0,2,5-9.");
  return numbers;
}
