/**
 * @file A report as HTML and as JSON. Numbers, drawings and words go in; nothing is computed from models or recordings here.
 */
import { writeFileAtomic } from "../formats/atomic.ts";
import {
  type Column,
  type Figure,
  type Listing,
  plainValues,
  type ReportItem,
  type ReportTable,
  type Section,
  type TableColumn,
} from "./figure.ts";
import { escapeMarkup, formatNumber } from "./markup.ts";
import { htmlPage } from "./page.ts";

/** Everything a report shows. Sections without items are left out. */
export interface ReportData {
  readonly title: string;
  /** One paragraph under the title: what this is about. */
  readonly summary: string;
  /** The most important numbers, in words: `["bits per spike, mean over units", "0.512"]`. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly sections: readonly Section[];
}

/**
 * Writes the report as one self-contained HTML file, atomically.
 *
 * @throws UserError when the file cannot be written
 */
export function writeReport(path: string, data: ReportData): void {
  writeFileAtomic(path, renderReport(data));
}

/** The report as HTML. The same data gives the same text. */
export function renderReport(data: ReportData): string {
  const sections = data.sections.filter(({ items }) => items.length > 0);
  const numbers = numberedItems(sections);
  const links = sections.map(({ id, heading }) => `<a href="#${escapeMarkup(id)}">${escapeMarkup(heading)}</a>`);
  const content = [
    headline(data),
    sections.length < 4 ? "" : `<nav aria-label="Contents">${links.join(" ")}</nav>`,
    ...sections.map((section) => renderSection(section, numbers)),
  ];
  const columns = [...numbers.keys()].map(({ id, columns }) => [id, columns] as const);
  return htmlPage(data.title, content.join("\n"), columns);
}

/** The numbers of every figure and table, for programs: full precision, null where there is none. */
export function reportAsData({ title, summary, facts, sections }: ReportData) {
  const numbers = numberedItems(sections);
  const entries = sections.flatMap(({ id: section, items }) =>
    items.flatMap((item) => {
      if (item.kind !== "figure" && item.kind !== "table") return [];
      const { id, kind, caption, columns } = item;
      return [
        { id, section, kind, name: numbers.get(item)!, title: item.title, caption, columns: columnsAsData(columns) },
      ];
    }),
  );
  const without = (wanted: "figure" | "table") =>
    entries.filter(({ kind }) => kind === wanted).map(({ kind: _, ...entry }) => entry);
  return { title, summary, facts: Object.fromEntries(facts), figures: without("figure"), tables: without("table") };
}

function columnsAsData(columns: readonly Column[]) {
  return Object.fromEntries(columns.map((column) => [column.name, plainValues(column)]));
}

type Numbered = Figure | ReportTable;

/** `Figure 1`, `Table 1`, … in the order of the page. */
function numberedItems(sections: readonly Section[]): Map<Numbered, string> {
  const names = new Map<Numbered, string>();
  const counts = { figure: 0, table: 0 };
  for (const item of sections.flatMap(({ items }) => items)) {
    if (item.kind !== "figure" && item.kind !== "table") continue;
    counts[item.kind] += 1;
    names.set(item, `${item.kind === "figure" ? "Figure" : "Table"} ${counts[item.kind]}`);
  }
  return names;
}

function headline({ title, summary, facts }: ReportData): string {
  const list = facts.map(([name, value]) => `<li><b>${escapeMarkup(value)}</b><span>${escapeMarkup(name)}</span></li>`);
  return (
    `<header><h1>${escapeMarkup(title)}</h1><p class="soft">${escapeMarkup(summary)}</p>` +
    `${list.length === 0 ? "" : `<ul class="facts">${list.join("")}</ul>`}</header>`
  );
}

function renderSection({ id, heading, items }: Section, numbers: ReadonlyMap<Numbered, string>): string {
  const parts: string[] = [];
  let isGrid = false;
  for (const item of items) {
    const isFigure = item.kind === "figure";
    if (isFigure !== isGrid) parts.push(isFigure ? '<div class="figures">' : "</div>");
    isGrid = isFigure;
    parts.push(renderItem(item, numbers));
  }
  if (isGrid) parts.push("</div>");
  return `<section id="${escapeMarkup(id)}"><h2>${escapeMarkup(heading)}</h2>${parts.join("\n")}</section>`;
}

function renderItem(item: ReportItem, numbers: ReadonlyMap<Numbered, string>): string {
  switch (item.kind) {
    case "figure":
      return renderFigure(item, numbers.get(item)!);
    case "table":
      return renderTable(item, numbers.get(item)!);
    case "text":
      return `<p>${escapeMarkup(item.text)}</p>`;
    case "listing":
      return renderListing(item);
  }
}

function renderFigure({ id, title, caption, svg, size }: Figure, name: string): string {
  const words = `<figcaption><b>${name}. ${escapeMarkup(title)}.</b> ${captionMarkup(caption)}</figcaption>`;
  const buttons = `<div class="save">${saveButton("svg", id, name)}${saveButton("csv", id, name)}</div>`;
  return `<figure id="${escapeMarkup(id)}"${size === undefined ? "" : ` class="${size}"`}><div class="plot">${svg}</div>${words}${buttons}</figure>`;
}

/** Counts such as `n = 32` stay on one line. */
function captionMarkup(caption: string): string {
  return escapeMarkup(caption).replace(/\bn = (?=\d)/g, "n\u00a0=\u00a0");
}

/** Hidden until the script shows it: without scripts it would do nothing. */
function saveButton(kind: "svg" | "csv", id: string, name: string): string {
  const label = kind === "svg" ? `${name} as SVG` : `Numbers of ${name} as CSV`;
  return `<button type="button" data-save="${kind}" data-of="${escapeMarkup(id)}" aria-label="${label}" hidden>${kind.toUpperCase()}</button>`;
}

function renderTable({ id, title, caption, columns, isHidden }: ReportTable, name: string): string {
  const words = `<b>${name}. ${escapeMarkup(title)}.</b> ${captionMarkup(caption)}`;
  const buttons = `<div class="save">${saveButton("csv", id, name)}</div>`;
  if (isHidden)
    return `<div class="table" id="${escapeMarkup(id)}"><div class="caption">${words}</div>${buttons}</div>`;
  const titles = columns
    .map((column) => `<th scope="col"${textClass(column)}>${escapeMarkup(column.title)}</th>`)
    .join("");
  const cells = columns.map((column) => plainValues(column).map((value) => cellText(value, column.decimals)));
  const rows = Array.from({ length: cells[0]?.length ?? 0 }, (_, row) => {
    const [first, ...rest] = columns.map((column, c) => {
      const text = escapeMarkup(cells[c]![row]!);
      return c === 0 ? `<th scope="row">${text}</th>` : `<td${textClass(column)}>${text}</td>`;
    });
    return `<tr>${first}${rest.join("")}</tr>`;
  });
  return (
    `<div class="table" id="${escapeMarkup(id)}"><div class="caption" id="${escapeMarkup(id)}-caption">${words}</div>` +
    `<div class="scroll"><table aria-labelledby="${escapeMarkup(id)}-caption"><thead>${groupRow(columns)}<tr>${titles}</tr></thead>` +
    `<tbody>${rows.join("")}</tbody></table></div>${buttons}</div>`
  );
}

/** A row of titles above groups of columns; none without groups. */
function groupRow(columns: readonly TableColumn[]): string {
  if (columns.every(({ group }) => group === undefined)) return "";
  const groups: { name: string; count: number }[] = [];
  for (const { group: name = "" } of columns) {
    if (groups.at(-1)?.name === name) groups.at(-1)!.count += 1;
    else groups.push({ name, count: 1 });
  }
  const cells = groups.map(({ name, count }) =>
    name === ""
      ? `<td colspan="${count}"></td>`
      : `<th scope="colgroup" class="group" colspan="${count}">${escapeMarkup(name)}</th>`,
  );
  return `<tr>${cells.join("")}</tr>`;
}

/** Words are flush left and may be broken, numbers are neither. */
function textClass({ values }: TableColumn): string {
  return Array.from(values as ArrayLike<unknown>).some((value) => typeof value === "string") ? ' class="text"' : "";
}

function cellText(value: string | number | null, decimals: number | undefined): string {
  if (typeof value === "string") return value;
  return formatNumber(value, decimals ?? (Number.isInteger(value) ? 0 : 3));
}

function renderListing({ name, text, isOpen }: Listing): string {
  const body = `<pre><code>${escapeMarkup(text)}</code></pre>`;
  return isOpen ? body : `<details><summary>${escapeMarkup(name)}</summary>${body}</details>`;
}
