"""Count the parts of an upload's form while it arrives."""

import re

from starlette.exceptions import HTTPException

NO_FORM = "An upload is a form with a named file."
# In anything else, the parser that reads the form later may see another boundary.
_TYPE = re.compile(r"""multipart/form-data; ?boundary=("?)([\w'+.=-]{1,70})\1""", re.ASCII | re.I)


class Parts:
    """The parts of a form, each of which may be a file."""

    def __init__(self, content_type: str) -> None:
        """Begin a form.

        Raises:
            HTTPException: 400, the Content-Type is not that of a form.
        """
        found = _TYPE.fullmatch(content_type)
        if found is None:
            raise HTTPException(400, NO_FORM)
        self._begin = b"\r\n--" + found[2].encode() + b"\r\n"
        self._end = b"\r\n"  # of what came: a form may start with its first part

    def count(self, block: bytes) -> int:
        """Return the number of parts that begin with the next block of the form."""
        seen = self._end + block
        self._end = seen[1 - len(self._begin) :]
        return seen.count(self._begin)
