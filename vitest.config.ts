import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // One process per test file: a native abort then costs one file, not the run.
    pool: "forks",
    maxWorkers: 2,
    // Two jobs on two cores are three times slower when OpenMP threads spin while they wait.
    env: { OMP_WAIT_POLICY: "passive" },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
