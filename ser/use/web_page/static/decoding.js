// Decode files at their own sample rates.

import { Rejected } from "./rejected.js";

const DEFAULT_RATE = 48000; // Hz, for files whose own rate is not known
const RATES = [3000, 768000]; // Hz: every browser can decode to rates in this range
const MAX_CHANNELS = 64;
const MAX_BYTES = 2 ** 29;
const PATIENCE = 5000; // milliseconds for a player to read a file's header: some never do unplayed

/**
 * Decode a file.
 *
 * @param {File} file
 * @param {number} longest maximum length in seconds
 * @param {Function} ask has the worker do a task: see assistant.js
 * @returns {Promise<{channels: Float32Array[], rate: number}>}
 * @throws {Rejected} zero_length, truncated, undecodable or too_long
 */
export async function decode(file, longest, ask) {
  if (file.size === 0) throw new Rejected("zero_length");
  if (file.size > MAX_BYTES) throw new Rejected("too_long");
  const read = await ask("read", file, longest);
  const recording = read.channels ? read : await decodeByBrowser(file, read.rate, longest);
  const { channels, rate } = recording;
  if (rate < 1000 || rate >= 1000000 || channels.length > MAX_CHANNELS) throw new Rejected("undecodable");
  if (channels[0].length === 0) throw new Rejected("zero_length");
  if (channels[0].length > longest * rate) throw new Rejected("too_long");
  return recording;
}

async function decodeByBrowser(file, stated, longest) {
  // Checked before decoding, because hours of samples exceed a browser's memory.
  if ((await playingTime(file)) > longest) throw new Rejected("too_long");
  const rate = stated >= RATES[0] && stated <= RATES[1] ? stated : DEFAULT_RATE;
  try {
    const decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await file.arrayBuffer());
    const numbers = Array.from({ length: decoded.numberOfChannels }, (_, n) => n);
    return { channels: numbers.map((n) => decoded.getChannelData(n)), rate };
  } catch {
    throw new Rejected("undecodable");
  }
}

/** The duration in seconds that a player reports; 0: it reports none. */
function playingTime(file) {
  return new Promise((resolve) => {
    const player = new Audio(), address = URL.createObjectURL(file);
    const end = (seconds) => {
      player.removeAttribute("src"); // browsers limit the number of open players
      player.load();
      URL.revokeObjectURL(address);
      resolve(Number.isFinite(seconds) ? seconds : 0);
    };
    player.onloadedmetadata = () => end(player.duration);
    player.onerror = () => end(0);
    setTimeout(() => end(0), PATIENCE);
    player.preload = "metadata";
    player.src = address;
  });
}
