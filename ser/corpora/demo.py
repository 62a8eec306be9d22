"""The synthesised corpus of ser/sources/demo.py, whose files are named like the AESDD's."""

from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath

from ser.corpora import aesdd
from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels


def parse_demo(path: str) -> Labels:
    """Read a file name as one of the AESDD, but without a language; rate the synthesised clips.

    Raises:
        Rejected: as in `ser.corpora.aesdd.parse_aesdd`.
    """
    labels = replace(aesdd.parse_aesdd(path), language="")
    return replace(labels, **_ratings().get(PurePosixPath(path).name, {}))


@cache
def _ratings() -> dict[str, dict[str, str]]:
    # Imported only here: the synthesiser takes a while to import, and other corpora need none.
    from ser.sources import demo

    return {
        name: {dimension: f"{value:.4f}" for dimension, value in rated.items()}
        for name, rated in demo.ratings().items()
    }


CORPUS = Corpus(
    parse_demo, aesdd.EXAMPLE, Licence("Synthesised speech of this project", "mit", "MIT", "none")
)
