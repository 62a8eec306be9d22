"""The kind of recording that a file's first bytes show, and what reads it.

Texts, pictures, archives and tables match none. Two kinds that libsndfile knows are not read,
because nothing in them shows what they are: Sound Designer II, whose header is in a separate file,
and headerless samples (.raw, .pcm, .gsm, .vox).
"""

import os
import re
from dataclasses import dataclass
from typing import BinaryIO

from ser.decoding import frames, mp3

LIBSNDFILE = "libsndfile"
_LONGEST = 256  # bytes that the patterns look at
W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"  # Sonic Foundry: Wave 64
# The HTK Book, 5.7.1: a period of at most 9999 of 100 ns, samples of 2 bytes, a waveform.
HTK = rb".{4}\0\0[\0-\x27].\0\x02\0\0"
# MPEG-TS: ISO/IEC 13818-1, 2.4.3.2; on discs and in cameras, 4 bytes of time precede each packet.
_PACKETS = ((0, 188), (4, 192))  # position of the sync byte in a packet, size of a packet in bytes
_FEWEST_PACKETS = 5


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: its common name.
        reader: libsndfile (for some codecs FFmpeg, see `containers.read_headers`), or FFmpeg's
            name of the container; empty: it is not read.
    """

    name: str
    reader: str = ""


_OF_FRAMES = {
    "mp3": Kind("MP3", "mp3"),
    "aac": Kind("AAC", "aac"),
    "ac3": Kind("AC-3", "ac3"),
    "eac3": Kind("E-AC-3", "eac3"),
}
_PACKED = Kind("MPEG-TS", "mpegts")
TAGGED = Kind("sound behind ID3 tags", LIBSNDFILE)  # it searches further for an MP3's first frame

# The first match counts. No FFmpeg container but these may be opened: none of them opens another
# file, as playlists and the like do. A kind is read only if the tests could write or assemble it.
SIGNATURES = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        # IBM and Microsoft: Multimedia Programming Interface 1.0; RIFX: in the other byte order;
        # EBU Tech 3306; ITU-R BS.2088.
        (rb"(RIFF|RIFX|RF64|BW64)....WAVE", Kind("WAV", LIBSNDFILE)),
        (rb"RIFF....AVI ", Kind("AVI", "avi")),
        (re.escape(W64), Kind("Wave64", LIBSNDFILE)),
        # Apple: AIFF-C, draft of 1991; Core Audio Format 1.0.
        (rb"FORM....AIF[FC]", Kind("AIFF", LIBSNDFILE)),
        (rb"caff\0\x01\0\0", Kind("CAF", LIBSNDFILE)),
        # NeXT and Sun: soundstruct; the offset of the data is small.
        (rb"\.snd\0\0|dns\...\0\0", Kind("AU", LIBSNDFILE)),
        # RFC 9639, RFC 3533, RFC 7845; xiph.org: Vorbis I.
        (rb"fLaC", Kind("FLAC", LIBSNDFILE)),
        (rb"OggS\0.{23}(\x01vorbis|OpusHead)", Kind("Ogg", LIBSNDFILE)),
        (rb"OggS\0", Kind("Ogg", "ogg")),
        # ISO/IEC 14496-12, 4.3; pictures are kept in it too: ISO/IEC 23008-12, 10.2, AVIF 1.1 and
        # Canon's CR3.
        (rb"\0\0..ftyp(?!hei[cmsx]|hev[cmsx]|mi[af]|msf1|avi[fs]|crx |jp[2mx]|jxl )",
         Kind("MP4", "mp4")),
        # RFC 8794, 11.2.1.
        (rb"\x1a\x45\xdf\xa3", Kind("Matroska", "matroska")),
        # RFC 4867, 5.1 and 5.2.
        (rb"#!AMR(-WB)?\n", Kind("AMR", "amr")),
        (rb"#!AMR(-WB)?_MC1\.0\n", Kind("AMR of several channels")),
        # Microsoft: Advanced Systems Format 01.20.06, 10.1.
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c", Kind("ASF", "asf")),
        # wavpack.com: WavPack 4 & 5 file format; the versions that there are.
        (rb"wvpk....[\x02-\x10]\x04", Kind("WavPack", "wv")),
        (rb"TTA1[\x01-\x03]\0", Kind("True Audio", "tta")),
        # Adobe: Flash Video 10.1, E.2; ISO/IEC 13818-1, 2.5.3.3.
        (rb"FLV\x01", Kind("FLV", "flv")),
        (rb"\0\0\x01\xba", Kind("MPEG-PS", "mpeg")),
        # Further formats in libsndfile's documentation.
        (rb"Creative Voice File\x1a", Kind("VOC", LIBSNDFILE)),
        (rb"NIST_1A\n", Kind("NIST SPHERE", LIBSNDFILE)),
        (rb"\x64\xa3[\x01-\x04]\0|\0[\x01-\x04]\xa3\x64", Kind("IRCAM", LIBSNDFILE)),
        (rb"FORM....(8SVX|16SV)", Kind("Amiga IFF", LIBSNDFILE)),
        (rb" paf\0\0\0\0|fap ....\0\0\0\0", Kind("Ensoniq PARIS", LIBSNDFILE)),
        (rb"PVF1\n", Kind("Portable Voice Format", LIBSNDFILE)),
        (rb"ALawSoundFile\*\*", Kind("Psion WVE", LIBSNDFILE)),
        (rb"2BIT.{8}(\0\0|\xff\xff)", Kind("AVR", LIBSNDFILE)),
        (rb"\xf0\x7e.\x01", Kind("MIDI Sample Dump", LIBSNDFILE)),
        (rb"Extended Instrument: ", Kind("FastTracker 2", LIBSNDFILE)),
        # As libsndfile writes them; other MATLAB files hold other numbers.
        (rb"(\0\0\0\0|\0\0\x03\xe8).{12}(\0\0\0\x0b|\x0b\0\0\0)samplerate\0",
         Kind("MATLAB 4", LIBSNDFILE)),
        (rb"MATLAB 5\.0 MAT-file.{157}samplerate\0", Kind("MATLAB 5", LIBSNDFILE)),
        # A name, the level in percent, the tuning, whether it is stereo.
        (rb"\x01\x04[ -~]{16}[ \0][\0-\x64].[\0\x01]", Kind("MPC 2000", LIBSNDFILE)),
        (HTK, Kind("HTK", LIBSNDFILE)),
        # Kinds that are not read, by the marks that FFmpeg's demuxers look for (libavformat).
        (rb"MAC .[\x0c-\x10]", Kind("Monkey's Audio")),
        (rb"MP\+[\x07\x17\x27]|MPCK", Kind("Musepack")),
        (rb"tBaK", Kind("TAK")),
        (rb"OFR ", Kind("OptimFROG")),
        (rb"ajkg[\0-\x03]", Kind("Shorten")),
        (rb"DSD \x1c\0|FRM8.{8}DSD ", Kind("DSD")),
        (rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80|\x1f\xff\xe8\0|\xff\x1f\0\xe8|DTSHDHDR", Kind("DTS")),
        (rb"\.RMF\0|\.ra\xfd", Kind("RealMedia")),
        (rb"\x02?#!SILK_V3", Kind("SILK")),
        (rb"#!(EVRC|QCELP|SMV)|RIFF....QLCM", Kind("QCP")),
        (rb"#!iLBC[23]0\n", Kind("iLBC")),
        (rb"(ea3\x03|EA3\x01)", Kind("ATRAC")),
        (rb"ADIF", Kind("AAC in ADIF")),
        (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", Kind("MXF")),
        (rb"\xb7\xd8\0\x20\x37\x49\xda\x11", Kind("WTV")),
        (rb"nut/multimedia container\0", Kind("NUT")),
        (rb"\.SoX|XoS\.", Kind("SoX")),
    )
)  # fmt: skip


def kind_of(file: BinaryIO) -> Kind | None:
    """Return the kind of recording that a file's first bytes show; None: they show none.

    A format that is marked only by its frames must have two: other files begin like one by chance.
    """
    start = mp3.end_of_tags(file)
    file.seek(start)
    head = file.read(_LONGEST)
    for pattern, kind in SIGNATURES:
        if pattern.match(head):
            return kind
    if _begins_quicktime(head, file):
        return Kind("QuickTime", "mp4")
    frame = frames.first(head)
    if frame and frame.agrees_with(_bytes_at(file, start + frame.size, len(frame.head))):
        return _OF_FRAMES[frame.kind]
    if _is_packed(file, head, start):
        return _PACKED
    return TAGGED if start else None


def _begins_quicktime(head: bytes, file: BinaryIO) -> bool:
    """Return whether a file begins with an atom, as films did before ftyp existed.

    Apple: QuickTime File Format, "Atoms". Its size comes before its name, which rules out text.
    """
    if head[4:8] not in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return False
    size = int.from_bytes(head[:4], "big")
    return size in (0, 1) or 8 <= size <= file.seek(0, os.SEEK_END)


def _is_packed(file: BinaryIO, head: bytes, start: int) -> bool:
    """Return whether several packets have the sync byte of MPEG-TS at the same position."""
    return any(
        head[mark : mark + 1] == b"\x47"
        and all(
            _bytes_at(file, start + mark + n * size, 1) == b"\x47"
            for n in range(1, _FEWEST_PACKETS)
        )
        for mark, size in _PACKETS
    )


def _bytes_at(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)
