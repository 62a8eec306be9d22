// Read the sample rate of a compressed file. Browsers do not report it: they resample when decoding.

const OPUS = 48000; // whatever the rate of its source: RFC 7845, 5.1

/** The rate in Hz that a file's headers state; null: the format is unknown. */
export function nativeRate(buffer) {
  const bytes = new Uint8Array(buffer), view = new DataView(buffer);
  const start = endOfTags(bytes);
  return (
    flac(bytes, start) ?? ogg(bytes, view) ?? matroska(bytes, view) ?? mp4(bytes, view) ?? frames(bytes, start)
  );
}

function has(bytes, text, at) {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Where `text` begins in the first `most` bytes; -1: nowhere. */
function find(bytes, text, most) {
  const end = Math.min(bytes.length - text.length, most);
  for (let at = 0; at <= end; at++) if (has(bytes, text, at)) return at;
  return -1;
}

// id3.org: ID3v2.3, 3.1: the size has seven bits in each byte.
function endOfTags(bytes) {
  if (!has(bytes, "ID3", 0)) return 0;
  return 10 + bytes.slice(6, 10).reduce((size, byte) => size * 128 + byte, 0);
}

// RFC 9639, 8.2.
function flac(bytes, start) {
  if (!has(bytes, "fLaC", start)) return null;
  return (bytes[start + 18] << 12) | (bytes[start + 19] << 4) | (bytes[start + 20] >> 4);
}

// RFC 3533; xiph.org: Vorbis I, 4.2.2.
function ogg(bytes, view) {
  if (!has(bytes, "OggS", 0)) return null;
  if (find(bytes, "OpusHead", 256) >= 0) return OPUS;
  const vorbis = find(bytes, "\x01vorbis", 256);
  return vorbis >= 0 && vorbis + 16 <= bytes.length ? view.getUint32(vorbis + 12, true) : null;
}

// RFC 9559, 5.1.4.1.29: SamplingFrequency, of 4 or 8 bytes.
function matroska(bytes, view) {
  if (!has(bytes, "\x1a\x45\xdf\xa3", 0)) return null;
  if (find(bytes, "A_OPUS", 65536) >= 0) return OPUS;
  const four = find(bytes, "\xb5\x84", 65536), eight = find(bytes, "\xb5\x88", 65536);
  if (four >= 0) return Math.round(view.getFloat32(four + 2));
  return eight >= 0 ? Math.round(view.getFloat64(eight + 2)) : null;
}

// ISO/IEC 14496-12, 8.4.2: the timescale in the media header of the audio track is the sample rate.
function mp4(bytes, view) {
  if (!has(bytes, "ftyp", 4)) return null;
  for (let at = 0, media = -1; at + 24 <= bytes.length; at++) {
    if (has(bytes, "mdhd", at)) media = at;
    if (media >= 0 && has(bytes, "hdlr", at) && has(bytes, "soun", at + 12)) {
      return view.getUint32(media + (bytes[media + 4] === 1 ? 24 : 16));
    }
  }
  return null;
}

// ISO/IEC 11172-3, 2.4.2.3, and 13818-7, 6.2: the frame headers of MP3 and of AAC without a container.
function frames(bytes, start) {
  if (bytes[start] !== 0xff || (bytes[start + 1] & 0xe0) !== 0xe0) return null;
  if ((bytes[start + 1] & 0xf6) === 0xf0) {
    return [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350][
      (bytes[start + 2] >> 2) & 15
    ];
  }
  const divisor = { 3: 1, 2: 2, 0: 4 }[(bytes[start + 1] >> 3) & 3];
  const rate = [44100, 48000, 32000][(bytes[start + 2] >> 2) & 3];
  return divisor && rate ? rate / divisor : null;
}
