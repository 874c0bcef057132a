/**
 * @file The look of reports: one palette for light and one for dark, rules of figures, rules of the page around them.
 */

/** Colours are told apart with the common colour vision deficiencies: blue, orange, green, purple. */
const LIGHT = {
  paper: "#fbfbfa",
  card: "#ffffff",
  ink: "#1d2127",
  soft: "#5a626d",
  rule: "#e2e4e8",
  c1: "#1f6fb4",
  c2: "#c75b12",
  c3: "#2a8c5f",
  c4: "#8757a8",
} as const;

const DARK: Record<keyof typeof LIGHT, string> = {
  paper: "#15171a",
  card: "#1c1f23",
  ink: "#e8eaed",
  soft: "#a9b0ba",
  rule: "#32373e",
  c1: "#6db1ec",
  c2: "#f0a062",
  c3: "#62c79a",
  c4: "#bd95da",
};

/** Rules of everything inside figures; those of a downloaded figure too. */
const FIGURES = `
svg { font: 11px Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif; }
svg text { fill: var(--ink); }
svg .title { font-weight: 600; }
svg .axis, svg .frame { fill: none; stroke: var(--soft); }
svg .guide { fill: none; stroke: var(--soft); stroke-dasharray: 4 3; }
svg .cink { color: var(--ink); } svg .c1 { color: var(--c1); } svg .c2 { color: var(--c2); }
svg .c3 { color: var(--c3); } svg .c4 { color: var(--c4); }
svg .line { fill: none; stroke: currentColor; stroke-width: 1.5; stroke-linejoin: round; }
svg .dashed { stroke-dasharray: 5 3; }
svg .area { fill: currentColor; opacity: 0.22; }
svg .band { fill: currentColor; opacity: 0.18; }
svg .stems { fill: none; stroke: currentColor; opacity: 0.5; }
svg .dot { fill: currentColor; fill-opacity: 0.7; }
svg .cloud { fill: none; stroke: currentColor; stroke-width: 4; stroke-linecap: round; stroke-opacity: 0.35; }
svg .interval { fill: none; stroke: currentColor; stroke-opacity: 0.45; }
svg .bars { fill: currentColor; fill-opacity: 0.45; stroke: currentColor; stroke-width: 0.75; }
svg .bar { fill: currentColor; }
svg .median { fill: none; stroke: currentColor; stroke-width: 1.5; stroke-dasharray: 5 3; }
svg .limit { fill: none; stroke: var(--ink); stroke-width: 2; }
svg .map { image-rendering: pixelated; }
svg .outline { fill: none; stroke: #111; stroke-width: 1.2; stroke-dasharray: 3 2; }
svg .scale-bar { fill: none; stroke: var(--ink); stroke-width: 2.5; }
`;

const PAGE = `
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 0.4rem; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 3rem 0 0.75rem; padding-top: 0.75rem; border-top: 2px solid var(--rule); }
p { max-width: 52rem; margin: 0.4rem 0 0.9rem; }
.soft { color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: 0.9rem; margin: 1.5rem 0 0; padding: 0; list-style: none; }
.facts li { flex: 1 1 9.5rem; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 0.8rem 1rem; }
.facts b { display: block; font-size: 1.6rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.facts span { display: block; color: var(--soft); font-size: 0.875rem; line-height: 1.35; }
nav { margin-top: 1.5rem; font-size: 0.9rem; }
nav a { color: var(--c1); margin-right: 1.1rem; white-space: nowrap; text-decoration: none; }
nav a:hover { text-decoration: underline; }
.figures { display: grid; grid-template-columns: repeat(6, 1fr); gap: 1rem; margin: 1rem 0; }
figure { margin: 0; min-width: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 0.9rem 1rem 0.7rem; display: flex; flex-direction: column; }
figure { grid-column: span 2; }
figure.half { grid-column: span 3; }
figure.wide { grid-column: span 6; }
@media (max-width: 1060px) { figure { grid-column: span 3; } figure.half { grid-column: span 6; } }
@media (max-width: 700px) { figure, figure.half { grid-column: span 6; } }
.plot { overflow-x: auto; }
.plot svg { display: block; width: 100%; height: auto; margin: 0 auto; }
figcaption { font-size: 0.84rem; line-height: 1.45; color: var(--soft); margin-top: 0.5rem; }
figcaption b, .caption b { color: var(--ink); font-weight: 600; }
.save { margin-top: auto; padding-top: 0.4rem; }
button { font: inherit; font-size: 0.75rem; color: var(--c1); background: none; border: 1px solid var(--rule); border-radius: 5px; padding: 0.05rem 0.5rem; margin-right: 0.35rem; cursor: pointer; }
button:hover { border-color: var(--c1); }
button[hidden] { display: none; }
.table { margin: 1rem 0 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
.caption { text-align: left; font-size: 0.84rem; line-height: 1.45; color: var(--soft); margin: 0 0 0.5rem; max-width: 52rem; }
th, td { text-align: right; padding: 0.3rem 0.8rem; border-bottom: 1px solid var(--rule); }
thead th { color: var(--soft); font-weight: 500; vertical-align: bottom; max-width: 9rem; line-height: 1.3; border-bottom-color: var(--soft); }
thead th.group { text-align: center; border-bottom-color: var(--rule); max-width: none; }
th:first-child, td:first-child { padding-left: 0; }
tbody th { font-weight: 500; }
tbody th, td.text, th.text { text-align: left; }
tbody th, td:not(.text) { white-space: nowrap; }
td.text { min-width: 14rem; overflow-wrap: anywhere; }
details { border-top: 1px solid var(--rule); padding: 0.5rem 0; }
summary { cursor: pointer; }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 0.75rem 1rem; font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
@media print {
  main { max-width: none; padding: 0; }
  nav, .save { display: none; }
  .plot { overflow: visible; } .plot svg { min-width: 0 !important; }
  figure { break-inside: avoid; }
}
`;

function variables(palette: Record<string, string>): string {
  return Object.entries(palette)
    .map(([name, colour]) => `--${name}: ${colour};`)
    .join(" ");
}

/** The style sheet of a page. */
export const STYLE_SHEET = `
:root { color-scheme: light dark; ${variables(LIGHT)} }
@media (prefers-color-scheme: dark) { :root { ${variables(DARK)} } }
@media print { :root { ${variables(LIGHT)} } }
${FIGURES}${PAGE}`;

/** The style sheet of a figure in a file of its own: light, and without variables, which drawing programs do not know. */
export const FIGURE_STYLE_SHEET = FIGURES.replace(/var\(--(\w+)\)/g, (_, name: keyof typeof LIGHT) => LIGHT[name]);
