"""Which files of a folder are recordings.

A file that was cut off is rejected if its format states its length, in time or in bytes. These do
not: an MP3 or a WebM that was streamed, AAC, MP2, AC-3 and AMR without a container, MPEG program
and transport streams, and a Matroska or FLV film that lacks only its last second.
"""

import os
import stat
from pathlib import Path, PurePath

from ser.decoding.signatures import kind_of
from ser.decoding.suffixes import SUFFIXES, is_hidden


def find_recordings(folder: Path) -> tuple[list[Path], int]:
    """Find the recordings in a folder and its subfolders, by their names or by their contents.

    A file with a recording's suffix is one, whatever it holds. Links to folders are not followed;
    pipes and devices are not opened.

    Returns:
        (recordings, sorted; number of other files and links, hidden ones left out).
    """
    recordings, others = list[Path](), 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(PurePath(name))]
        others += sum(Path(parent, name).is_symlink() for name in folders)
        for name in names:
            path = Path(parent, name)
            if is_hidden(PurePath(name)):
                continue
            if _is_recording(path):
                recordings.append(path)
            else:
                others += 1
    return sorted(recordings), others


def _is_recording(path: Path) -> bool:
    has_suffix = path.suffix.lower() in SUFFIXES
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        if has_suffix:
            return True
        with path.open("rb", buffering=0) as file:
            return kind_of(file) is not None
    except OSError:
        return has_suffix
