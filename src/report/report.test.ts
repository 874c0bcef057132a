import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type ReportData, renderReport, writeReport } from "./report.ts";

const data: ReportData = {
  title: "Twin of <demo> & friends",
  summary: "2 sessions, 3 units",
  bitsPerSpike: 0.7123,
  oracleBits: 0.981,
  fractionOfOracle: 0.726,
  facts: [["training time", "3:12"]],
  curves: [
    {
      title: "Loss",
      y: "loss",
      caption: "Lower is better.",
      series: [{ name: "training", x: [0, 1, 2], y: [3, Number.NaN, 1] }],
    },
  ],
  sessions: [
    { name: "A_1", units: 2, meanBits: 0.5, medianBits: 0.5, oracleBits: 1 },
    { name: "B_2", units: 1, meanBits: -0.1, medianBits: -0.1, oracleBits: null },
  ],
  units: [
    { session: "A_1", unit: 0, bits: 0.4, oracleBits: 0.9 },
    { session: "A_1", unit: 1, bits: 0.6, oracleBits: 1.1 },
    { session: "B_2", unit: 0, bits: -0.1, oracleBits: null },
  ],
  traces: [
    {
      title: "Best unit",
      caption: "Held out.",
      frameSeconds: 0.01,
      isMean: false,
      observed: [0, 2, 1],
      predicted: [0.1, 1.5, 0.9],
      truth: [0, 2, 1],
    },
  ],
  maps: [
    {
      title: "Field",
      caption: "unit 1",
      description: "a field",
      rows: 1,
      columns: 2,
      values: [-1, 1],
      colours: "signed",
    },
  ],
  configuration: [["model", "type: <resnet>"]],
  reproduce: ["npx visioncore train --seed 0"],
};

describe("renderReport()", () => {
  const html = renderReport(data);

  test("is one file: no scripts, nothing fetched", () => {
    expect(html).not.toMatch(/<script|<link|@import|url\(/i);
    const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]!);
    expect(addresses.every((address) => address.startsWith("data:image/png;base64,"))).toBe(true);
    expect(html).not.toMatch(/https?:\/\//);
  });

  test("shows the headline numbers and the table", () => {
    expect(html).toContain("<b>0.712</b>");
    expect(html).toContain("<b>73 %</b>");
    expect(html).toContain('<th scope="row">A_1</th><td>2</td><td>0.500</td><td>0.500</td><td>1.000</td><td>50 %</td>');
    expect(html).toContain("<td>−0.100</td><td>–</td><td>–</td>");
  });

  test("escapes what comes from files", () => {
    expect(html).toContain("Twin of &lt;demo&gt; &amp; friends");
    expect(html).toContain("type: &lt;resnet&gt;");
    expect(html).not.toContain("<demo>");
  });

  test("can be read without seeing it", () => {
    expect(html).toContain('<html lang="en">');
    for (const image of html.match(/<(?:svg|img)[^>]*>/g)!) expect(image).toMatch(/(?:aria-label|alt)="[^"]+"/);
    expect(html).toContain('<th scope="col">session</th>');
  });

  test("closes every element it opens", () => {
    const open: string[] = [];
    for (const [, slash, name, self] of html.matchAll(/<(\/?)([a-z]\w*)[^>]*?(\/?)>/g)) {
      if (self || ["meta", "img"].includes(name!)) continue;
      if (slash) expect(open.pop()).toBe(name);
      else open.push(name!);
    }
    expect(open).toEqual([]);
  });

  test("contains no coordinate that is not a number", () => {
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });

  test("leaves out sections without data", () => {
    const bare = renderReport({
      ...data,
      oracleBits: null,
      fractionOfOracle: null,
      curves: [],
      sessions: [],
      units: [],
      traces: [],
      maps: [],
      configuration: [],
      reproduce: [],
    });
    expect(bare).not.toContain("<h2>");
    expect(bare).not.toContain("true rates");
  });
});

test("writeReport() writes the page", () => {
  const folder = mkdtempSync(join(tmpdir(), "report-"));
  writeReport(join(folder, "report.html"), data);
  expect(readFileSync(join(folder, "report.html"), "utf8")).toBe(renderReport(data));
  rmSync(folder, { recursive: true });
});
