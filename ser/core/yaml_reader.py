"""YAML as DVC reads it: version 1.2, in which yes, no, on and off are words."""

import math
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ser.core.errors import UserError

_MOST_VALUES = 100_000
_MERGE = re.compile(r"^[\s\-{?\[,]*<<\s*:|[{,]\s*<<\s*:", re.MULTILINE)
# What to do about a word that YAML reads as another type of value.
IN_QUOTES = "write words that YAML would read otherwise, such as 0, 01 or true, in quotes: '01'"


def read_yaml(text: str | bytes, where: str) -> Any:  # noqa: ANN401 - any YAML value
    """Read YAML.

    Args:
        text: the file's content, in UTF-8.
        where: the file's name, for the error.

    Raises:
        UserError: it is not YAML, a mapping has a key twice, or it is nested or repeated by aliases
            beyond all use.
    """
    try:
        # DVC requires UTF-8; ruamel.yaml alone would accept other encodings too.
        plain = text.decode() if isinstance(text, bytes) else text
        if _MERGE.search(plain):
            raise ValueError("a merge (<<) is not read: write its keys out")
        values = YAML(typ="safe", pure=True).load(plain)
        count = _count(values, {})
    except (YAMLError, ValueError) as error:
        # What follows is advice about ruamel.yaml, and about Python.
        reason = str(error).partition("\n\n")[0].partition("; use sys.")[0]
        raise UserError(f"{where} is not valid YAML: {reason}") from None
    except RecursionError:
        raise UserError(f"{where} is nested too deeply to be read") from None
    if count > _MOST_VALUES:
        raise UserError(
            f"{where} has more than {_MOST_VALUES:,} values, aliases (*name) written out: write "
            "fewer, or repeat less"
        )
    return values


def _count(value: Any, counts: dict[int, float]) -> float:  # noqa: ANN401 - any YAML value
    """Count the values in a value, each as often as aliases repeat it.

    Args:
        value: what was read.
        counts: those of the lists and mappings counted so far, by their identities.

    Returns:
        Infinity if it contains itself.
    """
    if not isinstance(value, list | dict):
        return 1
    if id(value) not in counts:
        counts[id(value)] = math.inf  # while it is being counted
        inner = value.values() if isinstance(value, dict) else value
        counts[id(value)] = 1 + sum(_count(each, counts) for each in inner)
    return counts[id(value)]
