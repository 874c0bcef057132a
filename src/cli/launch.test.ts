import { describe, expect, test } from "vitest";
import { describeFailure } from "./launch.ts";
import { deviceOfRank, processesWanted } from "./launched.ts";

describe("describeFailure()", () => {
  const outcome = { pid: 7, code: 1, signal: null, isVictim: false };
  const own = { text: "error: the disk is full", hint: undefined, isConsequence: false };
  const lost = { text: "error: Rank 0 stops because rank 1 ended", hint: "Resume.", isConsequence: true };

  test("tells the error of the process that failed by itself", () => {
    const failures = [
      { ...outcome, rank: 0, report: lost },
      { ...outcome, rank: 1, report: own },
      { ...outcome, rank: 2, report: undefined, code: null, signal: "SIGKILL" as const, isVictim: true },
    ];
    expect(describeFailure(failures)).toBe("[rank 1] error: the disk is full");
  });

  test("tells an error that all have only once", () => {
    const failures = [0, 1, 2].map((rank) => ({ ...outcome, rank, report: own }));
    expect(describeFailure(failures)).toBe("error: the disk is full");
  });

  test("tells who was killed, with the others' advice", () => {
    const killed = { ...outcome, rank: 1, report: undefined, code: null, signal: "SIGKILL" as const };
    expect(describeFailure([{ ...outcome, rank: 0, report: lost }, killed])).toBe(
      "error: Rank 1 (process 7) was killed by SIGKILL, so the others were stopped\nhint: Resume.",
    );
    expect(describeFailure([{ ...killed, code: 134, signal: null }])).toContain("ended with status 134");
  });

  test("tells what the others found out about one that hung", () => {
    const hung = { ...outcome, rank: 1, report: undefined, code: null, signal: "SIGKILL" as const, isVictim: true };
    expect(describeFailure([hung, { ...outcome, rank: 0, report: lost }])).toBe(lost.text);
  });
});

test("processesWanted() lets --gpu-ids win over --num-gpus", () => {
  expect(processesWanted({ gpuIds: [0, 2, 3], numGpus: 2 })).toBe(3);
  expect(processesWanted({ numGpus: 2 })).toBe(2);
  expect(processesWanted({ numProcesses: 4 })).toBe(4);
  expect(processesWanted({})).toBeUndefined();
});

describe("deviceOfRank()", () => {
  const address = { address: "127.0.0.1", port: 1, ownAddress: undefined, servesStore: true, run: "" };
  const rank = { rank: 1, world: 2, localRank: 1, localWorld: 2, ...address };
  const deviceOf = (flags: Parameters<typeof deviceOfRank>[0], gpus = 0) =>
    deviceOfRank(flags, rank, () => gpus).device;

  test("gives every process a GPU of its own", () => {
    expect(deviceOf({ gpuIds: [4, 6] })).toBe("6");
    expect(deviceOf({ numGpus: 2 })).toBe("1");
    expect(deviceOf({}, 2)).toBe("1");
    expect(deviceOf({ device: "cuda" }, 2)).toBe("1");
  });

  test("stays on the CPU when asked to, or without GPUs", () => {
    expect(deviceOf({ numProcesses: 2 }, 8)).toBe("cpu");
    expect(deviceOf({ device: "cpu" }, 8)).toBe("cpu");
    expect(deviceOf({}, 0)).toBe("cpu");
  });

  test("shares the cores", () => {
    const { threads } = deviceOfRank({ numProcesses: 2 }, { ...rank, localWorld: 1000 }, () => 0);
    expect(threads).toBe(process.env.OMP_NUM_THREADS ? undefined : 1);
    expect(deviceOfRank({ numProcesses: 2, threads: 3 }, rank, () => 0).threads).toBe(3);
  });

  test("leaves a process on its own alone", () => {
    expect(deviceOfRank({ gpu: 3, threads: 2 }, undefined, () => 0)).toEqual({ gpu: 3, threads: 2, device: undefined });
    expect(deviceOfRank({ gpuIds: [5] }, undefined, () => 0)).toEqual({ device: "5", threads: undefined });
  });

  test("refuses flags that do not fit the launcher", () => {
    expect(() => deviceOf({ numProcesses: 3 })).toThrow("--num-processes is 3, but this is one of 2 processes");
    expect(() => deviceOf({ gpuIds: [1] })).toThrow("--gpu-ids names 1 GPUs, too few for local rank 1");
  });
});
