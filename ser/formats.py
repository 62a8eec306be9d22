"""How files that can be read as recordings are called, and which files of a folder are.

One that was cut off is refused where its format tells how long it was: an MP3 or a WebM that was
streamed does not, nor does AAC on its own.
"""

from pathlib import Path, PurePath

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".webm")


def is_hidden(path: PurePath) -> bool:
    """Whether a path within a folder is one that people do not see, as macOS adds them."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def find_recordings(folder: Path) -> tuple[list[Path], int]:
    """Find the recordings in a folder and those below it, by their names.

    Folders that are links are not followed.

    Returns:
        (recordings, sorted; number of other files and links, hidden ones left out).
    """
    seen = [path for path in folder.rglob("*") if not is_hidden(path.relative_to(folder))]
    files = [path for path in seen if path.is_symlink() or not path.is_dir()]
    recordings = sorted(
        path
        for path in files
        if path.suffix.lower() in SUFFIXES and not path.is_dir() and not path.is_fifo()
    )
    return recordings, len(files) - len(recordings)
