"""Which names of files are those of recordings."""

from pathlib import PurePath

# Each format that is read, with the suffixes of its files. In films, the sound is read. MPEG-TS
# other than .m2ts is recognised only by its content: .ts and .mts are also source code.
SOUND = {
    "WAV": (".wav", ".wave", ".bwf", ".rf64"),
    "Wave64": (".w64",),
    "FLAC": (".flac",),
    "MP3": (".mp3",),
    "M4A": (".m4a", ".m4b"),
    "AAC": (".aac",),
    "Ogg": (".ogg", ".oga"),
    "Opus": (".opus",),
    "Speex": (".spx",),
    "WebM": (".webm", ".weba"),
    "MKA": (".mka",),
    "WMA": (".wma",),
    "AMR": (".amr", ".awb"),
    "AIFF": (".aif", ".aiff", ".aifc"),
    "AU": (".au", ".snd"),
    "CAF": (".caf",),
    "MP2": (".mp2",),
    "AC-3": (".ac3", ".eac3"),
    "WavPack": (".wv",),
    "True Audio": (".tta",),
    "VOC": (".voc",),
    "NIST SPHERE": (".sph",),
}
FILMS = {
    "MP4": (".mp4", ".m4v"),
    "MOV": (".mov", ".qt"),
    "3GP": (".3gp", ".3g2"),
    "MKV": (".mkv",),
    "OGV": (".ogv",),
    "AVI": (".avi",),
    "WMV": (".wmv", ".asf"),
    "FLV": (".flv",),
    "MPEG": (".mpg", ".mpeg", ".vob", ".m2ts"),
}
SUFFIXES = tuple(suffix for of in (SOUND, FILMS) for each in of.values() for suffix in each)
READ = f"{', '.join(SOUND)}; of films ({', '.join(FILMS)}) the sound"  # for messages


def is_hidden(path: PurePath) -> bool:
    """Return whether a path within a folder is hidden, or one that macOS adds to archives.

    >>> is_hidden(PurePath("sad/.DS_Store")), is_hidden(PurePath("sad/1.wav"))
    (True, False)
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
