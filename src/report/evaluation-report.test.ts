import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ANALYSES } from "../eval/analyses/index.ts";
import type { Evaluation } from "../eval/evaluate.ts";
import { fakeEvaluation, withOutcomes } from "./evaluation.fake.ts";
import { evaluationReport, writeEvaluationReport } from "./evaluation-report.ts";
import { columnsAsCsv, type Figure, type ReportTable } from "./figure.ts";
import { markupErrors } from "./markup.fake.ts";
import { renderReport } from "./report.ts";

function items(evaluation: Evaluation): (Figure | ReportTable)[] {
  const all = evaluationReport(evaluation).sections.flatMap((section) => section.items);
  return all.filter((item): item is Figure | ReportTable => item.kind === "figure" || item.kind === "table");
}

function table(evaluation: Evaluation, id: string): string {
  return columnsAsCsv(items(evaluation).find((item) => item.id === id)!.columns);
}

const full = fakeEvaluation();
const missing = { status: "missing", message: "there are no repeats: no stimulus of type fixrsvp" } as const;
const failed = { status: "failed", message: "the eye is closed" } as const;

/** The JSON text of the page's numbers. */
function savedNumbers(page: string): string {
  return /id="numbers">(.*?)<\/script>/s.exec(page)![1]!;
}

describe("evaluationReport()", () => {
  test("has a section for every analysis, and figures of each", () => {
    const sections = evaluationReport(full).sections;
    expect(sections.map(({ id }) => id)).toEqual(
      "scores ceilings responses fields tuning saccades most-exciting covariance quality provenance gaps definitions".split(
        " ",
      ),
    );
    for (const { id, items: own } of sections.slice(0, 9)) {
      expect(own.filter(({ kind }) => kind === "figure").length, id).toBeGreaterThan(0);
    }
  });

  test("is a well-formed page without a coordinate that is not a number", () => {
    const html = renderReport(evaluationReport(full));
    expect(markupErrors(html)).toEqual([]);
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });

  test("leads with means over units that have a score", () => {
    const { facts } = evaluationReport(full);
    const bits = full.sessions.flatMap(({ analyses }) =>
      analyses.bps!.status === "ok" ? [...analyses.bps!.scores[0]!.values] : [],
    );
    const known = bits.filter(Number.isFinite);
    expect(known).toHaveLength(8);
    const mean = known.reduce((sum, value) => sum + value, 0) / 8;
    expect(facts[0]).toEqual([expect.stringContaining("mean over 8 units"), mean.toFixed(3)]);
    expect(facts[1]![1]).toBe(`${((100 * mean) / (mean + 0.2)).toFixed(0)} %`);
  });

  test("counts units without a score by reason, whatever the numbers in it", () => {
    expect(table(full, "reasons")).toContain('CCnorm,"n spikes, at least n are needed",2,2\n');
    expect(table(full, "sessions")).toMatch(/^A_1,5,0\.\d+,0\.\d+,4,/m);
  });

  test("says what was not possible and what failed, in how many sessions", () => {
    const gaps = withOutcomes(withOutcomes(full, 0, { ccnorm: missing, mei: failed }), 1, { ccnorm: missing });
    expect(table(gaps, "missing")).toBe(
      `analysis,outcome,reason,sessions\nccnorm,not possible,${missing.message},all 2\nmei,failed,${failed.message},A_1\n`,
    );
    const ids = evaluationReport(gaps).sections.map(({ id }) => id);
    expect(ids).not.toContain("responses");
    expect(ids).toContain("most-exciting");
  });

  test.each(Object.keys(ANALYSES))("is a page when %s is all there is, and when it is all that is missing", (name) => {
    const only = (keep: (other: string) => boolean): Evaluation => ({
      ...full,
      sessions: full.sessions.map((session) => ({
        ...session,
        analyses: Object.fromEntries(
          Object.entries(session.analyses).map(([other, outcome]) => [other, keep(other) ? outcome : missing]),
        ),
      })),
    });
    for (const evaluation of [only((other) => other === name), only((other) => other !== name)]) {
      const html = renderReport(evaluationReport(evaluation));
      expect(markupErrors(html)).toEqual([]);
      expect(html).not.toMatch(/NaN|Infinity|undefined/);
    }
  });

  test("is a page when no unit has any score", () => {
    const blank = full.sessions.map((session) => ({
      ...session,
      analyses: Object.fromEntries(
        Object.entries(session.analyses).map(([name, outcome]) => [
          name,
          {
            ...outcome,
            scores:
              outcome.status === "ok"
                ? outcome.scores.map((score) => ({ ...score, values: score.values.map(() => Number.NaN) }))
                : [],
          },
        ]),
      ),
    })) as Evaluation["sessions"];
    const html = renderReport(evaluationReport({ ...full, sessions: blank }));
    expect(markupErrors(html)).toEqual([]);
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });

  test("is a page without sessions", () => {
    expect(markupErrors(renderReport(evaluationReport({ ...full, sessions: [] })))).toEqual([]);
  });

  test("escapes what comes from data: names of sessions, messages, warnings", () => {
    const evil = fakeEvaluation({
      name: (i) => `<b>&"'${i}</script>`,
      warnings: ["</table><script>alert(1)</script>"],
    });
    const html = renderReport(evaluationReport(withOutcomes(evil, 0, { bps: { ...failed, message: "<i>no</i>" } })));
    expect(markupErrors(html)).toEqual([]);
    expect(html).not.toMatch(/<b>&"|<i>no|<script>alert/);
    expect(html.match(/<\/script>/g)).toHaveLength(2);
  });

  test("gives every score a definition", () => {
    const names = table(full, "definition-table");
    for (const { key } of full.sessions[0]!.analyses.ccnorm!.status === "ok"
      ? full.sessions[0]!.analyses.ccnorm!.scores
      : []) {
      expect(names).toContain(key);
    }
    expect(names).toContain("Schoppe et al. 2016");
  });

  test("shows training curves and the configuration of the run", () => {
    const run = {
      metrics: [{ "trainer/global_step": 9, epoch: 0, train_loss_epoch: 0.5, val_loss: 0.6, val_bps_overall: 0.1 }],
      info: { model_config: { model_type: "v1multi" }, settings: { seed: 7 }, versions: { visioncore: "0.1.0" } },
      parameters: 1234,
    } as unknown as NonNullable<Parameters<typeof evaluationReport>[1]>["run"];
    const html = renderReport(evaluationReport(full, { run, versions: { node: "20" } }));
    for (const text of ["Validation score", "v1multi", "&quot;seed&quot;: 7", "1,234", "visioncore 0.1.0", "node 20"])
      expect(html).toContain(text);
  });

  test("stays small and readable with 30 sessions of 200 units", () => {
    const large = fakeEvaluation({ sessions: 30, units: 200, pixels: 21 });
    const html = renderReport(evaluationReport(large));
    expect(html.length).toBeLessThan(5e6);
    const drawn = /id="units-ccnorm"[\s\S]*?<\/figure>/.exec(html)![0];
    expect(drawn.match(/<circle class="dot c1"/g)!.length).toBeLessThan(410);
    expect(drawn).toContain("400 units at even ranks are drawn");
    const csv = columnsAsCsv(items(large).find(({ id }) => id === "units-ccnorm")!.columns);
    expect(csv.trim().split("\n")).toHaveLength(6001);
  });
});

describe("writeEvaluationReport()", () => {
  const folder = mkdtempSync(join(tmpdir(), "evaluation-report-"));
  const { html, json } = writeEvaluationReport(join(folder, "new"), full);
  const data = JSON.parse(readFileSync(json, "utf8"));
  const page = readFileSync(html, "utf8");
  const again = writeEvaluationReport(join(folder, "again"), fakeEvaluation());
  const same = [
    readFileSync(again.html, "utf8") === page,
    readFileSync(again.json, "utf8") === readFileSync(json, "utf8"),
  ];
  rmSync(folder, { recursive: true });

  test("writes the same files for the same evaluation", () => expect(same).toEqual([true, true]));

  test("writes all scores as JSON, null with a reason where there is none", () => {
    const { ccnorm } = data.sessions[1].scores;
    const found = full.sessions[1]!.analyses.ccnorm!;
    const [score] = found.status === "ok" ? found.scores : [];
    expect(ccnorm.values).toEqual([...score!.values].map((value) => (Number.isFinite(value) ? value : null)));
    expect(ccnorm.low[0]).toBe(score!.low![0]);
    expect(ccnorm).toMatchObject({ n: 4, reasons: [null, null, null, null, "3 spikes, at least 50 are needed"] });
    expect(data.sessions[1]).toMatchObject({ session: "A_2", data_sha256: "1c".repeat(32), units: [1, 4, 7, 10, 13] });
    expect(data.checkpoint.digest).toBe("ab".repeat(32));
    expect(data.scores.ccnorm.formula).toContain("CCabs / CCmax");
  });

  test("writes the numbers of every figure and table as JSON: those that the page saves", () => {
    const numbers = JSON.parse(savedNumbers(page));
    const entries = [...data.report.figures, ...data.report.tables];
    expect(entries.map(({ id }: { id: string }) => id).sort()).toEqual(Object.keys(numbers.tables).sort());
    for (const { id, columns } of entries) {
      for (const [name, place] of numbers.tables[id]) {
        const saved = numbers.columns[place] as (string | number | null)[];
        expect(saved).toHaveLength(columns[name].length);
        for (const [i, value] of saved.entries()) {
          if (typeof value === "number")
            expect(Math.abs(value - columns[name][i])).toBeLessThanOrEqual(1e-5 * Math.abs(value));
          else expect(value).toBe(columns[name][i]);
        }
      }
    }
  });

  test("writes numbers that are those of the drawing", () => {
    const histogram = data.report.figures.find(({ id }: { id: string }) => id === "distribution-bps");
    expect(histogram.columns["count: bps"].reduce((sum: number, count: number) => sum + count, 0)).toBe(8);
    const units = data.report.figures.find(({ id }: { id: string }) => id === "units-ccnorm").columns;
    expect(units.ccnorm).toEqual(
      data.sessions.flatMap(({ scores }: { scores: Record<string, { values: number[] }> }) => scores.ccnorm!.values),
    );
    const drawn = /id="units-ccnorm"[\s\S]*?<\/figure>/.exec(page)![0];
    expect(drawn.match(/<circle class="dot c1"/g)).toHaveLength(8 + 1); // and the one in the key
  });
});
