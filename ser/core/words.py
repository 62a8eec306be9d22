"""What people type in several ways and mean as one: accents, blanks, what nobody sees, case."""

import re
import unicodedata

# Cf: characters that have no shape, such as a byte order mark or a soft hyphen. The two joiners
# have none either, and change the letters around them in Persian and in the scripts of India.
_INVISIBLE = "Cf"
_JOINERS = "\u200c\u200d"


def composed(text: str) -> str:
    """Return a text with each accent and its letter in the one form that both ways of typing have.

    The form is NFC of Unicode's annex 15. It changes nothing that can be seen: full-width digits
    stay what they are.
    """
    return unicodedata.normalize("NFC", text)


def tidied(text: str) -> str:
    """Return a text composed, without blanks around it and without what cannot be seen.

    Blanks of any kind and number within it, such as one that does not break, become one space.
    """
    seen = (c for c in text if c in _JOINERS or unicodedata.category(c) != _INVISIBLE)
    return " ".join(composed("".join(seen)).split())


def folded(text: str) -> str:
    """Return a text tidied and in lower case, to compare words by."""
    return composed(tidied(text).lower())


def lookalike(text: str) -> str:
    """Return what a name shares with others that may mean the same: sub-01, Sub-1."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", unicodedata.normalize("NFKC", text).casefold())
