/**
 * @file Discrete Fourier transform of any length: radix 2 for powers of two, Bluestein's algorithm for the rest.
 */

/** A transform of one length; plans are reused because they hold tables. */
export interface FourierPlan {
  readonly length: number;
  /** Replaces `re + i·im` by its transform, `X_k = Σ_t x_t exp(∓2πi·k·t / n)`; the inverse is not divided by n. */
  transform(re: Float64Array, im: Float64Array, inverse: boolean): void;
}

/** A plan for `length` numbers. */
export function fourierPlan(length: number): FourierPlan {
  return Number.isInteger(Math.log2(length)) ? radix2Plan(length) : bluesteinPlan(length);
}

function radix2Plan(length: number): FourierPlan {
  const cosines = Float64Array.from({ length: length / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / length));
  const sines = Float64Array.from({ length: length / 2 }, (_, i) => Math.sin((2 * Math.PI * i) / length));
  return {
    length,
    transform(re, im, inverse) {
      reverseBits(re, im);
      const sign = inverse ? 1 : -1;
      for (let size = 2; size <= length; size *= 2) {
        const half = size / 2;
        const step = length / size;
        for (let start = 0; start < length; start += size) {
          for (let k = 0; k < half; k++) {
            const a = start + k;
            const b = a + half;
            const c = cosines[k * step]!;
            const s = sign * sines[k * step]!;
            const turnedRe = re[b]! * c - im[b]! * s;
            const turnedIm = re[b]! * s + im[b]! * c;
            re[b] = re[a]! - turnedRe;
            im[b] = im[a]! - turnedIm;
            re[a]! += turnedRe;
            im[a]! += turnedIm;
          }
        }
      }
    },
  };
}

function reverseBits(re: Float64Array, im: Float64Array): void {
  let reversed = 0;
  for (let i = 0; i < re.length; i++) {
    if (i < reversed) {
      [re[i], re[reversed]] = [re[reversed]!, re[i]!];
      [im[i], im[reversed]] = [im[reversed]!, im[i]!];
    }
    let bit = re.length >> 1;
    while (bit >= 1 && reversed & bit) {
      reversed ^= bit;
      bit >>= 1;
    }
    reversed |= bit;
  }
}

/** With kt = (k² + t² − (k − t)²) / 2 a transform of any length is a convolution with a chirp. */
function bluesteinPlan(length: number): FourierPlan {
  const padded = 2 ** Math.ceil(Math.log2(2 * length - 1));
  const plan = radix2Plan(padded);
  // k² modulo 2n keeps the angle exact for long transforms.
  const angles = Float64Array.from({ length }, (_, k) => (Math.PI * ((k * k) % (2 * length))) / length);
  const cosines = angles.map(Math.cos);
  const sines = angles.map(Math.sin);
  const chirpRe = new Float64Array(padded);
  const chirpIm = new Float64Array(padded);
  for (let k = 0; k < length; k++) {
    chirpRe[k] = cosines[k]!;
    chirpIm[k] = sines[k]!;
    if (k === 0) continue;
    chirpRe[padded - k] = cosines[k]!;
    chirpIm[padded - k] = sines[k]!;
  }
  plan.transform(chirpRe, chirpIm, false);

  const workRe = new Float64Array(padded);
  const workIm = new Float64Array(padded);
  const forward = (re: Float64Array, im: Float64Array): void => {
    workRe.fill(0);
    workIm.fill(0);
    for (let t = 0; t < length; t++) {
      workRe[t] = re[t]! * cosines[t]! + im[t]! * sines[t]!;
      workIm[t] = im[t]! * cosines[t]! - re[t]! * sines[t]!;
    }
    plan.transform(workRe, workIm, false);
    for (let i = 0; i < padded; i++) {
      const product = workRe[i]! * chirpRe[i]! - workIm[i]! * chirpIm[i]!;
      workIm[i] = workRe[i]! * chirpIm[i]! + workIm[i]! * chirpRe[i]!;
      workRe[i] = product;
    }
    plan.transform(workRe, workIm, true);
    for (let k = 0; k < length; k++) {
      re[k] = (workRe[k]! * cosines[k]! + workIm[k]! * sines[k]!) / padded;
      im[k] = (workIm[k]! * cosines[k]! - workRe[k]! * sines[k]!) / padded;
    }
  };
  return {
    length,
    transform(re, im, inverse) {
      // The inverse is the forward transform with real and imaginary parts exchanged.
      if (inverse) forward(im, re);
      else forward(re, im);
    },
  };
}

/** Frequency of every entry of a transform in cycles per sample: 0, 1/n, …, −1/n. */
export function fourierFrequencies(length: number): Float64Array {
  const half = Math.ceil(length / 2);
  return Float64Array.from({ length }, (_, k) => (k < half ? k : k - length) / length);
}
