"""Upload files to a repository of the Hugging Face Hub."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    close_session,
    constants,
    get_session,
    get_token,
)
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OIDCError  # type: ignore[attr-defined]

from ser.core.errors import UserError
from ser.core.web_address import check_web_address

_PATIENCE = 30.0  # seconds without a byte
_SHOWN = 200  # characters of what the Hub says


def push(
    files: Mapping[str, Path], repository: str, *, replaced: str, public: bool, message: str
) -> str:
    """Upload files in one commit to a repository of models, which is made if it is not there.

    The Hub's address is HF_ENDPOINT, if set. The token is HF_TOKEN or that of `hf auth login`.

    Args:
        files: name in the repository -> file.
        repository: <owner>/<name>.
        replaced: regular expression of the names there that are removed unless they are in files.
        public: whether everybody may read them.
        message: of the commit.

    Returns:
        The address of the repository, and who can read it.

    Raises:
        UserError: the token is missing, the Hub refuses or does not answer, or the repository is
            public and the files are not meant to be.
    """
    try:
        check_web_address(constants.ENDPOINT, "HF_TOKEN")
    except UserError as error:
        raise UserError(f"HF_ENDPOINT: {error}") from None
    page = f"{constants.ENDPOINT}/{repository}"
    close_session()  # that of an earlier call
    session = get_session()
    session.timeout = _PATIENCE
    session.follow_redirects = False
    token = _token()
    session.event_hooks["request"].append(_check_receiver)
    session.event_hooks["response"].append(_check_not_moved)
    with _explained(repository, token):
        api = HfApi(token=token, library_name="ser", library_version=metadata.version("ser"))
        api.create_repo(repository, private=not public, exist_ok=True)
        there = api.model_info(repository)
        is_private = there.private
        if not (public or is_private):
            raise UserError(
                f"{repository} can be read by everybody, so nothing was uploaded: add --public, "
                f"choose another name, or make it private at {page}/settings"
            )
        added = [CommitOperationAdd(name, str(file)) for name, file in files.items()]
        names = [file.rfilename for file in there.siblings or ()]
        old = [name for name in names if re.fullmatch(replaced, name) and name not in files]
        removed = [CommitOperationDelete(name) for name in old]
        api.create_commit(repository, [*added, *removed], commit_message=message)
    return f"{page} (can be read by {'those it is shared with' if is_private else 'everybody'})"


def _check_receiver(request: Any) -> None:  # noqa: ANN401 - of the package's own HTTP client
    """Check that a request with a token goes to the Hub.

    Raises:
        ValueError: the Hub has named another server.
    """
    url = request.url
    hub = type(url)(constants.ENDPOINT)  # in the same form, such as without the usual port
    same = (url.scheme, url.host, url.port) == (hub.scheme, hub.host, hub.port)
    if "Authorization" in request.headers and not same:
        raise ValueError(f"the token is not sent to {url.scheme}://{url.netloc.decode()}")


def _check_not_moved(response: Any) -> None:  # noqa: ANN401
    """Check that an answer is no redirection, which is not followed.

    Raises:
        ValueError: it is one.
    """
    if response.is_redirect:
        place = response.headers.get("Location", "")
        raise ValueError(f"it leads to {place}: check HF_ENDPOINT and the name of the repository")


def _token() -> str:
    """Return the user's token.

    Raises:
        UserError: there is none, or it cannot be had.
    """
    try:
        token = get_token()
    except (OIDCError, HTTPError, OSError, ValueError, LookupError) as error:
        raise UserError(
            f"the Hub needs a token, which cannot be had ({type(error).__name__}): check "
            f"{constants.HF_TOKEN_PATH}, and HF_OIDC_RESOURCE if you have set it; or "
            f"{_how_to_get_a_token()}"
        ) from None
    if token is None:
        raise UserError(f"the Hub needs a token, and there is none: {_how_to_get_a_token()}")
    return token


@contextmanager
def _explained(repository: str, token: str) -> Iterator[None]:
    """Turn errors of requests into sentences without the token.

    Raises:
        UserError: a request failed.
    """
    try:
        yield
    except (HTTPError, RuntimeError, ValueError, LookupError, TypeError) as error:
        # The upload of a large file wraps the error of its request.
        cause = error.__cause__ if isinstance(error, RuntimeError) else None
        raise UserError(_explain(cause or error, repository, token)) from None


def _explain(error: BaseException, repository: str, token: str) -> str:
    hub = f"the Hub at {constants.ENDPOINT}"
    if not isinstance(error, HTTPError):
        said = _in_a_line(str(error), token)
        return f"{hub} does not accept this, or answers in an unknown way: {said}"
    if not isinstance(error, HfHubHTTPError):
        return (
            f"no usable answer from {hub} ({type(error).__name__}): check the network and "
            "HF_ENDPOINT, and run again"
        )
    status = error.response.status_code
    said = _in_a_line(error.server_message or "", token)
    answered = f"{hub} answers HTTP {status}{said and f': {said}'}"
    if status == 401:
        return f"{answered}; the token is not valid: {_how_to_get_a_token()}"
    if status in (403, 404):
        return (
            f"{answered}; if the token may not write to {repository}, use a name of your own, or "
            f"another token: {_how_to_get_a_token()}"
        )
    if status in (409, 412):
        return f"{answered}; somebody else has changed {repository} meanwhile: run again"
    if status == 429 or status >= 500:
        return f"{answered}; run again later"
    return f"{answered}; the Hub does not take this: correct what it names, and run again"


def _how_to_get_a_token() -> str:
    return (
        f"set HF_TOKEN to one with the right to write, from {constants.ENDPOINT}/settings/tokens, "
        "or run `hf auth login`"
    )


def _in_a_line(text: str, token: str) -> str:
    """Return the start of what the Hub says, without the token."""
    return " ".join(text.replace(token, "***").split())[:_SHOWN]
