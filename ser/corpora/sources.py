"""Where a corpus comes from: a DagsHub repository, a folder or zip, or the built-in synthesis."""

import filecmp
import lzma
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from ser.corpora import dagshub, demo
from ser.corpora.dagshub import Verify
from ser.corpora.files import MARK, Pulled, inside, require_audio, whole
from ser.errors import UserError

Kind = Literal["dagshub", "path", "builtin"]

# RuntimeError: encrypted, or a compression that Python does not know; ValueError: a name's bytes.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
)
_FORMS = (
    "dagshub:<owner>/<repository>, dagshub:<owner>/<repository>@<branch or commit>, "
    "path:<folder or zip>, or builtin:"
)
_REPO = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_REVISION = re.compile(r"(?!.*\.\.)[^\s/][^\s]*")


@dataclass(frozen=True)
class Source:
    """A source string, taken apart."""

    kind: Kind
    place: str
    revision: str | None = None


def parse(text: str) -> Source:
    """Take a source string apart.

    Raises:
        UserError: it is none of the known forms.
    """
    kind, _, place = text.strip().partition(":")
    if kind == "dagshub":
        place, at, revision = place.partition("@")
        if _REPO.fullmatch(place) and (not at or _REVISION.fullmatch(revision)):
            return Source("dagshub", place, revision or None)
    elif kind == "path" and place:
        return Source("path", place)
    elif kind == "builtin" and not place:
        return Source("builtin", "")
    problem = "is not complete or not well-formed" if kind in get_args(Kind) else "is unknown"
    raise UserError(f"source {text!r} in pull.sources {problem}: expected {_FORMS}")


def bring(source: Source, folder: Path, verify: Verify, redirect_hosts: Sequence[str]) -> Pulled:
    """Bring the audio files of a source into a corpus's folder, keeping their paths.

    What else lies in that folder stays: see `prune`.

    Args:
        source: what `parse` returned.
        folder: the corpus's own folder, beside those of other corpora.
        verify: see `dagshub.fetch`.
        redirect_hosts: see `dagshub.fetch`.

    Raises:
        UserError: the source is missing, damaged, unsafe or has no audio files, or the folder
            cannot be written.
    """
    if folder.is_symlink():
        raise UserError(f"{folder} is a link: remove it, and use a `path:` source instead")
    try:
        if source.kind == "dagshub":
            return dagshub.fetch(source.place, source.revision, folder, verify, redirect_hosts)
        (folder / MARK).unlink(missing_ok=True)
        if source.kind == "path":
            return _bring_path(Path(source.place).expanduser(), folder)
        with tempfile.TemporaryDirectory() as made:
            demo.write(Path(made))
            return _copy(Path(made), folder)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror or error}") from None


def prune(folder: Path, keep: Collection[str]) -> int:
    """Remove the files of a folder that are not in `keep`, and the folders that this empties.

    Links are removed, never followed.

    Returns:
        How many files were removed.
    """
    removed = 0
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files + folders:
            path = Path(parent, name)
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(folder).as_posix() not in keep:
                path.unlink()
                removed += 1
    return removed


def _bring_path(path: Path, folder: Path) -> Pulled:
    here, raw = path.resolve(), folder.parent.resolve()
    if here.is_relative_to(raw) or raw.is_relative_to(here):
        raise UserError(
            f"path:{path} and {folder.parent}, which is filled from it, lie in each other: "
            "move the recordings elsewhere"
        )
    if path.is_dir():
        return _copy(path, folder)
    if path.is_file():
        return _unpack(path, folder)
    raise UserError(f"path:{path} does not exist: expected a folder or a zip")


def _copy(source: Path, folder: Path) -> Pulled:
    seen: list[str] = []
    for parent, folders, files in os.walk(source):
        for link in (Path(parent, name) for name in sorted(folders)):
            if link.is_symlink():
                raise UserError(
                    f"{link} is a link to a folder, and such links are not followed: put the "
                    "folder itself there, or remove the link"
                )
        seen += [Path(parent, name).relative_to(source).as_posix() for name in files]
    audio = require_audio(seen, str(source))
    for path in audio:
        if not path.isprintable():  # bytes of another encoding are surrogates here
            raise UserError(
                f"{source}: the name {path!r} is not readable as UTF-8: rename the file"
            )
        if not (source / path).exists():
            raise UserError(f"{source / path} is a link to nothing: remove it")
        target = inside(folder, path, str(source))
        if target.is_file() and filecmp.cmp(source / path, target, shallow=False):
            continue
        with whole(target) as part:
            shutil.copyfile(source / path, part)
    return Pulled(None, dict.fromkeys(audio, "unverified"))


def _unpack(archive: Path, folder: Path) -> Pulled:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {
                PurePosixPath(info.filename).as_posix(): info
                for info in opened.infolist()
                if not info.is_dir()
            }
            audio = require_audio(members, str(archive))
            targets = {path: inside(folder, path, str(archive)) for path in audio}
            for path in audio:
                if stat.S_ISLNK(members[path].external_attr >> 16):
                    raise UserError(f"{archive}: {path!r} is a link: refused")
            for path, target in targets.items():
                _unpack_one(opened, members[path], target)
    except _DAMAGED as error:
        raise UserError(f"{archive} cannot be unpacked, it is no zip or damaged: {error}") from None
    return Pulled(None, dict.fromkeys(audio, "unverified"))


def _unpack_one(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    if (
        target.is_file()
        and target.stat().st_size == member.file_size
        and zlib.crc32(target.read_bytes()) == member.CRC
    ):
        return
    # zipfile reads no more than the size in the header, and refuses what is cut off by that.
    with whole(target) as part, opened.open(member) as packed, part.open("wb") as stream:
        shutil.copyfileobj(packed, stream)
