"""Which names of files are those of recordings."""

from pathlib import PurePath

# In films, the sound is read. MPEG-TS only by its content: .ts and .mts are also source code.
SUFFIXES = (
    ".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf",
    ".sph", ".voc", ".flac", ".ogg", ".oga", ".opus", ".spx", ".mp2", ".mp3", ".m4a", ".m4b",
    ".aac", ".ac3", ".eac3", ".amr", ".awb", ".wma", ".wv", ".tta", ".mka",
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".ogv", ".avi", ".wmv", ".asf",
    ".flv", ".mpg", ".mpeg", ".vob", ".m2ts",
)  # fmt: skip
# The same, for messages.
READ = (
    "WAV, FLAC, MP3, M4A, AAC, Ogg, Opus, WMA, AMR, AIFF, CAF and others; of films (MP4, MOV, 3GP, "
    "MKV, WebM, AVI and others) the sound"
)


def is_hidden(path: PurePath) -> bool:
    """Return whether a path within a folder is hidden, or one that macOS adds to archives.

    >>> is_hidden(PurePath("sad/.DS_Store")), is_hidden(PurePath("sad/1.wav"))
    (True, False)
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
