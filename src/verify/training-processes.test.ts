import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freePort, setNumThreads, tensorStats } from "../torch/index.ts";
import { verifyDistributedTrajectory } from "./training-processes.ts";

setNumThreads(1);

const FIXTURES = join(import.meta.dirname, "../../test/fixtures/training");

test("verifyDistributedTrajectory() repeats the golden run and leaves no tensors behind", () => {
  const { live } = tensorStats();
  expect(verifyDistributedTrajectory(FIXTURES)).toMatchObject({ status: "passed" });
  expect(tensorStats().live).toBe(live);
});

test("Replica repeats the golden run of two in two real processes", async () => {
  const port = await freePort();
  const script = fileURLToPath(new URL("./training-processes.fake.ts", import.meta.url));
  const tsx = fileURLToPath(import.meta.resolve("tsx"));
  const ranks = [0, 1].map((rank) =>
    promisify(execFile)(process.execPath, ["--import", tsx, script, FIXTURES, String(rank), String(port)]),
  );
  for (const { stdout } of await Promise.all(ranks)) {
    expect(JSON.parse(stdout)).toMatchObject({ name: "trajectory_ddp", status: "passed" });
  }
});
