"""What each module of ser/corpora defines."""

from collections.abc import Callable
from dataclasses import dataclass

from ser.corpora.labels import Labels

# Licences of the Hub's list that allow works made from a corpus to be passed on, each on its own
# conditions: to name the authors, to use the same licence, not to earn money.
_ALLOW_ADAPTATIONS = (
    *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
    *("mit", "odbl"),
)


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

    @property
    def allows_models(self) -> bool:
        """Return whether a model trained on the corpus may be passed on, as far as is known."""
        return self.spdx in _ALLOW_ADAPTATIONS


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
