// Whether anybody speaks in a recording. As ser/use/speech.py.

import { CHANGE_RATE, MIN_SPEECH_CHANGE, spectralChange } from "./change.js";
import { resample } from "./resample.js";

const CHUNK = 512; // samples that Silero VAD takes at once
const FIRST_CHUNKS = 20; // where it is loudest, somebody mostly speaks
const LIKELY = 0.3;
const ENOUGH = 2; // chunks

/**
 * Tell whether there is speech anywhere in a waveform.
 *
 * @param {Float32Array} waveform in -1..1
 * @param {number} rate in Hz
 * @param {(chunks: Float32Array) => Promise<Float32Array>} detect Silero VAD: chunks one after the
 *   other -> how likely each holds speech
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

/** The number of the chunk from which on FIRST_CHUNKS chunks are the loudest. */
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
