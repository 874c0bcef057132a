/**
 * @file One process of a group, for tests: `node --import tsx distributed.fake.ts <options as JSON> <what to do>`. Prints what
 * it got as lines of JSON.
 */
import { UserError } from "../errors.ts";
import { initProcessGroup } from "./distributed.ts";
import type { ProcessGroup } from "./process-group.ts";
import { setNumThreads } from "./runtime.ts";
import { scope } from "./scope.ts";
import { tensor } from "./tensor.ts";

const [options = "{}", ...actions] = process.argv.slice(2);

const DO: Record<string, (group: ProcessGroup) => void> = {
  exchange: (group) =>
    scope(() => {
      const { rank } = group;
      const parts = [tensor([rank, 10], [2]), tensor(Float64Array.of(rank + 0.5), [1]), tensor([rank * 3], [1, 1])];
      group.allReduce(parts, "mean");
      print(parts.map((part) => [...part.toTypedArray()].map(Number)));
      // Two of these fill more than one bucket.
      const large = [0, 1].map((i) => tensor(new Float32Array(4_000_000).fill(rank + i + 1)));
      group.allReduce(large);
      print(large.map((part) => Number(part.toTypedArray().at(-1))));
      const own = [tensor([rank + 7]), tensor([rank], [1], { dtype: "int64" })];
      group.broadcast(own);
      print(own.map((part) => Number(part.item())));
      print(group.gather(tensor([rank, -rank], [2])).map((part) => [...part.toTypedArray()].map(Number)));
      print([...group.reduceNumbers([rank, 1], "max"), ...group.reduceNumbers([rank, 1])]);
      print([...group.reduceNumbers([]), ...group.gather(tensor([], [0])).map(({ numel }) => numel)]);
    }),
  barrier: (group) => group.barrier(),
  die: (group) => group.rank === 1 && process.kill(process.pid, "SIGKILL"),
  stop: (group) => group.rank === 1 && process.kill(process.pid, "SIGSTOP"),
  stopFirst: (group) => group.rank === 0 && process.kill(process.pid, "SIGSTOP"),
  // Longer than the limit in tests, as one step.
  compute: (group) => {
    if (group.rank !== 1) return;
    for (const until = performance.now() + 8000; performance.now() < until; );
  },
  computeFirst: (group) => {
    if (group.rank !== 0) return;
    for (const until = performance.now() + 60_000; performance.now() < until; );
  },
  block: (group) => group.rank === 1 && Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  follow: (group) => {
    // Long enough for a limit of a second, were it one on rank 0 alive.
    if (group.rank === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
    group.follow(10);
    print("followed");
  },
  dieFirst: (group) => group.rank === 0 && process.kill(process.pid, "SIGKILL"),
  fail: (group) => {
    if (group.rank !== 1) return;
    const error = new UserError("The disk is full");
    group.fail(error);
    throw error;
  },
  destroy: (group) => group.destroy(),
};

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

try {
  setNumThreads(1);
  const group = await initProcessGroup(JSON.parse(options));
  for (const action of actions) DO[action]!(group);
} catch (error) {
  print({ name: (error as Error).name, message: (error as Error).message });
  process.exitCode = 1;
}
