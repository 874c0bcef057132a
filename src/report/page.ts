/**
 * @file The HTML page around a report: one file with nothing fetched, readable in light and dark, on a phone and on paper.
 * It needs no script; the one that it has saves figures as SVG and their numbers as CSV.
 */
import { type Column, plainValues } from "./figure.ts";
import { escapeMarkup } from "./markup.ts";
import { FIGURE_STYLE_SHEET, STYLE_SHEET } from "./style.ts";

/** Columns of every figure and table, by its id. */
export type PageNumbers = readonly (readonly [id: string, columns: readonly Column[]])[];

/** A complete HTML document around `content`, which must be markup already. */
export function htmlPage(title: string, content: string, numbers: PageNumbers): string {
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeMarkup(title)}</title>`,
    `<style>${STYLE_SHEET}</style>`,
    "</head>",
    `<body><main>${content}</main>`,
    `<script type="application/json" id="numbers">${numbersAsJson(numbers)}</script>`,
    `<script>${SCRIPT}</script>`,
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

/**
 * `{ columns: [[…], …], tables: { id: [[name, column], …] } }`. Columns that several figures share are written once. Numbers
 * have six digits, which is more than figures show.
 */
function numbersAsJson(numbers: PageNumbers): string {
  const places = new Map<unknown, number>();
  const columns: (string | number | null)[][] = [];
  const tables = numbers.map(([id, members]) => {
    const entries = members.map((column) => {
      const place = places.get(column.values) ?? columns.length;
      if (place === columns.length) {
        places.set(column.values, place);
        columns.push(plainValues(column).map((value) => (typeof value === "number" ? shortened(value) : value)));
      }
      return [column.name, place];
    });
    return [id, entries];
  });
  // "</script>" inside a string would end the element.
  return JSON.stringify({ columns, tables: Object.fromEntries(tables) }).replaceAll("<", "\\u003c");
}

function shortened(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(6));
}

/** Shows the buttons, and on a click hands the file to the browser. */
const SCRIPT = `
(() => {
  const { columns, tables } = JSON.parse(document.getElementById("numbers").textContent);
  const style = ${JSON.stringify(FIGURE_STYLE_SHEET)};
  const cell = (value) => {
    const text = String(value ?? "");
    return /[",\\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  const csv = (id) => {
    const table = tables[id].map(([name, place]) => [name, ...columns[place]]);
    const rows = Array.from({ length: Math.max(...table.map(({ length }) => length)) }, (_, row) => row);
    return rows.map((row) => table.map((column) => cell(column[row])).join(",") + "\\n").join("");
  };
  const svg = (id) => {
    const copy = document.querySelector("#" + CSS.escape(id) + " svg").cloneNode(true);
    const { width, height } = copy.viewBox.baseVal;
    copy.removeAttribute("style");
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    copy.insertAdjacentHTML("afterbegin", "<style></style>");
    copy.firstChild.textContent = style;
    return new XMLSerializer().serializeToString(copy);
  };
  const kinds = { csv: [csv, "text/csv"], svg: [svg, "image/svg+xml"] };
  for (const button of document.querySelectorAll("button[data-save]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const { save, of } = button.dataset;
      const [make, type] = kinds[save];
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([make(of)], { type }));
      link.download = of + "." + save;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }
})();
`;
