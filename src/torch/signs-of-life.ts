/**
 * @file What counts as a sign of life of a process: of this one, and of others by what they put into the store.
 */

/** Seconds between two signs of life. */
export const BEAT_SECONDS = 1;

/** Seconds of a process's time that count at once, so that a process which was stopped itself does not blame the others. */
const MOST_SECONDS = 2 * BEAT_SECONDS;

/** Seconds that a thread may take to start. */
const START_SECONDS = 10;

/** Share of the time that a process must compute to get on: more than its threads need for doing nothing. */
const BUSY_SHARE = 0.05;

/** Counts how often this process got on since it was last looked at. */
export class ProgressCount {
  value = 0;
  private before = usage();
  private turns = 0;
  private at = performance.now();

  /**
   * @param turns as counted by the main thread
   * @param isWaiting whether the main thread waits for other processes, which is no fault of its own
   */
  count(turns: number, isWaiting: boolean): void {
    const [now, at] = [usage(), performance.now()];
    const isBusy = now.cpu - this.before.cpu >= BUSY_SHARE * (at - this.at) * 1000;
    const hasFiles = now.files !== this.before.files;
    if (isWaiting || isBusy || hasFiles || turns !== this.turns) this.value++;
    this.before = now;
    this.turns = turns;
    this.at = at;
  }
}

/** Of all threads: microseconds of computing, and times that files were read or written. */
function usage(): { cpu: number; files: number } {
  const { userCPUTime, systemCPUTime, majorPageFault, fsRead, fsWrite } = process.resourceUsage();
  return { cpu: userCPUTime + systemCPUTime, files: majorPageFault + fsRead + fsWrite };
}

interface Peer {
  beats: string | undefined;
  progress: string | undefined;
  /** Seconds without a new beat, and without getting on. */
  silent: number;
  idle: number;
}

/** Watches other processes by what they put into the store. */
export class PeerWatch {
  private readonly ranks: readonly number[];
  private readonly limit: number;
  private readonly peers: readonly Peer[];
  /** Number of the exchange that this process waits in, and for how many seconds. */
  private exchange = 0;
  private waited = 0;
  private at: number;

  /**
   * @param ranks of the processes to watch
   * @param limit seconds until one is given up
   * @param now milliseconds
   */
  constructor(ranks: readonly number[], limit: number, now = performance.now()) {
    this.ranks = ranks;
    this.limit = limit;
    this.peers = ranks.map(() => ({
      beats: undefined,
      progress: undefined,
      silent: -START_SECONDS,
      idle: -START_SECONDS,
    }));
    this.at = now;
  }

  /**
   * Takes note of what the processes have put into the store since the last time.
   *
   * @param texts beats and progress of each; null when there is nothing new to read
   * @param exchange number of the exchange that this process waits in, 0 for none
   * @returns ranks to give up
   */
  update(texts: readonly (string | null)[], exchange: number, now = performance.now()): number[] {
    const seconds = Math.min((now - this.at) / 1000, MOST_SECONDS);
    this.at = now;
    this.waited = exchange > 0 && exchange === this.exchange ? this.waited + seconds : 0;
    this.exchange = exchange;
    return this.ranks.filter((_, i) => {
      const peer = this.peers[i]!;
      const [beats = peer.beats, progress = peer.progress] = texts[i]?.split(" ") ?? [];
      peer.silent = beats === peer.beats ? peer.silent + seconds : 0;
      peer.idle = progress === peer.progress ? peer.idle + seconds : 0;
      Object.assign(peer, { beats, progress });
      return peer.silent >= this.limit || Math.min(peer.idle, this.waited) >= this.limit;
    });
  }
}
