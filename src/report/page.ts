/**
 * @file The HTML page around a report: one file without scripts and without anything fetched, readable in light and
 * dark, on a phone and on paper.
 */
import { escapeMarkup } from "./markup.ts";

// Series colours are told apart with the common colour vision deficiencies (blue, orange, green, purple).
const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1d2127; --soft: #5a626d; --rule: #e2e4e8;
  --c1: #1f6fb4; --c2: #d2691e; --c3: #2a8c5f; --c4: #8757a8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --card: #1c1f23; --ink: #e8eaed; --soft: #a2a9b3; --rule: #32373e;
    --c1: #6db1ec; --c2: #f0a062; --c3: #62c79a; --c4: #bd95da;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 0.25rem; letter-spacing: -0.01em; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 0.75rem; }
p { max-width: 46rem; margin: 0.4rem 0; }
.soft, figcaption { color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: 0.9rem; margin: 1.5rem 0 0; padding: 0; list-style: none; }
.facts li { flex: 1 1 10rem; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 0.8rem 1rem; }
.facts b { display: block; font-size: 1.7rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.facts span { color: var(--soft); font-size: 0.875rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
.table + .charts { margin-top: 1.25rem; }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 0.9rem 1rem 0.6rem; }
figure h3 { font-size: 0.975rem; margin: 0 0 0.3rem; }
figcaption { font-size: 0.875rem; margin-top: 0.2rem; }
svg { display: block; width: 100%; height: auto; font-size: 12px; }
svg text { fill: var(--soft); }
.grid { stroke: var(--rule); }
.axis { stroke: var(--soft); }
.c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); } .c4 { color: var(--c4); }
.line { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; }
.area { fill: currentColor; opacity: 0.28; }
.stems { stroke: currentColor; stroke-width: 1.5; opacity: 0.5; }
.dot { fill: currentColor; fill-opacity: 0.65; }
.bar, .swatch { fill: currentColor; }
.diagonal { stroke: var(--soft); stroke-dasharray: 4 4; }
.limit { stroke: var(--ink); stroke-width: 2; }
.heat { width: auto; height: 12rem; image-rendering: pixelated; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 0.35rem 0.75rem; border-bottom: 1px solid var(--rule); white-space: nowrap; }
thead th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody th { font-weight: 500; }
details { border-top: 1px solid var(--rule); padding: 0.5rem 0; }
summary { cursor: pointer; }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 0.75rem 1rem; font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
@media print { details > * { display: block; } figure { break-inside: avoid; } }
`;

/** A complete HTML document around `content`, which must be markup already. */
export function htmlPage(title: string, content: string): string {
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeMarkup(title)}</title>`,
    `<style>${STYLE}</style>`,
    "</head>",
    `<body><main>${content}</main></body>`,
    "</html>",
    "",
  ].join("\n");
}

/** A chart with its heading and, below it, what to look for. */
export function figure(heading: string, chart: string, caption: string): string {
  return `<figure><h3>${escapeMarkup(heading)}</h3>${chart}<figcaption>${escapeMarkup(caption)}</figcaption></figure>`;
}

/** A table whose first column names the row. */
export function table(caption: string, header: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = header.map((cell) => `<th scope="col">${escapeMarkup(cell)}</th>`).join("");
  const body = rows.map(([name, ...cells]) => {
    const rest = cells.map((cell) => `<td>${escapeMarkup(cell)}</td>`).join("");
    return `<tr><th scope="row">${escapeMarkup(name!)}</th>${rest}</tr>`;
  });
  return (
    `<div class="table"><table aria-label="${escapeMarkup(caption)}"><thead><tr>${head}</tr></thead>` +
    `<tbody>${body.join("")}</tbody></table></div>`
  );
}

/** Text to be read or copied as it is. */
export function preformatted(text: string): string {
  return `<pre><code>${escapeMarkup(text)}</code></pre>`;
}
