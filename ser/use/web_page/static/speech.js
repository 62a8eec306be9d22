// Detect speech in recordings. As ser/use/speech.py.

import { CHANGE_RATE, MIN_SPEECH_CHANGE, spectralChange } from "./change.js";
import { resample } from "./resample.js";

const CHUNK = 512; // samples per input of Silero VAD
const FIRST_CHUNKS = 20; // the loudest part is mostly speech
const LIKELY = 0.3;
const ENOUGH = 2; // chunks

/**
 * Return whether there is speech anywhere in a waveform.
 *
 * @param {Float32Array} waveform in -1..1
 * @param {number} rate in Hz
 * @param {(chunks: Float32Array) => Promise<Float32Array>} detect Silero VAD: consecutive chunks ->
 *   the probability of speech in each
 */
export async function holdsSpeech(waveform, rate, detect) {
  const heard = resample(waveform, rate, CHANGE_RATE);
  if (spectralChange(heard) < MIN_SPEECH_CHANGE) return false;
  const chunks = new Float32Array(Math.ceil(heard.length / CHUNK) * CHUNK);
  chunks.set(heard);
  const first = CHUNK * loudest(chunks);
  const around = chunks.slice(first, first + CHUNK * FIRST_CHUNKS);
  return (await isSpeech(around, detect)) || (await isSpeech(chunks, detect));
}

async function isSpeech(chunks, detect) {
  return (await detect(chunks)).filter((likely) => likely >= LIKELY).length >= ENOUGH;
}

/** The index of the first of the FIRST_CHUNKS consecutive chunks that are loudest. */
function loudest(chunks) {
  const energy = Array.from({ length: chunks.length / CHUNK }, (_, n) =>
    chunks.subarray(n * CHUNK, (n + 1) * CHUNK).reduce((sum, sample) => sum + sample * sample, 0),
  );
  const half = FIRST_CHUNKS / 2;
  let best = -1, middle = 0;
  for (let n = 0; n < energy.length; n++) {
    const around = energy.slice(Math.max(0, n - half), n + half).reduce((a, b) => a + b, 0);
    if (around > best) [best, middle] = [around, n];
  }
  return Math.max(0, middle - half);
}
