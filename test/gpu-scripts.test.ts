/** @file The scripts that pack for, measure on and record from a machine with a GPU: all but the measuring itself. */

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const SCRIPTS = resolve(import.meta.dirname, "../scripts/gpu");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "visioncore-gpu-scripts-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(path: string, text: string): string {
  const full = join(folder, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}

function node(script: string, args: string[], env: Record<string, string> = {}, cwd = folder) {
  return spawnSync(process.execPath, [script, ...args], { cwd, env: { ...process.env, ...env }, encoding: "utf8" });
}

function filesUnder(root: string): string[] {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" });
  return names.filter((name) => statSync(join(root, name)).isFile());
}

describe("pack.mjs", () => {
  const pack = (...args: string[]) => node(join(SCRIPTS, "pack.mjs"), ["--without-node", ...args]);

  test("packs what runs without the network, and says its true size", () => {
    write("golden/fullsize/case.json", "{}");
    const out = join(folder, "pack");
    const { status, stdout, stderr } = pack("--golden", join(folder, "golden"), "--out", out);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const files = filesUnder(out);
    for (const needed of [
      "run.sh",
      "measure.mjs",
      "report.mjs",
      "src/cli/main.js",
      "bench/flagship.js",
      "bench/python/flagship.py",
      "bench/python/flagship_model.py",
      "native/all.cc",
      "experiments/model_configs/learned_resnet_none_convgru_gaussian.yaml",
      "node_modules/zod/package.json",
      "node_modules/node-api-headers/include/node_api.h",
      "golden/models/fullsize/case.json",
    ]) {
      expect(files).toContain(needed);
    }
    expect(files.filter((name) => /\.test\.|\.fake\.|\.ts$/.test(name))).toEqual([]);
    const packages = readdirSync(join(out, "node_modules"));
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(out, "package.json"), "utf8"));
    expect(packages).toEqual(expect.arrayContaining(Object.keys(dependencies)));
    expect(packages.filter((name) => name in devDependencies)).toEqual([]);
    const bytes = files.reduce((sum, name) => sum + statSync(join(out, name)).size, 0);
    expect(stdout).toContain(`${bytes} bytes`);

    // What was packed starts.
    const { stdout: help } = node(join(out, "src/cli/main.js"), ["--help"]);
    expect(help).toContain("verify");

    const again = pack("--golden", join(folder, "golden"), "--out", out, "--limit-mib", "0.5");
    expect(again.status).toBe(1);
    expect(again.stderr).toContain("more than the limit of 0.5 MiB");
  });

  test("overwrites no folder that is not a pack", () => {
    write("golden/fullsize/case.json", "{}");
    const precious = write("precious/data.txt", "mine");
    const { status, stderr } = pack("--golden", join(folder, "golden"), "--out", dirname(precious));
    expect(status).toBe(1);
    expect(stderr).toContain("is no pack");
    expect(existsSync(precious)).toBe(true);
  });

  test("asks for the golden models", () => {
    const { status, stderr } = pack("--golden", folder, "--out", join(folder, "pack"));
    expect(status).toBe(1);
    expect(stderr).toContain("--golden DIR");
  });
});

const REFERENCE = {
  device_name: "Test GPU",
  threads: 2,
  libtorch: "2.11.0",
  cuda: "13.0",
  samples_per_s: 100,
  peak_memory_bytes: 20e9,
  matmul_tflops: 50,
  model_gflop_per_sample: 65,
};
const OURS = { samples_per_s: 250, reference_samples_per_s: 110, peak_memory_bytes: 8e9 };

describe("measure.mjs", () => {
  /** A pack whose programs only print; `python3` and `bench/flagship.js` say how they were called. */
  function fakePack(): void {
    for (const script of ["measure.mjs", "report.mjs"]) cpSync(join(SCRIPTS, script), join(folder, script));
    write("packed.json", JSON.stringify({ commit: "abc1234", node: "v20.15.0" }));
    write("package.json", `{"type":"module"}`);
    write(
      "src/cli/main.js",
      `console.log(process.argv[2] === "setup" ? "addon x" : "107 passed, 0 failed, 0 skipped");`,
    );
    write("bench/flagship.js", `console.log("for people"); console.log('${JSON.stringify(OURS)}');`);
    const python = write(
      "bin/python3",
      `#!/bin/sh\necho '${JSON.stringify({ ...REFERENCE, tolerance_used: 0.09 })}'\n`,
    );
    chmodSync(python, 0o755);
    mkdirSync(join(folder, "out"));
  }

  function measure(device: string) {
    const path = [join(folder, "bin"), process.env.PATH].join(delimiter);
    const run = node("measure.mjs", [], { DEVICE: device, OUT: join(folder, "out"), PATH: path, BATCH: "8" });
    return { ...run, performance: JSON.parse(readFileSync(join(folder, "out/performance.json"), "utf8")) };
  }

  test("runs every stage on the device and reports rates, ratios, shares and memory", () => {
    fakePack();
    const { status, performance } = measure("cuda");
    expect(status).toBe(0);
    expect(performance).toMatchObject({ device: "cuda", commit: "abc1234", settings: { batch: 8, sessions: 30 } });
    expect(performance.stages.map(({ name }: { name: string }) => name)).toEqual([
      "setup",
      "check",
      "verify",
      "ours 32",
      "reference 32",
      "ours bf16-mixed",
      "reference bf16-mixed",
    ]);
    const commands = performance.stages.map(({ command }: { command: string }) => command);
    expect(commands[2]).toBe("NVIDIA_TF32_OVERRIDE=0 node src/cli/main.js verify golden/models --device cuda");
    expect(commands[5]).toMatch(/^node bench\/flagship\.js --device cuda --precision bf16-mixed --batch 8 .* --json$/);
    const report = readFileSync(join(folder, "out/performance.md"), "utf8");
    expect(report).toContain("on Test GPU, CUDA 13.0, PyTorch 2.11.0, Node 20.15.0, commit abc1234");
    expect(report).toContain("| bf16 | reference, PyTorch eager | 100 | 1.00 | 13 % | 20 GB |");
    expect(report).toContain("| bf16 | VisionCore | 250 | 2.50 | 33 % | 8.0 GB |");
    expect(report).toContain("107 passed, 0 failed, 0 skipped");
  });

  test("goes on after a stage that fails, names it and ends with status 1", () => {
    fakePack();
    write("bench/flagship.js", "process.exit(3);");
    const { status, performance } = measure("cpu");
    expect(status).toBe(1);
    expect(performance.stages).toHaveLength(7);
    const report = readFileSync(join(folder, "out/performance.md"), "utf8");
    expect(report).toContain("**Did not succeed:** ours 32 (status 3), ours bf16-mixed (status 3).");
    expect(report).toContain("| float32 | reference, PyTorch eager | 100 |");
    expect(report).not.toContain("| VisionCore |");
  });
});

describe("record.mjs", () => {
  const PAGE = [
    "# Performance",
    "<!-- measured:cpu -->",
    "<!-- /measured:cpu -->",
    "<!-- measured:gpu -->",
    "not yet",
    "<!-- /measured:gpu -->",
    "end",
    "",
  ].join("\n");

  function performance(date: string, device = "cuda"): string {
    const stages = [
      { name: "reference 32", command: "python3 x", status: 0, result: REFERENCE },
      { name: "ours 32", command: "node x", status: 0, result: OURS },
    ];
    const settings = { batch: 256, sessions: 30, units: 93, lags: 33 };
    return write(
      `${device}-${date}.json`,
      JSON.stringify({ date, device, commit: "abc", node: "v20.15.0", settings, stages }),
    );
  }

  const record = (...args: string[]) => node(join(SCRIPTS, "record.mjs"), args);

  test("replaces the section of the device, and only that", () => {
    const page = write("performance.md", PAGE);
    expect(record(performance("2025-01-01"), page).status).toBe(0);
    expect(record(performance("2025-01-02"), page).status).toBe(0);
    const once = readFileSync(page, "utf8");
    expect(once).toContain("Measured 2025-01-02 on Test GPU");
    expect(once).not.toContain("2025-01-01");
    expect(once).not.toContain("not yet");
    expect(once.startsWith(PAGE.slice(0, PAGE.indexOf("not yet")))).toBe(true);
    expect(once.endsWith("<!-- /measured:gpu -->\nend\n")).toBe(true);

    record(performance("2025-01-02"), page);
    expect(readFileSync(page, "utf8")).toBe(once);

    record(performance("2025-01-03", "cpu"), page);
    const both = readFileSync(page, "utf8");
    expect(both.indexOf("2025-01-03")).toBeLessThan(both.indexOf("<!-- /measured:cpu -->"));
    expect(both).toContain("2025-01-02");
  });

  test("leaves a page without markers alone", () => {
    const page = write("performance.md", "# Performance\n");
    const { status, stderr } = record(performance("2025-01-01"), page);
    expect(status).toBe(1);
    expect(stderr).toContain("<!-- measured:gpu -->");
    expect(readFileSync(page, "utf8")).toBe("# Performance\n");
  });
});
