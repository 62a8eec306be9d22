"""What the clips of each corpus are called: one parser of file names per corpus.

A parser takes a file name (no folders) and returns its `Labels`, or raises `UnknownNameError`.
"""

from collections.abc import Callable

from ser.corpora import aesdd
from ser.corpora.labels import Labels, UnknownNameError

EMOTIONS = ("angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise")

# The demo corpus is synthesised by ser/corpora/demo.py and named like the AESDD.
PARSERS: dict[str, Callable[[str], Labels]] = {"aesdd": aesdd.parse, "demo": aesdd.parse}
LANGUAGES = {"aesdd": "el", "demo": ""}

__all__ = ["EMOTIONS", "LANGUAGES", "PARSERS", "Labels", "UnknownNameError"]
