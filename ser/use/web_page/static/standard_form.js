// Reject unusable decoded recordings, convert the others to the standard form. As ser/audio/standard.py.

import { voiceChannel } from "./channels.js";
import { clippedShare } from "./clipping.js";
import { mean, removeBelow, removeOffset } from "./highpass.js";
import { Rejected } from "./rejected.js";
import { resample } from "./resample.js";

const SILENCE_DB = -80; // peak, relative to full scale
const SILENCE = 10 ** (SILENCE_DB / 20);

/**
 * Compute the model's input from a usable recording.
 *
 * @param {Float32Array[]} channels as decoded
 * @param {number} rate in Hz
 * @param {object} form the waveform's form, of settings.json
 * @param {object} limits what is usable, of settings.json
 * @returns {{resampled: Float32Array, waveform: Float32Array}} the voice's channel without its
 *   offset at form.sample_rate; the same high-passed and scaled to peak 1
 * @throws {Rejected} not_finite, too_short, silent or clipped
 */
export function standardForm(channels, rate, form, limits) {
  if (!channels.every((channel) => channel.every(Number.isFinite))) throw new Rejected("not_finite");
  const channel = voiceChannel(channels, rate);
  check(channel, rate, limits);
  const resampled = resample(removeOffset(channel), rate, form.sample_rate);
  const waveform = removeBelow(resampled, form.sample_rate, form.highpass);
  const peak = peakOf(waveform, 0);
  if (!Number.isFinite(peak)) throw new Rejected("not_finite");
  if (peak < SILENCE) throw new Rejected("silent");
  return { resampled, waveform: waveform.map((sample) => sample / peak) };
}

function check(channel, rate, limits) {
  if (channel.length / rate < limits.min_seconds) throw new Rejected("too_short");
  if (peakOf(channel, mean(channel)) < SILENCE) throw new Rejected("silent");
  if (clippedShare(channel) > limits.max_clipped) throw new Rejected("clipped");
}

/** The largest distance of a sample from the middle. */
function peakOf(waveform, middle) {
  return waveform.reduce((peak, sample) => Math.max(peak, Math.abs(sample - middle)), 0);
}
