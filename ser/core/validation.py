"""What pydantic finds wrong with a file's values, in a line for each mistake."""

from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ser.core.errors import UserError
from ser.core.yaml_reader import IN_QUOTES

Checked = TypeVar("Checked", bound=BaseModel)

_SHOWN = 200  # characters of a value
# What pydantic misses -> what is expected of a key that has no value.
_EMPTY = {"dict_type": "a mapping expected, {}", "list_type": "a list expected, []"}


def check(model: type[Checked], values: object) -> Checked:
    """Check the values of a file.

    Raises:
        ValueError: one line about the first mistake.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ValueError(_lines(error, model)[0]) from None


def check_settings(model: type[Checked], values: object, where: str) -> Checked:
    """Check the values of a file of settings, before anything runs.

    Args:
        model: the form that they must have.
        values: content of the file.
        where: the file's name, for the error.

    Raises:
        UserError: names every wrong key, its value and what is allowed.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = "\n".join(f"  {line}" for line in _lines(error, model))
        raise UserError(f"{where} is not valid:\n{lines}") from None


def _lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Write a line for each mistake: key, value, what is expected.

    Args:
        error: what validating some values raised.
        model: what they were to be.
    """
    return [_explain(dict(each), model) for each in error.errors()]


def _explain(error: dict[str, Any], model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in error["loc"] if part != "[key]")
    kind, message, value = error["type"], error["msg"], repr(error["input"])[:_SHOWN]
    if kind == "extra_forbidden":
        return f"{key}: unknown key, allowed here: {', '.join(_keys_beside(error['loc'], model))}"
    if kind == "missing":
        return f"{key}: missing"
    if kind == "value_error":
        return f"{key}: {error['ctx']['error']}" if key else str(error["ctx"]["error"])
    if kind == "model_type":
        return f"{key or 'the file'} = {value}: a mapping of keys to values expected"
    if error["input"] is None and kind in _EMPTY:
        return f"{key} = None: {_EMPTY[kind]} where there is nothing"
    if kind == "string_type":
        return f"{key} = {value}: text expected; {IN_QUOTES}"
    return f"{key} = {value}: {message[0].lower()}{message[1:]}"


def _keys_beside(loc: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """List the keys that the model allows where `loc` is."""
    section: Any = model
    for key in loc[:-1]:
        section = _plain(section)
        if get_origin(section) is dict:
            section = get_args(section)[1]
        else:
            section = section.model_fields[key].annotation
    return list(_plain(section).model_fields)


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - a type
    """Take Annotated and Optional off a type."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    others = [each for each in get_args(annotation) if each is not type(None)]
    is_optional = type(None) in get_args(annotation) and len(others) == 1
    return _plain(others[0]) if is_optional else annotation
