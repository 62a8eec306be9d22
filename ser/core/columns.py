"""Which of the stacked columns belong to each kind of features."""

from collections.abc import Iterator, Mapping

from ser.core.kinds import LOGMEL


def column_slices(dims: Mapping[str, int]) -> Iterator[tuple[str, slice]]:
    """Yield each kind of features and the slice of its columns.

    Args:
        dims: number of columns of each kind, in the order of stacking.

    >>> dict(column_slices({"logmel": 64, "zcr": 1}))
    {'logmel': slice(0, 64, None), 'zcr': slice(64, 65, None)}
    """
    start = 0
    for kind, size in dims.items():
        yield kind, slice(start, start + size)
        start += size


def mel_columns(dims: Mapping[str, int]) -> slice:
    """Return the slice of the log-mel bands among the stacked columns; empty without log-mel."""
    return dict(column_slices(dims)).get(LOGMEL, slice(0, 0))
