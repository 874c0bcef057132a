/** @file The report of an evaluation, made by the real command line and opened in a real browser where there is one. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { markupErrors } from "../../src/report/markup.fake.ts";
import { fixture, runCli } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "cli-report-"));
afterAll(() => rmSync(folder, { recursive: true }));

const report = join(folder, "report");
const page = () => readFileSync(join(report, "report.html"), "utf8");

/** Path of a Chromium: that in the environment variable CHROMIUM, or the first of its usual names in the PATH. */
function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const candidates = names.flatMap((name) => folders.map((path) => join(path, name)));
  return [process.env.CHROMIUM, ...candidates].find((path) => path !== undefined && existsSync(path));
}

const chromium = findChromium();

/** Opens a file in the browser; gives its standard output. */
function browse(path: string, ...flags: string[]): string {
  const profile = join(folder, "profile");
  const common = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    `--user-data-dir=${profile}`,
    "--virtual-time-budget=3000",
  ];
  const { status, stdout, stderr } = spawnSync(chromium!, [...common, ...flags, `file://${path}`], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    timeout: 120_000,
  });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** The document after a script has run at its end; the script puts what it finds into the title. */
function titleAfter(script: string, flags: readonly string[] = [], html = page()): string {
  const path = join(folder, "probe.html");
  writeFileSync(path, html.replace("</body>", `<script>${script}</script></body>`));
  const title = /<title>(.*?)<\/title>/s.exec(browse(path, "--dump-dom", ...flags))![1]!;
  return title.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

beforeAll(async () => {
  const succeed = async (...args: string[]) => {
    const { status, stdout, stderr } = await runCli(args, { cwd: folder });
    expect(status, stderr).toBe(0);
    return { stdout, stderr };
  };
  await succeed("synth", "tiny", "--preset", "tiny", "--sessions", "1");
  const sizes = "--batch-size 16 --steps-per-epoch 6 --max-epochs 1 --limit-val-batches 3 --experiment-name run";
  const files = ["--model-config", fixture("tiny-model.yaml"), "--dataset-configs", "tiny/dataset.yaml"];
  await succeed("train", ...files, "--device", "cpu", ...sizes.split(" "));
  const { stderr } = await succeed(
    "eval",
    "--device",
    "cpu",
    "--checkpoint",
    "checkpoints/run",
    "--analyses",
    "all",
    "--report",
    report,
  );
  expect(stderr).toContain(`Report: ${join(report, "report.html")}`);
}, 300_000);

describe("eval --report", () => {
  test("writes a well-formed page about everything that could be computed", () => {
    expect(markupErrors(page())).toEqual([]);
    expect(page()).not.toMatch(/NaN|undefined/);
    for (const heading of ["Scores", "Receptive fields", "Training", "Gaps", "Definitions"])
      expect(page()).toContain(`<h2>${heading}</h2>`);
    expect(page()).toContain("there is no quality control in the session&#39;s folder");
  });

  test("writes the same numbers as JSON", () => {
    const data = JSON.parse(readFileSync(join(report, "report.json"), "utf8"));
    expect(data.sessions[0]).toMatchObject({
      session: "Synth_2024-01-01",
      analyses: { bps: { status: "ok" }, qc: { status: "missing" } },
    });
    const bits = data.sessions[0].scores.bps;
    expect(bits.values).toHaveLength(6);
    expect(page()).toContain(`<b>${bits.mean.toFixed(3).replace("-", "−")}</b>`);
    expect(data.report.figures.length).toBeGreaterThan(10);
  });
});

if (chromium === undefined) console.warn("No Chromium found: the page is not opened. Set CHROMIUM to its path.");

describe.skipIf(chromium === undefined)("the page in a browser", { timeout: 150_000 }, () => {
  test("is drawn", () => {
    const picture = join(folder, "page.png");
    browse(join(report, "report.html"), `--screenshot=${picture}`, "--window-size=1200,3000");
    expect(statSync(picture).size).toBeGreaterThan(50_000);
  });

  test.each([1280, 500])("is nowhere wider than a window of %d pixels, and no text of a figure is cut", (width) => {
    const script = `
      const wide = [...document.querySelectorAll("main > *, figure, .table, pre")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
      const cut = [...document.querySelectorAll("svg[role=img] text")].filter((text) => {
        const [own, whole] = [text.getBoundingClientRect(), text.closest("svg[role=img]").getBoundingClientRect()];
        return own.left < whole.left - 1 || own.right > whole.right + 1 || own.top < whole.top - 1 || own.bottom > whole.bottom + 1;
      });
      document.title = JSON.stringify({ wide: wide.map((one) => one.tagName + " " + one.id), cut: cut.map((text) => text.textContent) });`;
    expect(JSON.parse(titleAfter(script, [`--window-size=${width},900`]))).toEqual({ wide: [], cut: [] });
  });

  test("has no text on top of another in any figure", () => {
    const script = `
      const meets = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2;
      const found = [...document.querySelectorAll("svg[role=img]")].flatMap((svg) => {
        const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
        return texts.flatMap(([a, own], i) => texts.slice(i + 1).filter(([, other]) => meets(own, other)).map(([b]) => a + " | " + b));
      });
      document.title = JSON.stringify(found);`;
    expect(JSON.parse(titleAfter(script, ["--window-size=1280,900"]))).toEqual([]);
  });

  test("saves every figure as SVG that stands alone, and its numbers as CSV", async () => {
    const script = `
      const blobs = new Map();
      URL.createObjectURL = (blob) => { const url = "blob:" + blobs.size; blobs.set(url, blob); return url; };
      URL.revokeObjectURL = () => {};
      const saved = [];
      HTMLAnchorElement.prototype.click = function () { saved.push([this.download, blobs.get(this.href)]); };
      for (const button of document.querySelectorAll("button[data-save]")) button.click();
      (async () => {
        const files = await Promise.all(saved.map(async ([name, blob]) => [name, await blob.text()]));
        const errors = files.filter(([name]) => name.endsWith(".svg")).filter(([, text]) =>
          text.includes("var(") || new DOMParser().parseFromString(text, "image/svg+xml").querySelector("parsererror"));
        const csv = files.find(([name]) => name === "distribution-bps.csv")[1];
        document.title = JSON.stringify({ count: files.length, errors: errors.map(([name]) => name), csv });
      })();`;
    const { count, errors, csv } = JSON.parse(titleAfter(script));
    const data = JSON.parse(readFileSync(join(report, "report.json"), "utf8")).report;
    expect(count).toBe(2 * data.figures.length + data.tables.length);
    expect(errors).toEqual([]);
    const { columns } = data.figures.find(({ id }: { id: string }) => id === "distribution-bps");
    const rows = columns.from.map((from: number, i: number) =>
      [from, columns.to[i], columns["count: bps"][i]].join(","),
    );
    expect(csv).toBe(`from,to,count: bps\n${rows.join("\n")}\n`);
  });

  test("can be read without its script, and then shows no button", () => {
    const bare = page().replace(/<script>[\s\S]*?<\/script>/g, "");
    const script = `
      const shown = [...document.querySelectorAll("button")].filter((button) => getComputedStyle(button).display !== "none");
      document.title = JSON.stringify([document.querySelectorAll("button").length > 0, shown.length, document.querySelectorAll("h2").length > 8]);`;
    expect(JSON.parse(titleAfter(script, [], bare))).toEqual([true, 0, true]);
  });
});
