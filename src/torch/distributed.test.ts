import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { hostname } from "node:os";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { ProcessGroupOptions } from "./distributed.ts";
import { freePort } from "./network.ts";

const SCRIPT = fileURLToPath(new URL("./distributed.fake.ts", import.meta.url));
const TSX = fileURLToPath(import.meta.resolve("tsx"));

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Values that the process printed. */
  printed: unknown[];
  /** Why its second thread has ended it. */
  reason: string;
}

interface Started {
  child: ChildProcess;
  outcome: Promise<Outcome>;
}

function start(options: Partial<ProcessGroupOptions>, actions: readonly string[]): Started {
  const all = { world: 2, address: "127.0.0.1", joinSeconds: 30, reasonFile: 3, ...options };
  const child = spawn(process.execPath, ["--import", TSX, SCRIPT, JSON.stringify(all), ...actions], {
    stdio: ["ignore", "pipe", "inherit", "pipe"],
  });
  const [text, reason] = [child.stdout!, child.stdio[3] as Readable].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString();
  }) as [() => string, () => string];
  const outcome = new Promise<Outcome>((resolve) => {
    child.on("close", (code, signal) => {
      const lines = text()
        .split("\n")
        .filter((line) => line !== "");
      resolve({ code, signal, printed: lines.map((line) => JSON.parse(line)), reason: reason() });
    });
  });
  return { child, outcome };
}

async function startAll(world: number, actions: readonly string[], options: Partial<ProcessGroupOptions> = {}) {
  const port = await freePort();
  return Array.from({ length: world }, (_, rank) => start({ rank, world, port, ...options }, actions));
}

async function runAll(...args: Parameters<typeof startAll>): Promise<Outcome[]> {
  return Promise.all((await startAll(...args)).map(({ outcome }) => outcome));
}

/** The message of the error that ended a process. */
function messageOf({ code, printed }: Outcome): string {
  expect(code).toBe(1);
  return (printed.at(-1) as Error).message;
}

describe("ProcessGroup", () => {
  test("sums, averages, broadcasts and gathers over three processes, the same everywhere", async () => {
    const outcomes = await runAll(3, ["exchange", "destroy"]);
    for (const { code, printed } of outcomes) {
      expect(code).toBe(0);
      expect(printed).toEqual([
        [[1, 10], [1.5], [3]],
        [6, 9],
        [7, 0],
        [
          [0, 0],
          [1, -1],
          [2, -2],
        ],
        [2, 1, 3, 3],
        [0, 0, 0],
      ]);
    }
  });

  test("names a process that was killed", async () => {
    const started = await startAll(3, ["barrier", "die", "barrier"]);
    const [first, second, third] = await Promise.all(started.map(({ outcome }) => outcome));
    expect(second!.code).toBe(null);
    const dead = `rank 1 (process ${started[1]!.child.pid} on ${hostname()}) ended unexpectedly`;
    expect(messageOf(first!)).toBe(`Rank 0 stops because ${dead}`);
    expect(messageOf(third!)).toBe(`Rank 2 stops because ${dead}`);
  });

  test("names rank 0, which serves the store, when it was killed", async () => {
    const [, second] = await runAll(2, ["barrier", "dieFirst", "barrier"]);
    expect(messageOf(second!)).toMatch(/^Rank 1 stops because rank 0 \(process \d+ on .*\) ended unexpectedly$/);
  });

  test("ends when a process was stopped, whether the others wait for it or compute, and names it", async () => {
    for (const meanwhile of [[], ["computeFirst"]]) {
      const actions = ["barrier", "stop", ...meanwhile, "barrier"];
      const started = await startAll(3, actions, { waitSeconds: 4 });
      const begun = performance.now();
      const [first, third] = await Promise.all([started[0]!.outcome, started[2]!.outcome]);
      expect(performance.now() - begun).toBeLessThan(30_000);
      started[1]!.child.kill("SIGKILL");
      await started[1]!.outcome;
      const { pid } = started[1]!.child;
      for (const [rank, { signal, reason }] of [[0, first] as const, [2, third] as const]) {
        expect(signal).toBe("SIGKILL");
        expect(reason).toBe(
          `Rank ${rank} stops because rank 1 (process ${pid} on ${hostname()}) did not answer for 4 s\n`,
        );
      }
    }
  });

  test("ends when rank 0, which serves the store, was stopped, and names it", async () => {
    const started = await startAll(2, ["barrier", "stopFirst", "barrier"], { waitSeconds: 4 });
    const { signal, reason } = await started[1]!.outcome;
    started[0]!.child.kill("SIGKILL");
    await started[0]!.outcome;
    expect(signal).toBe("SIGKILL");
    expect(reason).toMatch(/^Rank 1 stops because rank 0 \(process \d+ on .*\) did not answer for 4 s\n$/);
  });

  test("ends when a process neither computes nor comes, and waits for one that computes", async () => {
    const [first, second] = await runAll(2, ["barrier", "block", "barrier"], { waitSeconds: 4 });
    const because = /stops because rank 1 \(process \d+ on .*\) did not answer for 4 s$/;
    // The one that is blocked reads why it ends, so the other one may learn of it by the lost connection.
    expect(second!.reason.trim()).toMatch(because);
    expect(first!.code === 1 ? messageOf(first!) : first!.reason.trim()).toMatch(because);

    // Twice as long as the limit.
    const outcomes = await runAll(3, ["barrier", "compute", "barrier", "destroy"], { waitSeconds: 4 });
    for (const { code, reason: none } of outcomes) expect([code, none]).toEqual([0, ""]);
  });

  test("does not blame one in the middle of a long step when another was killed", async () => {
    const started = await startAll(3, ["barrier", "die", "computeFirst", "barrier"], { waitSeconds: 6 });
    const third = await started[2]!.outcome;
    started[0]!.child.kill("SIGKILL");
    await started[0]!.outcome;
    const dead = `rank 1 (process ${started[1]!.child.pid} on ${hostname()}) ended unexpectedly`;
    expect(messageOf(third)).toBe(`Rank 2 stops because ${dead}`);
  });

  test("waits for rank 0 as long as that lives", async () => {
    const outcomes = await runAll(2, ["barrier", "follow", "barrier", "destroy"]);
    for (const { code, printed } of outcomes) expect({ code, printed }).toEqual({ code: 0, printed: ["followed"] });

    const started = await startAll(2, ["barrier", "stopFirst", "follow"]);
    const second = await started[1]!.outcome;
    started[0]!.child.kill("SIGKILL");
    expect(messageOf(second)).toMatch(/^Rank 1 stops because rank 0 \(.*\) did not answer for 5 s$/);
    await started[0]!.outcome;
  });

  test("passes on why a process failed", async () => {
    const [first, second] = await runAll(2, ["barrier", "fail", "barrier"]);
    expect(messageOf(second!)).toBe("The disk is full");
    expect(messageOf(first!)).toMatch(/^Rank 0 stops because rank 1 \(.*\) failed: The disk is full$/);
  });
});

describe("initProcessGroup()", () => {
  test("names the processes that are missing", async () => {
    const { outcome } = start({ rank: 0, world: 3, port: await freePort(), joinSeconds: 1 }, []);
    expect(messageOf(await outcome)).toBe("1 of 3 processes joined within 1 s: ranks 1, 2 are missing");
  });

  test("says that rank 0 cannot be reached", async () => {
    const port = await freePort();
    const { outcome } = start({ rank: 1, port, joinSeconds: 1 }, []);
    expect(messageOf(await outcome)).toBe(`Rank 1 of 2 cannot reach rank 0 at 127.0.0.1:${port}`);
  });

  test("says that the port is in use", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, () => resolve((server.address() as { port: number }).port));
    });
    const { outcome } = start({ rank: 0, port }, []);
    expect(messageOf(await outcome)).toBe(`Rank 0 cannot listen on port ${port}: it is in use`);
    server.close();
  });

  test("refuses two processes of the same rank, and groups of different sizes", async () => {
    const port = await freePort();
    const first = start({ rank: 0, world: 3, port, joinSeconds: 6 }, []);
    const second = start({ rank: 1, world: 3, port, joinSeconds: 6 }, []);
    const double = new Promise<Outcome>((resolve) => {
      setTimeout(() => resolve(start({ rank: 1, world: 3, port, joinSeconds: 6 }, []).outcome), 3000);
    });
    expect(messageOf(await double)).toMatch(/^Two processes have rank 1: process \d+ on .* and process \d+ on /);
    first.child.kill();
    second.child.kill();
  });

  test.each([
    [{ rank: 2, port: 1 }, "Cannot join as rank 2 of 2: ranks count from 0"],
    [{ rank: 0, port: 0 }, 'Cannot join at port "0"'],
    [
      { rank: 0, port: 1, backend: "nccl" as const },
      "Cannot use NCCL on cpu: it needs GPUs and a CUDA build of libtorch from 2.13",
    ],
  ])("refuses %j", async (options, message) => {
    expect(messageOf(await start(options, []).outcome)).toBe(message);
  });
});
