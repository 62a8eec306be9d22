"""YAML as params.yaml and its like are read: as DVC reads it, but that every key is a word."""

from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import MappingNode, ScalarNode

from ser.errors import UserError

# What to do about a word that is another type of value, as YAML reads it.
IN_QUOTES = "write what YAML takes for something else, such as 0 or true, in quotes: '0'"


class _WordsAsKeys(SafeConstructor):
    """Keeps keys as they are written: 0, 01, 1.5, null and dates are labels of somebody's."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> Any:  # noqa: ANN401
        self.flatten_mapping(node)
        for key, _ in node.value:
            if isinstance(key, ScalarNode):
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


def read_yaml(text: str | bytes, where: str) -> Any:  # noqa: ANN401 - any YAML value
    """Read YAML 1.2, in which yes, no, on and off are words.

    Args:
        text: of the file, in UTF-8.
        where: the file's name, for the error.

    Raises:
        UserError: it is no YAML, or a mapping has a key twice.
    """
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _WordsAsKeys
    try:
        return reader.load(text.decode() if isinstance(text, bytes) else text)
    except (YAMLError, ValueError) as error:
        # What follows an empty line is advice about ruamel.yaml.
        reason = str(error).partition("\n\n")[0]
        raise UserError(f"{where} is no valid YAML: {reason}") from None
