"""Zip and tar archives of a corpus: only their regular files, only into their folder."""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from tqdm import tqdm

from ser.core.errors import UserError
from ser.sources.files import Select, atomic_write, require_relative, safe_target

# Lossless compression about halves audio: an archive that grows more is a trap, or not of audio.
_MOST_GROWTH = 20
_ALWAYS_ALLOWED = 64 * 2**20  # bytes, whatever the archive's own size
_BLOCK = 2**20  # bytes read at once
_COMPRESSIONS: Mapping[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}

# RuntimeError: encrypted, or a compression that Python does not know; ValueError: a name's bytes.
# gzip and bz2 raise OSErrors too; unlike those of the disk, they have no errno.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
)


def unpack(archive: Path, folder: Path, select: Select) -> tuple[list[str], int]:
    """Unpack the wanted files of a zip or tar, keeping their paths.

    A file appears under its name only when it is complete.

    Args:
        archive: a zip, or a tar with or without gzip, bzip2 or xz.
        folder: where the files go.
        select: chooses the files that are wanted.

    Returns:
        (paths of the files unpacked, number of other files in the archive).

    Raises:
        UserError: it is not an archive, is damaged or cut off, has links or files that would leave
            the folder, or would grow more than twentyfold.
    """
    try:
        # First the tar: one that ends with a zip also looks like a zip.
        with _decompressed(archive) as content:
            if tarfile.is_tarfile(content):
                return _unpack_tar(archive, content, folder, select)
        if zipfile.is_zipfile(archive):
            return _unpack_zip(archive, folder, select)
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(
            f"{archive} cannot be unpacked, it is damaged or was cut off: {error}"
        ) from None
    raise UserError(
        f"{archive} is neither a zip nor a tar, or was cut off: fetch it again, or unpack it and "
        "give the folder"
    )


def _unpack_zip(archive: Path, folder: Path, select: Select) -> tuple[list[str], int]:
    packed_size = archive.stat().st_size
    with zipfile.ZipFile(archive) as opened:
        members = {
            PurePosixPath(info.filename).as_posix(): info
            for info in opened.infolist()
            if not info.is_dir()
        }
        for path, info in members.items():
            require_relative(path, str(archive))
            if stat.S_ISLNK(info.external_attr >> 16):
                raise UserError(f"{archive}: {path!r} is a link: refused")
        wanted = select(members, str(archive))
        refuse_growth(archive, packed_size, sum(members[path].file_size for path in wanted))
        targets = {path: safe_target(folder, path, str(archive)) for path in wanted}
        for path, target in _progress(targets.items(), archive):
            member = members[path]
            if _is_there(target, member):
                continue
            # zipfile reads no more than the size in the header, and raises if the CRC then differs.
            with atomic_write(target) as part, opened.open(member) as packed:
                _write(packed, part)
    return wanted, len(members) - len(wanted)


def _is_there(target: Path, member: zipfile.ZipInfo) -> bool:
    return (
        target.is_file()
        and target.stat().st_size == member.file_size
        and zlib.crc32(target.read_bytes()) == member.CRC
    )


class _BoundedReads(io.BufferedIOBase):
    """The content of a tar, in reads no longer than its files need.

    tarfile reads long headers whole, however long a header says it is.
    """

    def __init__(self, archive: Path, content: IO[bytes]) -> None:
        self._archive, self._content = archive, content

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes.

        Raises:
            UserError: these are more than a megabyte.
        """
        if size is None or not 0 <= size <= _BLOCK:
            raise UserError(f"{self._archive}: a header is longer than a megabyte: refused")
        return self._content.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place of the decompressed content."""
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the decompressed content."""
        return self._content.tell()


@contextmanager
def _decompressed(archive: Path) -> Iterator[IO[bytes]]:
    """Open what may be a tar, decompressed if it is compressed."""
    with archive.open("rb") as file:
        start = file.read(max(map(len, _COMPRESSIONS)))
        file.seek(0)
        opens = [opens for magic, opens in _COMPRESSIONS.items() if start.startswith(magic)]
        if not opens:
            yield cast("IO[bytes]", _BoundedReads(archive, file))
            return
        with opens[0](file) as content:
            yield cast("IO[bytes]", _BoundedReads(archive, content))


def _unpack_tar(
    archive: Path, content: IO[bytes], folder: Path, select: Select
) -> tuple[list[str], int]:
    packed_size = archive.stat().st_size
    with tarfile.open(fileobj=content, mode="r:") as opened:
        members: dict[str, tarfile.TarInfo] = {}
        size = 0
        for member in opened:
            path = PurePosixPath(member.name).as_posix()
            require_relative(path, str(archive))
            if member.isdir():
                continue
            if not member.isreg():
                raise UserError(f"{archive}: {path!r} is a link or a device: refused")
            size += member.size
            refuse_growth(archive, packed_size, size)  # before what is packed is read
            members[path] = member
        _require_end(opened, archive, packed_size)
        wanted = select(members, str(archive))
        # In the order of the archive: going back would decompress it again from its beginning.
        in_order = sorted(wanted, key=lambda path: members[path].offset)
        targets = {path: safe_target(folder, path, str(archive)) for path in in_order}
        for path, target in _progress(targets.items(), archive):
            packed = opened.extractfile(members[path])
            if packed is None:
                raise ValueError(f"{path!r} has no content")
            with packed, atomic_write(target) as part:
                _write(packed, part)
    return wanted, len(members) - len(wanted)


def _require_end(opened: tarfile.TarFile, archive: Path, packed_size: int) -> None:
    """Check that a tar was not cut off between two files, which Python takes for complete.

    Reading a compressed one to its end also verifies its checksum.
    """
    if opened.fileobj is not None:
        opened.fileobj.seek(opened.offset)
        if opened.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("its end is missing")
        while opened.fileobj.read(_BLOCK):
            refuse_growth(archive, packed_size, opened.fileobj.tell())


def refuse_growth(archive: Path, packed: int, size: int) -> None:
    """Check that `size` bytes are not too many to unpack from an archive of `packed` bytes.

    Raises:
        UserError: they are.
    """
    if size > max(_ALWAYS_ALLOWED, _MOST_GROWTH * packed):
        raise UserError(
            f"{archive} would grow from {packed / 1e6:.1f} MB to more than "
            f"{size / 1e6:.0f} MB, more than {_MOST_GROWTH} times: refused. If you trust it, "
            "unpack it by hand and give the folder"
        )


def _progress(targets: Collection[tuple[str, Path]], archive: Path) -> Iterable[tuple[str, Path]]:
    return tqdm(targets, archive.name, len(targets), unit="file", disable=None)


def _write(packed: IO[bytes], part: Path) -> None:
    with part.open("wb") as stream:
        shutil.copyfileobj(packed, stream)
