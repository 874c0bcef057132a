/**
 * @file The second thread of a process in a group, see heartbeat.ts.
 *
 * Every second it puts two counts into the store: of its own beats, and of those before which its process got on, that is
 * computed, read or wrote files, took turns of the event loop, or waited for the others. Rank 0 watches all, the others
 * watch rank 0. A process is given up when its beats stay away: it was stopped, or its machine is gone. So is one that beats
 * but has not got on for as long as somebody has been waiting for it. How long a step takes makes no difference.
 *
 * The main threads may be anywhere then, in a step or in an exchange that cannot be interrupted: every process says why
 * and ends itself. What it has saved is whole at every moment.
 */

import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { FAREWELL_MS, type HeartbeatData, SHARED } from "./heartbeat.ts";
import { BEAT_SECONDS, PeerWatch, ProgressCount } from "./signs-of-life.ts";
import { Store } from "./store.ts";

const { shared, rank, names, limit, reasonFile, ...where } = workerData as HeartbeatData;

const store = Store.open({ ...where, rank, serves: false, connectSeconds: limit, answerSeconds: BEAT_SECONDS });
const others = names.map((_, other) => other).filter((other) => other !== rank);
const watched = rank === 0 ? others : [0];
const watch = new PeerWatch(watched, limit);
const progress = new ProgressCount();
let beats = 0;

beat();
const timer = setInterval(beat, BEAT_SECONDS * 1000);
parentPort!.postMessage("started");

function beat(): void {
  const waitingIn = Atomics.load(shared, SHARED.waiting);
  progress.count(Atomics.load(shared, SHARED.turns), waitingIn > 0);
  // Where the store does not answer, rank 0 gives no sign of life.
  let texts: (string | null)[] = ["lost", ...watched].map(() => null);
  try {
    store.set(`beat/${rank}`, `${++beats} ${progress.value}`);
    texts = store.get(["lost", ...watched.map((peer) => `beat/${peer}`)]);
  } catch {}
  const [told, ...read] = texts;
  const silent = watch.update(read, waitingIn);
  if (told) end(told);
  else if (silent.length > 0) giveUp(silent);
}

function giveUp(silent: readonly number[]): void {
  const reason = reasonFor(silent);
  try {
    store.set("lost", reason);
  } catch {
    // The others find out for themselves.
  }
  clearInterval(timer);
  setTimeout(() => end(reason), rank === 0 ? FAREWELL_MS : 0);
}

/** One that said why it stopped had better be quoted. */
function reasonFor(silent: readonly number[]): string {
  let states: (string | null)[] = silent.map(() => null);
  try {
    states = store.get(silent.map((peer) => `state/${peer}`));
  } catch {
    // They are as silent as the store.
  }
  const said = silent.flatMap((peer, i) => {
    const message = /^stopped: (.*)/.exec(states[i] ?? "")?.[1];
    return message === undefined ? [] : [`${names[peer]} failed: ${message}`];
  });
  if (said.length > 0) return said.join("; ");
  return `${silent.map((peer) => names[peer]).join(" and ")} did not answer for ${Math.round(limit)} s`;
}

function end(reason: string): void {
  if (Atomics.load(shared, SHARED.stopped) === 1) return;
  const text = `Rank ${rank} stops because ${reason}`;
  try {
    writeSync(reasonFile, `${reasonFile === 2 ? "error: " : ""}${text}\n`);
  } finally {
    // Nothing else ends a process whose main thread does not listen.
    process.kill(process.pid, "SIGKILL");
  }
}
