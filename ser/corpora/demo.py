"""The synthesised corpus of ser/sources/demo.py, whose files are called like the AESDD's."""

from dataclasses import replace

from ser.corpora import aesdd
from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels


def parse(path: str) -> Labels:
    """Read the name of a file as the AESDD's, in no language.

    Raises:
        Rejected: as `ser.corpora.aesdd.parse`.
    """
    return replace(aesdd.parse(path), language="")


CORPUS = Corpus(
    parse, aesdd.EXAMPLE, Licence("Synthesised speech of this project", "mit", "MIT", "none")
)
