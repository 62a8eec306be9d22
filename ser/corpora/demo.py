"""The synthesised corpus of ser/sources/demo.py, whose files are named like the AESDD's."""

from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath

from ser.corpora import aesdd
from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels


def parse_demo(path: str) -> Labels:
    """Read a file name as one of the AESDD, but without a language; rate the synthesised clips.

    The name alone decides which clip it is, as it does for all labels.

    Raises:
        Rejected: as in `ser.corpora.aesdd.parse_aesdd`.
    """
    labels = replace(aesdd.parse_aesdd(path), language="")
    rated = _ratings().get(PurePosixPath(path).name)
    return replace(labels, arousal=rated[0], valence=rated[1]) if rated else labels


@cache
def _ratings() -> dict[str, tuple[str, str]]:
    """Return the name of each synthesised clip's file -> its arousal and valence, as text."""
    # Imported only here: the synthesiser takes a while to import, and other corpora need none.
    from ser.sources import demo

    return {
        name: (f"{rated['arousal']:.4f}", f"{rated['valence']:.4f}")
        for name, rated in demo.ratings().items()
    }


CORPUS = Corpus(
    parse_demo, aesdd.EXAMPLE, Licence("Synthesised speech of this project", "mit", "MIT", "none")
)
