/**
 * @file `visioncore inspect data` and `inspect recording --verify` on the golden recordings.
 */
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { fixture, runCli } from "./run-cli.ts";

const FIXTURES = resolve(import.meta.dirname, "../fixtures");
const DATASET = `${FIXTURES}/config/parent.yaml`;
const RAW = `${FIXTURES}/data/raw`;

test("inspect data shows sessions, doubts and warnings about the files, and succeeds", async () => {
  const { status, stdout } = await runCli(["inspect", "data", DATASET, "--data-dir", RAW]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Syn_2020-01-01 {2}4 units, 12 x 12 pixels, 120 Hz/);
  expect(stdout).toContain(
    "look at: future, crosses_trials, time_base, straddling_bins, half_valid_bins, unknown_quality",
  );
  expect(stdout).toMatch(/warning: .*parent\.yaml:75:9 .*theshold: read as "threshold"/);
  expect(stdout).toMatch(/\nin all: 2 sessions, 7 units, 0\.1 minutes, 449 training and 191 validation samples/);
});

test("inspect data fails when strict, and when a session is missing", async () => {
  const strict = await runCli(["inspect", "data", DATASET, "--data-dir", RAW, "--strict", "--json"]);
  expect(strict.status).toBe(1);
  const report = JSON.parse(strict.stdout);
  expect(report.failures).toEqual([]);
  expect(report.sessions[0].doubts.map(({ name }: { name: string }) => name)).toContain("straddling_bins");

  const missing = await runCli(["inspect", "data", DATASET, "--data-dir", FIXTURES, "--json"]);
  expect(missing.status).toBe(1);
  expect(JSON.parse(missing.stdout).failures.map(({ session }: { session: string }) => session)).toEqual([
    "Syn_2020-01-01",
    "Syn_2020-01-02",
  ]);
});

test("inspect recording --verify says what the bytes were compared with", async () => {
  const { status, stdout } = await runCli(["inspect", "recording", fixture("gaborium.dset"), "--verify"]);
  expect(status).toBe(0);
  expect(stdout).toContain("every tensor has the checksum that the file states");
});
