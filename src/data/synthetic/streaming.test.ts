import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { synthesize } from "./population.ts";

const root = mkdtempSync(join(tmpdir(), "visioncore-streaming-"));
afterAll(() => rmSync(root, { recursive: true }));

/** Largest resident set while a session of so many minutes is made, bytes. */
async function peakMemory(minutes: number): Promise<number> {
  let peak = 0;
  await synthesize({
    out: join(root, `${minutes}`),
    preset: "lab",
    seed: 1,
    sessions: 1,
    minutes,
    units: 3,
    stimPhase: true,
    onProgress: () => {
      peak = Math.max(peak, process.memoryUsage.rss());
    },
  });
  return peak;
}

test("synthesize() does not need more memory for a longer session", async () => {
  const short = await peakMemory(1);
  const long = await peakMemory(4);
  // Three more minutes are 112 MB of stimuli, as much again of what the retina sees, and 45 MB of phases.
  expect((long - short) / 2 ** 20).toBeLessThan(60);
});
