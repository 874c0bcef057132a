import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { lineChart } from "./line-chart.ts";
import { markupErrors } from "./markup.fake.ts";
import { formatNumber } from "./markup.ts";
import { type ReportData, renderReport, reportAsData, writeReport } from "./report.ts";

const x = [0, 1, 2];
const y = [3, Number.NaN, 1];
const bits = Float64Array.of(0.5, -0.1);

const data: ReportData = {
  title: "Twin of <demo> & friends",
  summary: "2 sessions, 3 units",
  facts: [["bits per spike", "0.712"]],
  sections: [
    {
      id: "training",
      heading: "Training",
      items: [
        {
          kind: "figure",
          id: "loss",
          title: "Loss",
          caption: "n = 3 epochs.",
          svg: lineChart({ description: "the loss", x: "epoch", y: "loss" }, [{ name: "training", x, y }]),
          columns: [
            { name: "epoch", values: x },
            { name: "loss", values: y },
          ],
        },
        {
          kind: "table",
          id: "scores",
          title: "Scores",
          caption: "By session.",
          columns: [
            { name: "session", title: "session", values: ["A_1", "B_<2>"] },
            { name: "bits", title: "mean", group: "bits per spike", values: bits, decimals: 3 },
            { name: "again", title: "again", group: "bits per spike", values: bits, decimals: 1 },
          ],
        },
      ],
    },
    { id: "nothing", heading: "Nothing", items: [] },
    {
      id: "rest",
      heading: "Rest",
      items: [
        { kind: "text", text: "a < b" },
        { kind: "listing", name: "model", text: "type: <resnet>" },
      ],
    },
  ],
};

describe("renderReport()", () => {
  const html = renderReport(data);

  test("is one well-formed file that fetches nothing", () => {
    expect(markupErrors(html)).toEqual([]);
    expect(html).not.toMatch(/<link|@import|\burl\(|<script[^>]*\ssrc|https?:\/\//);
    const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]!);
    expect(addresses.every((address) => address.startsWith("data:image/png;base64,") || address.startsWith("#"))).toBe(
      true,
    );
  });

  test("needs no script: buttons that would do nothing are hidden", () => {
    for (const button of html.match(/<button[^>]*>/g)!) expect(button).toContain(" hidden>");
  });

  test("shows the most important numbers, the table with groups, and numbers of figures and tables", () => {
    expect(html).toContain("<b>0.712</b>");
    expect(html).toContain('<th scope="row">A_1</th><td>0.500</td><td>0.5</td>');
    expect(html).toContain("<td>−0.100</td>");
    expect(html).toContain('<td colspan="1"></td><th scope="colgroup" class="group" colspan="2">bits per spike</th>');
    expect(html).toContain("<b>Figure 1. Loss.</b>");
    expect(html).toContain("<b>Table 1. Scores.</b>");
  });

  test("escapes what comes from files", () => {
    expect(html).toContain("Twin of &lt;demo&gt; &amp; friends");
    expect(html).toContain("type: &lt;resnet&gt;");
    expect(html).not.toMatch(/<demo>|B_<2>/);
  });

  test("can be read without seeing it", () => {
    expect(html).toContain('<html lang="en">');
    for (const image of html.match(/<svg[^>]*>/g)!) expect(image).toMatch(/role="img".*aria-label="[^"]+"/);
    for (const button of html.match(/<button[^>]*>/g)!) expect(button).toMatch(/aria-label="[^"]+"/);
    expect(html).toContain('<th scope="col" class="text">session</th>');
  });

  test("contains no coordinate that is not a number", () => {
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });

  test("leaves out sections without items", () => {
    expect(html).not.toContain("<h2>Nothing</h2>");
    expect(renderReport({ ...data, sections: [] })).not.toContain("<h2>");
  });

  test("writes a column that several items share once", () => {
    const { columns, tables } = JSON.parse(/id="numbers">(.*?)<\/script>/s.exec(html)![1]!);
    expect(tables).toEqual({
      loss: [
        ["epoch", 0],
        ["loss", 1],
      ],
      scores: [
        ["session", 2],
        ["bits", 3],
        ["again", 3],
      ],
    });
    expect(columns).toEqual([
      [0, 1, 2],
      [3, null, 1],
      ["A_1", "B_<2>"],
      [0.5, -0.1],
    ]);
  });
});

test("reportAsData() gives the numbers of figures and tables, null where there is none", () => {
  const { figures, tables } = reportAsData(data);
  expect(figures).toMatchObject([
    { id: "loss", section: "training", name: "Figure 1", columns: { epoch: x, loss: [3, null, 1] } },
  ]);
  expect(tables).toMatchObject([{ id: "scores", name: "Table 1", columns: { bits: [0.5, -0.1] } }]);
});

test("writeReport() writes the page", () => {
  const folder = mkdtempSync(join(tmpdir(), "report-"));
  writeReport(join(folder, "report.html"), data);
  expect(readFileSync(join(folder, "report.html"), "utf8")).toBe(renderReport(data));
  rmSync(folder, { recursive: true });
});

test("formatNumber() writes minus signs, thousands, and a dash for nothing", () => {
  expect([formatNumber(-0.5, 2), formatNumber(12_345, 0), formatNumber(null, 2), formatNumber(-0.001, 1)]).toEqual([
    "−0.50",
    "12,345",
    "–",
    "0.0",
  ]);
});
