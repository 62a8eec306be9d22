// Compute discrete Fourier transforms of any length.

const MAX_KEPT = 6; // tables; enough, because all windows of a long recording have the same length
const kept = new Map();

/** Transform in place; re and im are Float64Arrays of the same length, which can be any. */
export function fft(re, im) {
  if ((re.length & (re.length - 1)) === 0) transformPowerOfTwo(re, im);
  else transformAnyLength(re, im);
}

/** The inverse transform in place, divided by the length. */
export function inverseFft(re, im) {
  fft(im, re);
  const n = re.length;
  for (let i = 0; i < n; i++) {
    re[i] /= n;
    im[i] /= n;
  }
}

// Cooley and Tukey: An algorithm for the machine calculation of complex Fourier series, 1965.
function transformPowerOfTwo(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  const { cos, sin } = rotations(n);
  for (let half = 1; half < n; half *= 2) {
    for (let start = 0; start < n; start += 2 * half) {
      for (let a = start, b = start + half, k = half; k < 2 * half; a++, b++, k++) {
        const x = re[b] * cos[k] + im[b] * sin[k], y = im[b] * cos[k] - re[b] * sin[k];
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
}

function rotations(n) {
  return remembered(`rotations ${n}`, () => {
    const cos = new Float64Array(n), sin = new Float64Array(n);
    // Those of one step are stored consecutively, from index `half` on, in the order of their use.
    for (let half = 1; half < n; half *= 2) {
      for (let k = 0; k < half; k++) {
        cos[half + k] = Math.cos((Math.PI * k) / half);
        sin[half + k] = Math.sin((Math.PI * k) / half);
      }
    }
    return { cos, sin };
  });
}

// Bluestein: A linear filtering approach to the computation of discrete Fourier transform, 1970.
function transformAnyLength(re, im) {
  const n = re.length;
  const { cos, sin, br, bi } = chirp(n);
  const size = br.length, ar = new Float64Array(size), ai = new Float64Array(size);
  for (let i = 0; i < n; i++) {
    ar[i] = re[i] * cos[i] + im[i] * sin[i];
    ai[i] = im[i] * cos[i] - re[i] * sin[i];
  }
  fft(ar, ai);
  for (let i = 0; i < size; i++) {
    const x = ar[i] * br[i] - ai[i] * bi[i];
    ai[i] = ar[i] * bi[i] + ai[i] * br[i];
    ar[i] = x;
  }
  inverseFft(ar, ai);
  for (let i = 0; i < n; i++) {
    re[i] = ar[i] * cos[i] + ai[i] * sin[i];
    im[i] = ai[i] * cos[i] - ar[i] * sin[i];
  }
}

/** A chirp, a sweep through all frequencies, and its spectrum. */
function chirp(n) {
  return remembered(`chirp ${n}`, () => {
    const size = 2 ** Math.ceil(Math.log2(2 * n - 1));
    const cos = new Float64Array(n), sin = new Float64Array(n);
    const br = new Float64Array(size), bi = new Float64Array(size);
    for (let i = 0; i < n; i++) {
      const angle = (Math.PI * ((i * i) % (2 * n))) / n;
      cos[i] = br[i] = br[(size - i) % size] = Math.cos(angle);
      sin[i] = bi[i] = bi[(size - i) % size] = Math.sin(angle);
    }
    fft(br, bi);
    return { cos, sin, br, bi };
  });
}

/** Return what was made under this name, or make it; only the most recently used few are kept. */
function remembered(name, make) {
  const made = kept.get(name) ?? make();
  kept.delete(name);
  kept.set(name, made);
  if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value);
  return made;
}
