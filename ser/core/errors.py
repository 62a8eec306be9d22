"""The error for mistakes that a user can correct, and names for errors of files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """A mistake in the input: what is wrong, where, what was expected, what to do.

    Stages print its text without a traceback and exit with status 1.
    """


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Write a file's name into the errors of its writes, which do not name it.

    Raises:
        OSError: as it was raised below this, with a file name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
