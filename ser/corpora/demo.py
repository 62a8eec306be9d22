"""The synthesised corpus of ser/sources/demo.py, whose files are named like the AESDD's."""

from dataclasses import replace

from ser.corpora import aesdd
from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels


def parse_demo(path: str) -> Labels:
    """Read a file name as one of the AESDD, but without a language.

    Raises:
        Rejected: as in `ser.corpora.aesdd.parse_aesdd`.
    """
    return replace(aesdd.parse_aesdd(path), language="")


CORPUS = Corpus(
    parse_demo, aesdd.EXAMPLE, Licence("Synthesised speech of this project", "mit", "MIT", "none")
)
