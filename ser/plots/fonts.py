"""Choose fonts for texts in any script: users name emotions, speakers and files."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.text import Text


def choose_fonts(texts: Sequence[Text]) -> None:
    """Add other fonts of this computer for characters that a text's own font lacks."""
    for text in texts:
        missing = (
            frozenset(text.get_text())
            - {"\n"}
            - _characters_of(findfont(text.get_fontproperties()))
        )
        if others := _fonts_with(missing):
            text.set_fontfamily([*text.get_fontfamily(), *others])


@cache
def _characters_of(font: str) -> frozenset[str]:
    """Return the characters that a font has."""
    return frozenset(map(chr, get_font(font).get_charmap()))


@cache
def _fonts_with(characters: frozenset[str]) -> list[str]:
    """Return font families that together have most of some characters, best families first."""
    if not characters:
        return []
    found: dict[str, frozenset[str]] = {}
    for entry in fontManager.ttflist:
        if not entry.name.startswith("Last Resort"):  # has a placeholder for each character
            held = characters.intersection(map(chr, get_font(entry.fname).get_charmap()))
            found[entry.name] = found.get(entry.name, frozenset()) | held
    chosen = []
    while characters:
        best = max(sorted(found), key=lambda family: len(found[family] & characters))
        if not found[best] & characters:
            break
        chosen.append(best)
        characters -= found[best]
    return chosen


@contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Silence matplotlib's warnings about missing characters, which are drawn as boxes."""
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(Glyph|Matplotlib currently does not support)")
            yield
    finally:
        log.setLevel(level)
