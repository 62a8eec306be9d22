"""Where each kind of features lies among the stacked columns."""

from collections.abc import Iterator, Mapping

from ser.core.kinds import LOGMEL


def blocks(dims: Mapping[str, int]) -> Iterator[tuple[str, slice]]:
    """Yield each kind of features and the slice of its columns.

    Args:
        dims: number of columns of each kind, in the order of stacking.
    """
    start = 0
    for kind, size in dims.items():
        yield kind, slice(start, start + size)
        start += size


def mel_columns(dims: Mapping[str, int]) -> slice:
    """Locate the log-mel bands among the stacked columns; empty slice where there are none."""
    return dict(blocks(dims)).get(LOGMEL, slice(0, 0))
