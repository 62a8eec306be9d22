"""The first error that pydantic found, in one line."""

from pydantic import ValidationError

_SHOWN = 80  # characters of a value


def first_problem(error: ValidationError) -> str:
    """Return the first wrong key and what is wrong with it."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{key} is missing"
    if first["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    if first["type"] == "value_error":
        return f"{key}: {first['ctx']['error']}" if key else str(first["ctx"]["error"])
    if first["type"] in ("model_type", "dict_type"):
        return f"{key or 'all'} = {repr(first['input'])[:_SHOWN]}: a mapping is expected"
    return f"{key} = {repr(first['input'])[:_SHOWN]}: {first['msg'][0].lower()}{first['msg'][1:]}"
