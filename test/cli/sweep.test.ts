import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fixture, runCli } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "cli-sweep-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("sweep runs every combination, tabulates the scores, and runs nothing twice", { timeout: 120_000 }, async () => {
  expect((await runCli(["synth", join(folder, "data"), "--preset", "tiny", "--sessions", "1"])).status).toBe(0);
  writeFileSync(
    join(folder, "rates.yaml"),
    `
train:
  model_config: ${fixture("tiny-model.yaml")}
  dataset_configs: data/dataset.yaml
  batch_size: 16
  steps_per_epoch: 4
  max_epochs: 2
  limit_val_batches: 2
vary:
  learning_rate: [0.01, 0.001]
runs:
  - {batch_size: 1000000}
`,
  );
  const sweep = () => runCli(["sweep", join(folder, "rates.yaml"), "--checkpoint-dir", join(folder, "out")]);
  const first = await sweep();
  // One of the runs cannot work, and the others go on without it.
  expect(first.status).toBe(1);
  expect(first.stdout).toMatch(/^run +status +bits\/spike +epoch +time\n/);
  expect(first.stdout).toMatch(/learning_rate=0\.01 +finished +-?[\d.]+ +\d\/2/);
  expect(first.stdout).toMatch(/batch_size=1000000 +failed: error: .*do not fill a batch of 1000000/);
  const results = join(folder, "out", "rates");
  expect(readFileSync(join(results, "results.csv"), "utf8").split("\n")[0]).toBe(
    "run,learning_rate,batch_size,status,bps,epoch,epochs,steps,seconds,directory,problem",
  );
  expect(existsSync(join(results, "learning_rate=0.001", "last.safetensors"))).toBe(true);
  const log = readFileSync(join(results, "learning_rate=0.01.log"), "utf8");

  const second = await sweep();
  expect(second.stdout).toMatch(/learning_rate=0\.01 +finished/);
  expect(readFileSync(join(results, "learning_rate=0.01.log"), "utf8")).toBe(log);
});
