"""Describe revisions, and read their files, whether git or DVC keeps them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.experiments import reference
from scripts.workspace import ROOT, git
from ser.core.errors import UserError
from ser.core.extras import needed_by

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem  # takes a second, which only a comparison needs

_LONGEST_NAME = 30  # a full commit id is too long to read


@dataclass(frozen=True)
class Revision:
    """A commit, by the name that the user chose.

    Attributes:
        name: such as main; a short commit id if it is a long one.
        commit: short commit id.
        date: of the commit, YYYY-MM-DD.
        files: those of git and those of DVC, at this commit.
    """

    name: str
    commit: str
    date: str
    files: "DVCFileSystem"

    def read(self, path: str) -> bytes:
        """Read a file.

        Raises:
            UserError: the commit does not have it, or DVC has no copy of it here; the text is a
                sentence without a full stop.
        """
        from dvc.exceptions import DvcException

        if not self.files.exists(path):
            raise UserError(f"{self.name} has no {path}")
        try:
            content: bytes = self.files.read_bytes(path)
        except (OSError, DvcException):
            raise UserError(
                f"{path} of {self.name} is not in DVC's cache "
                "(`dvc fetch --all-commits` gets it, if a remote has it)"
            ) from None
        return content


def find_revision(name: str) -> Revision:
    """Find a git revision, or a DVC experiment of the current commit.

    Raises:
        UserError: there is none.
    """
    with needed_by("this"):
        from dvc.api import DVCFileSystem
    if name.startswith("-"):
        raise UserError(f"BASE={name}: not the name of a git revision")
    for candidate in (name, reference(name)):
        try:
            commit = git(ROOT, "rev-parse", "--verify", f"{candidate}^{{commit}}").strip()
            break
        except UserError:
            continue
    else:
        raise UserError(
            f"BASE={name}: git has no such revision, and this commit no such experiment"
        )
    short, date = git(ROOT, "show", "--no-patch", "--format=%h %cs", commit).split()
    shown = short if len(name) > _LONGEST_NAME else name
    return Revision(shown, short, date, DVCFileSystem(str(ROOT), rev=commit))
