// A recording -> what is heard in it. As ser/recogniser.py.

import { Rejected } from "./rejected.js";
import { holdsSpeech } from "./speech.js";
import { standardForm } from "./standard_form.js";
import { cut } from "./windows.js";

/**
 * Recognise a recording.
 *
 * @param {{channels: Float32Array[], rate: number}} recording
 * @param {object} settings of settings.json
 * @param {{recognise: Function, detect: Function}} nets of nets.js
 * @param {(done: number, all: number) => void} tell of a window that is done
 * @returns {Promise<{seconds: number, probabilities: number[], windows: object[]}>} windows of a
 *   long recording: {start, end, probabilities} or {start, end, reason}, in seconds
 * @throws {Rejected} no emotion can be told
 */
export async function predict({ channels, rate }, settings, nets, tell) {
  const samples = channels[0].length, seconds = samples / rate;
  const spans = cut(samples, rate, settings.windows);
  const answer = (span) => probabilities(channels.map((c) => c.subarray(span.start, span.end)), rate, settings, nets);
  if (spans.length === 1 && spans[0].end === samples && spans[0].start === 0) {
    return { seconds, probabilities: await answer(spans[0]), windows: [] };
  }
  const windows = [];
  for (const span of spans) {
    const times = { start: span.start / rate, end: span.end / rate };
    try {
      windows.push({ ...times, probabilities: await answer(span) });
    } catch (verdict) {
      if (!(verdict instanceof Rejected)) throw verdict;
      windows.push({ ...times, reason: verdict.message });
    }
    tell(windows.length, spans.length);
    await new Promise((resolve) => setTimeout(resolve)); // the page is drawn meanwhile
  }
  return { seconds, probabilities: meanOf(windows), windows };
}

async function probabilities(channels, rate, settings, nets) {
  const { resampled, waveform } = standardForm(channels, rate, settings.clean);
  if (!(await holdsSpeech(waveform, settings.clean.sample_rate, nets.detect))) throw new Rejected("no_speech");
  return nets.recognise(resampled);
}

/** The mean of the windows in which an emotion is told. */
function meanOf(windows) {
  const told = windows.filter((window) => window.probabilities).map((window) => window.probabilities);
  if (told.length) return told[0].map((_, i) => told.reduce((sum, shares) => sum + shares[i], 0) / told.length);
  const reasons = new Set(windows.map((window) => window.reason));
  throw new Rejected(reasons.size === 1 ? [...reasons][0] : "no_speech");
}
