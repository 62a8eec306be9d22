// Recognise the emotion in a recording. As ser/use/recogniser.py.

import { Rejected } from "./rejected.js";
import { cut, sharedTime } from "./windows.js";

/**
 * Recognise a recording.
 *
 * @param {{channels: Float32Array[], rate: number}} recording
 * @param {object} windows the settings of that name in settings.json
 * @param {(channels: Float32Array[], rate: number) => Promise<object>} recognise computes the
 *   {probabilities, dimensions} of a window
 * @param {(done: number, all: number) => void} report is called after each window
 * @param {AbortSignal} signal stops before the next window
 * @returns {Promise<{seconds: number, probabilities: number[], dimensions: number[], windows:
 *   object[]}>} windows: of a long recording, {start, end, probabilities, dimensions} or {start,
 *   end, reason} each, in seconds
 * @throws {Rejected} the recording cannot be classified
 */
export async function predict({ channels, rate }, windows, recognise, report, signal) {
  const samples = channels[0].length, seconds = samples / rate;
  const spans = cut(samples, rate, windows);
  const answer = (span) => recognise(channels.map((c) => c.slice(span.start, span.end)), rate);
  if (spans.length === 1 && spans[0].end === samples && spans[0].start === 0) {
    return { seconds, ...(await answer(spans[0])), windows: [] };
  }
  const heard = [];
  for (const span of spans) {
    signal.throwIfAborted();
    const times = { start: span.start / rate, end: span.end / rate };
    try {
      heard.push({ ...times, ...(await answer(span)) });
    } catch (verdict) {
      if (!(verdict instanceof Rejected)) throw verdict;
      heard.push({ ...times, reason: verdict.message });
    }
    report(heard.length, spans.length);
  }
  return { seconds, ...meanOf(heard), windows: heard };
}

/** The mean answer about the windows that have any, each moment counted once. */
function meanOf(windows) {
  const known = windows.filter((window) => window.probabilities);
  if (known.length) {
    const times = sharedTime(known);
    const all = times.reduce((sum, time) => sum + time, 0);
    const weighted = (key, i) => known.reduce((sum, window, k) => sum + window[key][i] * times[k], 0);
    const mean = (key) => known[0][key].map((_, i) => weighted(key, i) / all);
    return { probabilities: mean("probabilities"), dimensions: mean("dimensions") };
  }
  const reasons = new Set(windows.map((window) => window.reason));
  throw new Rejected(reasons.size === 1 ? [...reasons][0] : "no_speech");
}
