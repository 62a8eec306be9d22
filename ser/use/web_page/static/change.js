// How much the sound of a recording changes: speech does, tones and noises do not. As ser/audio/change.py.

import { fft } from "./fft.js";

export const CHANGE_RATE = 16000; // Hz
export const MIN_SPEECH_CHANGE = 3; // dB

const N_FFT = 512, BANDS = 32;
const LOWEST = 80, HIGHEST = 8000; // Hz
const RANGE = 50; // dB below the loudest band, where the background begins
const AUDIBLE = 35; // dB below the loudest frame

// Slaney's mel: linear up to 1000 Hz, logarithmic above. As ser/core/filters.py.
const HZ_PER_MEL = 200 / 3, LINEAR_UP_TO = 1000, LOG_STEP = Math.log(6.4) / 27;
const LINEAR_MELS = LINEAR_UP_TO / HZ_PER_MEL;

/** How much the shape of the short-time spectrum of a waveform at CHANGE_RATE changes, in dB. */
export function spectralChange(waveform) {
  const levels = melPower(waveform);
  const strongest = levels.flat().reduce((a, b) => Math.max(a, b), 0);
  if (!(strongest > 0 && strongest < Infinity)) return 0;
  const floor = decibels(strongest) - RANGE;
  for (const frame of levels) frame.forEach((power, i) => (frame[i] = Math.max(decibels(power), floor)));
  const loudest = levels.map((frame) => Math.max(...frame));
  const heard = levels.filter((_, i) => loudest[i] > floor + RANGE - AUDIBLE);
  const shapes = heard.map((frame) => {
    const mean = average(frame);
    return frame.map((level) => level - mean);
  });
  const deviations = shapes[0].map((_, band) => {
    const column = shapes.map((shape) => shape[band]);
    const mean = average(column);
    return Math.sqrt(average(column.map((value) => (value - mean) ** 2)));
  });
  return average(deviations);
}

function average(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function decibels(power) {
  return 10 * Math.log10(power);
}

/** The power in each mel band of each frame: an array of arrays. */
function melPower(waveform) {
  const hop = N_FFT / 4, filters = melFilters();
  const window = Float64Array.from({ length: N_FFT }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / N_FFT));
  const re = new Float64Array(N_FFT), im = new Float64Array(N_FFT), power = new Float64Array(1 + N_FFT / 2);
  return Array.from({ length: 1 + Math.floor(waveform.length / hop) }, (_, frame) => {
    const start = frame * hop - N_FFT / 2;
    for (let i = 0; i < N_FFT; i++) re[i] = window[i] * (waveform[start + i] ?? 0);
    im.fill(0);
    fft(re, im);
    for (let k = 0; k < power.length; k++) power[k] = re[k] ** 2 + im[k] ** 2;
    return filters.map((weights) => weights.reduce((sum, [k, weight]) => sum + weight * power[k], 0));
  });
}

/** What each frequency bin weighs in each mel band: lists of [bin, weight]. */
function melFilters() {
  const lowest = toMel(LOWEST), highest = toMel(HIGHEST);
  const edges = Array.from({ length: BANDS + 2 }, (_, i) => toHertz(lowest + ((highest - lowest) * i) / (BANDS + 1)));
  return Array.from({ length: BANDS }, (_, band) => {
    const [low, centre, high] = edges.slice(band, band + 3);
    const weights = Array.from({ length: 1 + N_FFT / 2 }, (_, k) => {
      const hertz = (k * CHANGE_RATE) / N_FFT;
      const triangle = Math.min((hertz - low) / (centre - low), (high - hertz) / (high - centre));
      return [k, (Math.max(0, triangle) * 2) / (high - low)];
    });
    return weights.filter(([, weight]) => weight > 0);
  });
}

function toMel(hertz) {
  return hertz < LINEAR_UP_TO ? hertz / HZ_PER_MEL : LINEAR_MELS + Math.log(hertz / LINEAR_UP_TO) / LOG_STEP;
}

function toHertz(mel) {
  return mel > LINEAR_MELS ? LINEAR_UP_TO * Math.exp(LOG_STEP * (mel - LINEAR_MELS)) : HZ_PER_MEL * mel;
}
