/**
 * @file A lock between processes, for work that two of them should not do at the same time. Blocking on purpose: the
 * addon loads synchronously on first use.
 */

import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";

/** Older locks are taken for leftovers: the longest build seen, on a starved machine, took a third of this. */
const STALE_AFTER_MS = 15 * 60_000;
const POLL_MS = 100;

/**
 * Runs `work` while holding the lock file, waiting for another holder first. The lock of a dead process is broken.
 *
 * Two processes may break the same stale lock and then both work, so the result of `work` must appear atomically.
 *
 * @param onWait called once when another process holds the lock
 */
export function withLock<T>(path: string, work: () => T, onWait: () => void = () => {}): T {
  let waiting = false;
  while (!acquire(path)) {
    if (isStale(path)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!waiting) onWait();
    waiting = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
  try {
    return work();
  } finally {
    rmSync(path, { force: true });
  }
}

function acquire(path: string): boolean {
  try {
    writeFileSync(path, `${process.pid} ${hostname()}`, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function isStale(path: string): boolean {
  try {
    const [pid, host] = readFileSync(path, "utf8").split(" ");
    if (host === hostname() && !isAlive(Number(pid))) return true;
    return Date.now() - statSync(path).mtimeMs > STALE_AFTER_MS;
  } catch {
    // Released in the meantime: the next attempt decides.
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
