/**
 * @file Lists of whole numbers as typed on a command line.
 */

/** Numbers and ranges separated by commas, `0,2,5-9`, in the order written; undefined when the text is something else. */
export function parseRanges(text: string): number[] | undefined {
  const numbers: number[] = [];
  for (const part of text.split(",")) {
    const match = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part);
    const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || last < first) return undefined;
    for (let number = first; number <= last; number++) numbers.push(number);
  }
  return numbers;
}
