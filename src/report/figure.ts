/**
 * @file What reports are made of: figures and tables that carry their numbers, and text. A figure's drawing, its CSV and its
 * entry in the JSON file all come from the same columns.
 */

/** Numbers or words of equal count under one name. */
export interface Column {
  /** Name in files, with the unit of measurement where there is one: `peak_speed_deg_per_s`. */
  readonly name: string;
  /** NaN and null are written as nothing. */
  readonly values: ArrayLike<number | null> | readonly string[] | readonly (string | null)[];
}

/** A figure. */
export interface Figure {
  readonly kind: "figure";
  /** Unique in the report; names its files. */
  readonly id: string;
  readonly title: string;
  /** What is drawn, from what, and how many. */
  readonly caption: string;
  readonly svg: string;
  /** Part of the page's width: a third when absent. */
  readonly size?: "half" | "wide" | undefined;
  readonly columns: readonly Column[];
}

/** A column of a table. */
export interface TableColumn extends Column {
  /** What the head of the column says. */
  readonly title: string;
  /** Title above neighbouring columns of the same group. */
  readonly group?: string | undefined;
  /** Of numbers; they are written as they are when absent. */
  readonly decimals?: number | undefined;
}

/** A table whose first column names the row. */
export interface ReportTable {
  readonly kind: "table";
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly columns: readonly TableColumn[];
  /** Whether it is only for download, as large tables are. */
  readonly isHidden?: boolean | undefined;
}

/** A paragraph. */
export interface Paragraph {
  readonly kind: "text";
  readonly text: string;
}

/** Text of a file, which is read or copied as it is. */
export interface Listing {
  readonly kind: "listing";
  readonly name: string;
  readonly text: string;
  /** Whether it is shown without being asked for. */
  readonly isOpen?: boolean | undefined;
}

export type ReportItem = Figure | ReportTable | Paragraph | Listing;

/** A part of a report. */
export interface Section {
  readonly id: string;
  readonly heading: string;
  readonly items: readonly ReportItem[];
}

/** Values of a column as plain values: null where there is none. */
export function plainValues({ values }: Column): (string | number | null)[] {
  return Array.from(values as ArrayLike<string | number | null>, (value) =>
    typeof value === "number" && !Number.isFinite(value) ? null : value,
  );
}

/** Rows of text separated by commas, with the names of the columns first. Shorter columns end with empty cells. */
export function columnsAsCsv(columns: readonly Column[]): string {
  const all = columns.map(plainValues);
  const rows = Array.from({ length: Math.max(0, ...all.map(({ length }) => length)) }, (_, row) =>
    all.map((values) => csvCell(values[row] ?? null)).join(","),
  );
  return `${[columns.map(({ name }) => csvCell(name)).join(","), ...rows].join("\n")}\n`;
}

function csvCell(value: string | number | null): string {
  const text = value === null ? "" : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
