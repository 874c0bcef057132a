/**
 * @file Puts a performance.json that run.sh brought back into docs/performance.md: between the markers of its device, in
 * place of what was there.
 *
 * `node scripts/gpu/record.mjs performance.json [docs/performance.md]`
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderSection } from "./report.mjs";

const [measured, page = join(import.meta.dirname, "../../docs/performance.md")] = process.argv.slice(2);
if (!measured) {
  console.error("Usage: node scripts/gpu/record.mjs performance.json [docs/performance.md]");
  process.exit(2);
}
const performance = JSON.parse(readFileSync(measured, "utf8"));
const kind = performance.device === "cpu" ? "cpu" : "gpu";
const [begin, end] = [`<!-- measured:${kind} -->`, `<!-- /measured:${kind} -->`];
const text = readFileSync(page, "utf8");
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (from < 0 || to < from) {
  console.error(`Cannot record in "${page}": it lacks the lines ${begin} and ${end}.`);
  process.exit(1);
}
writeFileSync(page, `${text.slice(0, from + begin.length)}\n${renderSection(performance)}${text.slice(to)}`);
console.log(`${page}: section "${kind}" of ${performance.date}`);
