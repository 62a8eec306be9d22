"""YAML as DVC reads it: version 1.2, in which yes, no, on and off are words."""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ser.core.errors import UserError

# What to do about a word that YAML reads as another type of value.
IN_QUOTES = "write words that YAML would read otherwise, such as 0, 01 or true, in quotes: '01'"


def read_yaml(text: str | bytes, where: str) -> Any:  # noqa: ANN401 - any YAML value
    """Read YAML.

    Args:
        text: the file's content, in UTF-8.
        where: the file's name, for the error.

    Raises:
        UserError: it is not YAML, or a mapping has a key twice.
    """
    try:
        # DVC requires UTF-8; ruamel.yaml alone would accept other encodings too.
        return YAML(typ="safe", pure=True).load(text.decode() if isinstance(text, bytes) else text)
    except (YAMLError, ValueError) as error:
        # What follows an empty line is advice about ruamel.yaml.
        reason = str(error).partition("\n\n")[0]
        raise UserError(f"{where} is not valid YAML: {reason}") from None
