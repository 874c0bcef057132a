import { describe, expect, test } from "vitest";
import { firstHost, rankFromEnvironment } from "./ranks.ts";

describe("rankFromEnvironment()", () => {
  test("is undefined for a process on its own", () => {
    expect(rankFromEnvironment({})).toBeUndefined();
    // A batch script and an interactive allocation have a number of tasks too, and are no job step.
    expect(rankFromEnvironment({ SLURM_NTASKS: "4", SLURM_PROCID: "0", SLURM_JOB_ID: "1" })).toBeUndefined();
    expect(rankFromEnvironment({ SLURM_STEP_NUM_TASKS: "1", SLURM_PROCID: "0" })).toBeUndefined();
  });

  const torchrun = {
    RANK: "3",
    WORLD_SIZE: "4",
    LOCAL_RANK: "1",
    LOCAL_WORLD_SIZE: "2",
    MASTER_ADDR: "10.0.0.1",
    MASTER_PORT: "29500",
  };

  test("reads torchrun's variables", () => {
    const rank = { rank: 3, world: 4, localRank: 1, localWorld: 2, address: "10.0.0.1", port: 29500 };
    expect(rankFromEnvironment(torchrun)).toEqual({ ...rank, servesStore: true, run: "run-0", ownAddress: undefined });
    const elastic = {
      TORCHELASTIC_USE_AGENT_STORE: "True",
      TORCHELASTIC_RUN_ID: "abc",
      TORCHELASTIC_RESTART_COUNT: "2",
    };
    expect(rankFromEnvironment({ ...torchrun, ...elastic })).toEqual({ ...rank, servesStore: false, run: "abc-2" });
  });

  test("reads those of a Slurm job step", () => {
    const step = {
      SLURM_STEP_NUM_TASKS: "4",
      SLURM_PROCID: "2",
      SLURM_LOCALID: "0",
      SLURM_JOB_ID: "123456",
      SLURM_STEP_ID: "3",
      SLURM_STEP_NODELIST: "gpu[07-08]",
    };
    expect(rankFromEnvironment(step)).toEqual({
      rank: 2,
      world: 4,
      localRank: 0,
      localWorld: 1,
      address: "gpu07",
      port: 18456,
      servesStore: true,
      run: "slurm-123456.3",
    });
    expect(rankFromEnvironment({ ...step, MASTER_PORT: "7000", MASTER_ADDR: "gpu9" })).toMatchObject({
      address: "gpu9",
      port: 7000,
    });
  });

  test.each([
    ["MASTER_ADDR", undefined, "MASTER_ADDR is not set, although RANK and WORLD_SIZE are set"],
    ["MASTER_PORT", undefined, "MASTER_PORT is not set, although this is one of several processes"],
    ["WORLD_SIZE", "two", 'WORLD_SIZE is "two", expected a whole number from 1'],
    ["RANK", "4", "RANK is 4, expected a number below WORLD_SIZE, which is 4"],
  ])("refuses %s=%s", (name, value, message) => {
    expect(() => rankFromEnvironment({ ...torchrun, [name]: value })).toThrow(message);
  });
});

test("firstHost() takes the first host of a Slurm list", () => {
  expect(["gpu[07-09,12],cpu1", "a,b", "n[3,5]", "single"].map(firstHost)).toEqual(["gpu07", "a", "n3", "single"]);
});
