// Remove what lies below voices: offset, rumble, mains hum. As ser/audio/highpass.py.

import { fft, inverseFft } from "./fft.js";

const TRANSITION = 1 / 3; // of the cutoff

/** The mean of samples. */
export function mean(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample;
  return sum / samples.length;
}

/** Subtract a waveform's mean; returns a Float32Array. */
export function removeOffset(waveform) {
  const offset = Math.fround(mean(waveform));
  return waveform.map((sample) => sample - offset);
}

/**
 * Remove the frequencies up to a cutoff; returns a Float32Array. The gain rises from 0 at the cutoff
 * to 1 a third above it. It is applied to the cosine transform, which treats the waveform as if it
 * were mirrored at both ends.
 */
export function removeBelow(waveform, rate, cutoff) {
  const n = waveform.length;
  if (cutoff === 0 || n === 0) return waveform;
  // Makhoul: A fast cosine transform in one and two dimensions, 1980.
  const re = new Float64Array(n), im = new Float64Array(n);
  for (let i = 0; i < n; i++) re[place(i, n)] = waveform[i];
  fft(re, im);
  const cosine = new Float64Array(n + 1); // the last is 0
  for (let k = 0; k < n; k++) {
    const angle = (Math.PI * k) / (2 * n);
    const rise = ((k * rate) / (2 * n) / cutoff - 1) / TRANSITION;
    const gain = 0.5 - 0.5 * Math.cos(Math.PI * Math.min(1, Math.max(0, rise)));
    cosine[k] = gain * (re[k] * Math.cos(angle) + im[k] * Math.sin(angle));
  }
  for (let k = 0; k < n; k++) {
    const angle = (Math.PI * k) / (2 * n), c = Math.cos(angle), s = Math.sin(angle);
    re[k] = cosine[k] * c + (k ? cosine[n - k] : 0) * s;
    im[k] = cosine[k] * s - (k ? cosine[n - k] : 0) * c;
  }
  inverseFft(re, im);
  return waveform.map((_, i) => re[place(i, n)]);
}

/** The transform's position of a sample: even samples in order, then odd ones in reverse. */
function place(i, n) {
  return i % 2 ? n - 1 - (i - 1) / 2 : i / 2;
}
