// Decode PCM and floating-point WAV files to exactly the samples stored: browsers resample, and some
// dither. Microsoft and IBM: Multimedia Programming Interface and Data Specifications 1.0, 1991.

import { Rejected } from "./rejected.js";

const PCM = 1, FLOAT = 3, EXTENSIBLE = 0xfffe; // EXTENSIBLE: the codec is stored later in the chunk
// Programs that do not know the size yet write 0, 2^31, 2^32 - 1, or a number slightly smaller.
const isUnknown = (size) => size === 0 || (size >= 0x7ffff000 && size <= 2 ** 31) || size >= 2 ** 32 - 4096;

const READERS = {
  [`${PCM} 8`]: (view, at) => (view.getUint8(at) - 128) / 128,
  [`${PCM} 16`]: (view, at) => view.getInt16(at, true) / 2 ** 15,
  [`${PCM} 24`]: (view, at) => ((view.getInt16(at + 1, true) << 8) | view.getUint8(at)) / 2 ** 23,
  [`${PCM} 32`]: (view, at) => view.getInt32(at, true) / 2 ** 31,
  [`${FLOAT} 32`]: (view, at) => view.getFloat32(at, true),
  [`${FLOAT} 64`]: (view, at) => view.getFloat64(at, true),
};

/**
 * Decode a WAV file.
 *
 * @param {ArrayBuffer} buffer the whole file
 * @param {number} longest maximum length in seconds
 * @returns {{channels: Float32Array[], rate: number} | null} null: not a WAV file, or another codec
 * @throws {Rejected} zero_length, truncated or too_long
 */
export function readWav(buffer, longest) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 12 || nameAt(view, 0) !== "RIFF" || nameAt(view, 8) !== "WAVE") return null;
  let form = null;
  for (let at = 12; at + 8 <= buffer.byteLength; ) {
    const name = nameAt(view, at), size = view.getUint32(at + 4, true), start = at + 8;
    if (name === "fmt " && start + 16 <= buffer.byteLength) form = formAt(view, start, size);
    if (name === "data") return form && form.read ? samplesAt(view, start, size, form, longest) : null;
    at = start + size + (size % 2);
  }
  throw new Rejected(buffer.byteLength < view.getUint32(4, true) + 8 ? "truncated" : "zero_length");
}

function nameAt(view, at) {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
}

function formAt(view, start, size) {
  const tag = view.getUint16(start, true);
  const isExtensible = tag === EXTENSIBLE && size >= 26 && start + 26 <= view.byteLength;
  const codec = isExtensible ? view.getUint16(start + 24, true) : tag;
  const count = view.getUint16(start + 2, true), bits = view.getUint16(start + 14, true);
  const rate = view.getUint32(start + 4, true), block = view.getUint16(start + 12, true);
  const isPlain = count > 0 && block === (count * bits) / 8;
  return { read: isPlain ? READERS[`${codec} ${bits}`] : undefined, count, rate, block };
}

function samplesAt(view, start, size, { read, count, rate, block }, longest) {
  const held = Math.floor((view.byteLength - start) / block), stated = Math.floor(size / block);
  if (!isUnknown(size) && held < stated) throw new Rejected("truncated");
  const length = isUnknown(size) ? held : stated;
  if (length === 0) throw new Rejected("zero_length");
  if (length > longest * rate) throw new Rejected("too_long");
  const channels = Array.from({ length: count }, () => new Float32Array(length));
  channels.forEach((channel, n) => {
    const first = start + (n * block) / count;
    for (let i = 0; i < length; i++) channel[i] = read(view, first + i * block);
  });
  return { channels, rate };
}
