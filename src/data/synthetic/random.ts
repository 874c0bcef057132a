/**
 * @file Random numbers of the synthetic generator: a small, fast, seeded generator (sfc32) addressed by name.
 *
 * Every purpose ("gaze of the gaborium trials of session 2") has a stream of its own, derived from the seed and a list
 * of labels. Drawing more numbers for one purpose therefore never shifts the numbers of another.
 */

/** A stream of pseudo-random numbers; equal seed and labels give equal numbers. */
export class Random {
  readonly #path: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  #spareNormal: number | undefined;

  /** The stream of a seed, or of a path such as `"7/gaborium/gaze"` that {@link Random.stream} made. */
  constructor(path: number | string) {
    this.#path = `${path}`;
    this.#a = hash(this.#path, 0x9e3779b9);
    this.#b = hash(this.#path, 0x243f6a88);
    this.#c = hash(this.#path, 0xb7e15162);
    // The first outputs of sfc32 still resemble its seed words.
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** The stream of a purpose below this one, such as `root.stream("gaborium", "gaze")`. Draws nothing from this one. */
  stream(...labels: (string | number)[]): Random {
    return new Random(`${this.#path}/${labels.join("/")}`);
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** Uniform in [low, high), 32 bits of resolution. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.#next() / 2 ** 32);
  }

  /** Log-uniform in [low, high); both bounds positive. */
  logUniform(low: number, high: number): number {
    return low * (high / low) ** this.uniform();
  }

  /** Uniform integer in 0 … count−1. */
  integer(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** Normal with the given mean and standard deviation (polar method). */
  normal(mean = 0, deviation = 1): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return mean + deviation * spare;
    }
    let x: number;
    let y: number;
    let square: number;
    do {
      x = this.uniform(-1, 1);
      y = this.uniform(-1, 1);
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const scale = Math.sqrt((-2 * Math.log(square)) / square);
    this.#spareNormal = y * scale;
    return mean + deviation * x * scale;
  }

  /** Log-normal with the given median and standard deviation of the logarithm. */
  logNormal(median: number, logDeviation: number): number {
    return median * Math.exp(this.normal(0, logDeviation));
  }

  /** A Poisson count. Costs about `mean` draws: meant for spike counts per bin, not for large means. */
  poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.uniform(); product > limit; product *= this.uniform()) count++;
    return count;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)]!;
  }

  /** The items in random order, as a new list. */
  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}

/** 32-bit hash of a text: FNV-1a from a chosen start, with a finishing mix so that near paths give far words. */
function hash(text: string, start: number): number {
  let word = start ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) word = Math.imul(word ^ text.charCodeAt(i), 0x01000193);
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}
