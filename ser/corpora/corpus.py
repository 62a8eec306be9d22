"""What each module of ser/corpora defines."""

from collections.abc import Callable
from dataclasses import dataclass

from ser.corpora.labels import Labels


@dataclass(frozen=True)
class Licence:
    """The terms of use of a corpus, and what to cite.

    Attributes:
        title: the corpus's name in full.
        spdx: identifier of the licence on the Hugging Face Hub; other: not on its list.
        terms: the licence in words.
        reference: the publication to cite.
    """

    title: str
    spdx: str
    terms: str
    reference: str


@dataclass(frozen=True)
class Corpus:
    """A corpus whose files are labelled by their names.

    Attributes:
        parse: path below the corpus's folder -> labels; raises `Rejected`.
        example: one such path.
        licence: its terms of use.
    """

    parse: Callable[[str], Labels]
    example: str
    licence: Licence
