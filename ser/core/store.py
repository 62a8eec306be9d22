"""Arrays of different lengths on disk, memory-mapped: waveforms [samples], features [frames, dims].

A store is a folder of three files. values.npy holds the arrays one after the other along their
first axis, offsets.npy [arrays + 1] the row where each begins, store.json their keys and a
description of how they were made.
"""

import json
import math
import shutil
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import uuid4

import numpy as np

from ser.core.errors import UserError, naming
from ser.core.typing import FloatArray

_VALUES = "values.npy"
_SHARDS = "shards"  # folder of what workers have written while a store is being made


@dataclass(frozen=True, slots=True)
class ArraySlice:
    """Where an array is stored: small enough to send to a process that then reads the array.

    `np.asarray` reads it too.

    Attributes:
        file: values.npy, by a path that is valid on other machines too.
        offset: position of the array's first byte.
        shape: shape of the array.
    """

    file: Path
    offset: int
    shape: tuple[int, ...]

    def read(self) -> FloatArray:
        """Read a copy of the array into memory."""
        numbers = np.fromfile(self.file, "<f4", math.prod(self.shape), offset=self.offset)
        return numbers.reshape(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> FloatArray:
        return self.read()


class Move(NamedTuple):
    """An array in a shard, and the position of its first byte in values.npy."""

    source: ArraySlice
    offset: int


class Shard:
    """A file of arrays on their way into a store, written by one of several processes.

    Use as a context manager. Its name is unique, so that work that is done twice, because a worker
    seemed to have died, is not mixed up.
    """

    def __init__(self, folder: Path) -> None:
        """Begin a shard of the store that is being written to a folder."""
        self._folder = folder
        self._path = folder / _SHARDS / uuid4().hex
        self._file = self._path.open("xb")

    def append(self, values: FloatArray) -> ArraySlice:
        """Write an array; return where it is."""
        offset = self._file.tell()
        with naming(self._folder):
            self._file.write(_bytes_of(values))
        return ArraySlice(self._path, offset, values.shape)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with naming(self._folder):
            self._file.close()


def join(folder: Path, moves: Sequence[Move]) -> None:
    """Copy whole shards into values.npy of the store that is being written, and delete them."""
    with naming(folder), (folder / _VALUES).open("r+b") as file:
        for move in moves:
            file.seek(move.offset)
            file.write(move.source.read().data)
    for path in {move.source.file for move in moves}:
        path.unlink()


def _bytes_of(values: FloatArray) -> bytes:
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


class StoreWriter:
    """Writes arrays to a store one by one: memory holds one, and 8 bytes for each before it.

    Use as a context manager; the store is complete when the context is left without an error.
    """

    def __init__(self, folder: Path, row_shape: tuple[int, ...], meta: Mapping[str, Any]) -> None:
        """Begin a store.

        Args:
            folder: where to write; created if it is missing.
            row_shape: shape of an array without its first axis, () or (dims,).
            meta: how the arrays were made; JSON.
        """
        self.folder = folder
        self._shards = folder / _SHARDS
        shutil.rmtree(self._shards, ignore_errors=True)  # of a process that was killed
        self._shards.mkdir(parents=True)
        self._row_shape = row_shape
        self._row_bytes = 4 * math.prod(row_shape)
        self._offsets = array("q", [0])
        self._moves: list[Move] = []
        (folder / "store.json").unlink(missing_ok=True)  # unreadable until it is complete
        self._file = (folder / _VALUES).open("wb")
        self._write_header()
        self._header_bytes = self._file.tell()
        self._part = folder / "store.json.part"
        self._json = self._part.open("w", encoding="utf-8")
        text = json.dumps({"meta": dict(meta), "keys": []}, indent=1)
        self._json.write(text.removesuffix("]\n}"))

    def _write_header(self) -> None:
        # NumPy pads the header so that the first axis may grow without moving the data.
        header = {
            "descr": "<f4",
            "fortran_order": False,
            "shape": (self._offsets[-1], *self._row_shape),
        }
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, header)

    def add(self, key: str, values: FloatArray | ArraySlice) -> None:
        """Append an array [length, *row_shape] float32.

        Args:
            key: its name.
            values: the array, or its place in a shard: then the caller joins what `take_moves`
                returns, or it is joined at the end.
        """
        if values.shape[1:] != self._row_shape:
            raise ValueError(f"{key}: shape {values.shape} does not end in {self._row_shape}")
        offset = self._header_bytes + self._offsets[-1] * self._row_bytes
        with naming(self.folder):
            if isinstance(values, ArraySlice):
                self._moves.append(Move(values, offset))
            else:
                self._file.seek(offset)
                self._file.write(_bytes_of(values))
            self._json.write(f"{',' if len(self) else ''}\n  {json.dumps(key)}")
        self._offsets.append(self._offsets[-1] + values.shape[0])

    def take_moves(self) -> list[Move]:
        """Return the arrays that were added since the last call and are still in shards."""
        moves, self._moves = self._moves, []
        return moves

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @property
    def rows(self) -> int:
        """Rows written so far: samples or frames of all arrays together."""
        return self._offsets[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with naming(self.folder):
                self._json.write("\n ]\n}\n" if len(self) else "]\n}\n")
                self._json.close()
                if kind is None:
                    join(self.folder, self.take_moves())
                    self._write_header()
                    np.save(self.folder / "offsets.npy", np.array(self._offsets, dtype=np.int64))
                    self._part.replace(self.folder / "store.json")
                else:
                    self._part.unlink()
                self._file.close()
        finally:
            shutil.rmtree(self._shards, ignore_errors=True)


class Store(Mapping[str, FloatArray]):
    """A store opened for reading: key -> memory-mapped array, in the order of writing."""

    def __init__(self, folder: Path) -> None:
        """Open a store.

        Raises:
            UserError: one of its files is missing or of the wrong size.
        """
        try:
            described = json.loads((folder / "store.json").read_text(encoding="utf-8"))
            self._offsets = np.load(folder / "offsets.npy", allow_pickle=False)
            self._file = folder.absolute() / _VALUES
            # An empty array cannot be mapped.
            empty = self._offsets[-1] == 0
            # Mapped, but as a plain array: slices of a memmap take five times as long to make.
            self._values = np.asarray(
                np.load(self._file, mmap_mode=None if empty else "r", allow_pickle=False)
            )
            self._header_bytes = self._file.stat().st_size - self._values.nbytes
            self.meta: dict[str, Any] = described["meta"]
            self._index = {key: i for i, key in enumerate(described["keys"])}
            arrays, rows = len(self._offsets) - 1, self._offsets[-1]
            if arrays != len(described["keys"]) or rows != len(self._values):
                raise ValueError("its files do not belong together")
        except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
            raise UserError(
                f"{folder} cannot be read ({error}): `dvc repro` restores or makes it"
            ) from None

    def __getitem__(self, key: str) -> FloatArray:
        i = self._index[key]
        values: FloatArray = self._values[self._offsets[i] : self._offsets[i + 1]]
        return values

    def array_slice(self, key: str) -> ArraySlice:
        """Return where an array is stored."""
        i = self._index[key]
        start, end = int(self._offsets[i]), int(self._offsets[i + 1])
        shape = (end - start, *self._values.shape[1:])
        row_bytes = self._values.itemsize * math.prod(self._values.shape[1:])
        return ArraySlice(self._file, self._header_bytes + start * row_bytes, shape)

    def read(self, key: str) -> FloatArray:
        """Read a copy of an array into memory.

        Unlike a mapped array, the copy is freed when it is dropped: a loop over all keys needs
        memory for one.
        """
        return self.array_slice(key).read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def length(self, key: str) -> int:
        """Return the length of an array's first axis, without reading the array."""
        i = self._index[key]
        return int(self._offsets[i + 1] - self._offsets[i])
