"""Normalise the spelling of words: accents, blanks, invisible characters, case."""

import re
import unicodedata

# Cf: characters without a shape, such as a byte order mark or a soft hyphen. The two joiners have
# no shape either, but change the letters around them in Persian and in the scripts of India.
_INVISIBLE = "Cf"
_JOINERS = "\u200c\u200d"


def composed(text: str) -> str:
    """Return a text in NFC (Unicode's annex 15), where both forms of an accented letter are one.

    Nothing visible changes: full-width digits stay full-width.
    """
    return unicodedata.normalize("NFC", text)


def tidied(text: str) -> str:
    """Return a text composed, without surrounding blanks and without invisible characters.

    Blanks of any kind and number within it, such as a no-break space, become one space.
    """
    seen = (c for c in text if c in _JOINERS or unicodedata.category(c) != _INVISIBLE)
    return " ".join(composed("".join(seen)).split())


def folded(text: str) -> str:
    """Return a text tidied and in lower case, for comparing words.

    >>> folded("  Very\u00a0 HAPPY ")
    'very happy'
    """
    return composed(tidied(text).lower())


def lookalike(text: str) -> str:
    """Return a key that names share if they may mean the same.

    >>> lookalike("sub-01") == lookalike("Sub-1")
    True
    """
    return re.sub(r"(?<!\d)0+(?=\d)", "", unicodedata.normalize("NFKC", text).casefold())
