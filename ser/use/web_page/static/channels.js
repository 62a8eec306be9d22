// Find the channel of a recording that holds the voice. As ser/audio/channels.py.

import { CHANGE_RATE, MIN_SPEECH_CHANGE, spectralChange } from "./change.js";
import { clippedShare } from "./clipping.js";
import { removeBelow, removeOffset } from "./highpass.js";
import { resample } from "./resample.js";

const BELOW_VOICES = 60; // Hz
const NEAR = 0.01; // of the loudest channel's power: weaker channels hear the voice from afar
const CLIPPED = 0.01; // share of clipped samples above which a weaker channel is better

/** The channel (a Float32Array of finite samples) that holds the voice. */
export function voiceChannel(channels, rate) {
  const [first, ...others] = channels;
  if (others.every((other) => first.every((sample, i) => sample === other[i]))) return first;
  const sounds = channels.map((channel) => aboveRumble(channel, rate));
  const all = channels.map((_, n) => n);
  const speaking = all.filter((n) => spectralChange(sounds[n]) >= MIN_SPEECH_CHANGE);
  const power = new Map((speaking.length ? speaking : all).map((n) => [n, powerOf(sounds[n])]));
  const most = Math.max(...power.values());
  // `most` is NaN if a channel overflows float32; then no channel counts as weaker.
  const near = [...power.keys()].filter((n) => !(power.get(n) < NEAR * most));
  const isClipped = (n) => Number(clippedShare(channels[n]) > CLIPPED);
  const ranked = near.map((n) => [isClipped(n), -power.get(n), n]);
  ranked.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  return channels[ranked[0][2]];
}

function aboveRumble(channel, rate) {
  return removeBelow(resample(removeOffset(channel), rate, CHANGE_RATE), CHANGE_RATE, BELOW_VOICES);
}

function powerOf(waveform) {
  return waveform.reduce((sum, sample) => sum + sample * sample, 0);
}
