"""The synthesised corpus of ser/sources/demo.py, whose files are named like the AESDD's."""

from dataclasses import replace

from ser.corpora import aesdd
from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels


def parse(path: str) -> Labels:
    """Read a file name as one of the AESDD, but without a language.

    Raises:
        Rejected: as in `ser.corpora.aesdd.parse`.
    """
    return replace(aesdd.parse(path), language="")


CORPUS = Corpus(
    parse, aesdd.EXAMPLE, Licence("Synthesised speech of this project", "mit", "MIT", "none")
)
