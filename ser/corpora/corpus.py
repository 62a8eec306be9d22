"""What a module of ser/corpora says of its corpus."""

from collections.abc import Callable
from dataclasses import dataclass

from ser.corpora.labels import Labels


@dataclass(frozen=True)
class Licence:
    """Under which terms a corpus is offered, and what to cite.

    Attributes:
        title: the corpus's name in full.
        spdx: identifier of the licence as the Hugging Face Hub writes it; other: none of its list.
        terms: the same in words.
        reference: the publication to cite.
    """

    title: str
    spdx: str
    terms: str
    reference: str


@dataclass(frozen=True)
class Corpus:
    """A corpus whose files' names say what they are.

    Attributes:
        parse: path below the corpus's folder -> labels; raises `Rejected`.
        example: one such path.
        licence: its terms.
    """

    parse: Callable[[str], Labels]
    example: str
    licence: Licence
