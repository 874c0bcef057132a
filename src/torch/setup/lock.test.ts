import { spawnSync } from "node:child_process";
import { existsSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { withLock } from "./lock.ts";
import { fakeMachine } from "./machine.fake.ts";

function refuseToWait(): void {
  throw new Error("it waits");
}

describe("withLock()", () => {
  const newLock = () => join(fakeMachine().home, "lock");

  test("holds the lock while the work runs and releases it, also after an error", () => {
    const lock = newLock();
    expect(withLock(lock, () => existsSync(lock))).toBe(true);
    expect(existsSync(lock)).toBe(false);
    expect(() =>
      withLock(lock, () => {
        throw new Error("work failed");
      }),
    ).toThrow("work failed");
    expect(existsSync(lock)).toBe(false);
  });

  test("breaks the lock of a dead process at once", () => {
    const lock = newLock();
    const { pid } = spawnSync("true");
    writeFileSync(lock, `${pid} ${hostname()}`);
    expect(withLock(lock, () => "done", refuseToWait)).toBe("done");
  });

  test("breaks a lock of another host by its age", () => {
    const lock = newLock();
    writeFileSync(lock, "1 another-host");
    const longAgo = new Date(Date.now() - 3_600_000);
    utimesSync(lock, longAgo, longAgo);
    expect(withLock(lock, () => "done", refuseToWait)).toBe("done");
  });

  test("waits for a living holder, and says so once", () => {
    const lock = newLock();
    writeFileSync(lock, `${process.pid} ${hostname()}`);
    // Another process takes the lock away in a moment, as its holder would: this one is blocked meanwhile.
    let waits = 0;
    const result = withLock(
      lock,
      () => "done",
      () => {
        waits += 1;
        spawnSync("sh", ["-c", `(sleep 0.3; rm "${lock}") >/dev/null 2>&1 &`]);
      },
    );
    expect(result).toBe("done");
    expect(waits).toBe(1);
  });

  test("reports a folder that cannot hold the lock", () => {
    expect(() => withLock(join(newLock(), "no/such/folder"), () => {})).toThrow("ENOENT");
  });
});
