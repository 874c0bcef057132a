/**
 * @file Random numbers that agree bit for bit with the reference's: a 32-bit Mersenne Twister and the permutation drawn
 * from it (data specification, section 10.2). Every generator is private; nothing here reads or sets global state.
 */

const STATE_WORDS = 624;
const SHIFT_WORDS = 397;

/** Above this length libtorch draws 64-bit words, which this module does not reproduce. */
const LONGEST_PERMUTATION = Math.floor(0xffffffff / 20);

/** The MT19937 generator with Knuth's initialisation, the stream of libtorch's CPU generator and of `std::mt19937`. */
export class MersenneTwister {
  private readonly state = new Uint32Array(STATE_WORDS);
  private position = STATE_WORDS;

  /** @param seed an integer; its low 32 bits are used */
  constructor(seed: number) {
    const { state } = this;
    state[0] = seed >>> 0;
    for (let i = 1; i < STATE_WORDS; i++) {
      const previous = state[i - 1]!;
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** The next word, an integer in [0, 2^32). */
  next(): number {
    if (this.position === STATE_WORDS) this.twist();
    let word = this.state[this.position++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    word ^= word >>> 18;
    return word >>> 0;
  }

  /** A number in [0, 1), a multiple of 2^-53 from two words: even among millions of samples each is as likely as any other. */
  uniform(): number {
    const high = this.next() >>> 5;
    const low = this.next() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  private twist(): void {
    const { state } = this;
    for (let i = 0; i < STATE_WORDS; i++) {
      const joined = (state[i]! & 0x80000000) | (state[(i + 1) % STATE_WORDS]! & 0x7fffffff);
      state[i] = state[(i + SHIFT_WORDS) % STATE_WORDS]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    this.position = 0;
  }
}

/**
 * A permutation of 0…n−1 that draws its entries when they are first asked for, so that the beginning of a long one
 * costs only its own length.
 */
export class LazyPermutation {
  readonly length: number;
  private readonly entries: Int32Array;
  private readonly generator: MersenneTwister;
  private drawn = 0;

  /** @throws RangeError when `n` is negative, fractional or above 214,748,364 */
  constructor(n: number, seed: number) {
    if (!(Number.isInteger(n) && n >= 0 && n <= LONGEST_PERMUTATION)) {
      throw new RangeError(`Cannot permute ${n} elements: expected a whole number up to ${LONGEST_PERMUTATION}`);
    }
    this.length = n;
    this.entries = new Int32Array(n);
    for (let i = 0; i < n; i++) this.entries[i] = i;
    this.generator = new MersenneTwister(seed);
  }

  /** The first `count` entries. The array is a view: valid until the next call, not to be written. */
  take(count: number): Int32Array {
    const { entries, generator, length } = this;
    const end = Math.min(count, length);
    for (let i = this.drawn; i < end; i++) {
      // The last entry is what is left: no word is drawn for it.
      if (i === length - 1) break;
      const j = i + (generator.next() % (length - i));
      const kept = entries[i]!;
      entries[i] = entries[j]!;
      entries[j] = kept;
    }
    this.drawn = Math.max(this.drawn, end);
    return entries.subarray(0, end);
  }
}

/**
 * A random order of 0…n−1, the same as `torch.randperm(n)` with a CPU generator seeded alike.
 *
 * @throws RangeError when `n` is negative, fractional or above 214,748,364
 */
export function permutation(n: number, seed: number): Int32Array {
  return new LazyPermutation(n, seed).take(n);
}

/**
 * One 32-bit seed from several integers, such as (seed, epoch, session): a murmur-style mix, so that neighbouring
 * inputs give unrelated streams.
 */
export function mixSeeds(...parts: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const part of parts) {
    hash ^= part >>> 0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash = (hash ^ (hash >>> 16)) + 0x9e3779b9;
  }
  return hash >>> 0;
}
