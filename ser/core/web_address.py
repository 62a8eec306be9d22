"""The address of a server, as a user names it."""

from urllib.parse import urlsplit

from ser.core.errors import UserError


def check_web_address(text: str, place_of_secrets: str) -> None:
    """Check that a text is the address of a server, http or https, without a name or password.

    Args:
        text: the address. It is in no error, because it may hold a secret.
        place_of_secrets: where name and password belong.

    Raises:
        UserError: it is not.

    >>> check_web_address("https://example.org/mlflow", "~/.netrc")
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UserError("an address such as https://example.org is expected")
    if "@" in parts.netloc:
        raise UserError(f"name and password do not belong in an address, but in {place_of_secrets}")
