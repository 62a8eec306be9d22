"""Upload files to a repository of the Hugging Face Hub."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, constants, get_session, get_token
from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

from ser.core.errors import UserError
from ser.core.web_address import check_web_address

_PATIENCE = 30.0  # seconds without a byte
_SHOWN = 200  # characters of what the Hub says


def push(files: Mapping[str, Path], repository: str, *, public: bool, message: str) -> str:
    """Upload files in one commit to a repository of models, which is made if it is not there.

    The Hub's address is HF_ENDPOINT, if set. The token is HF_TOKEN or that of `hf auth login`.

    Args:
        files: name in the repository -> file.
        repository: <owner>/<name>.
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
    token = get_token()
    if token is None:
        raise UserError(f"the Hub needs a token, and there is none: {_how_to_get_a_token()}")
    get_session().timeout = _PATIENCE
    with _explained(repository, token):
        api = HfApi(token=token, library_name="ser")
        api.create_repo(repository, private=not public, exist_ok=True)
        is_private = api.model_info(repository).private
        if not (public or is_private):
            raise UserError(
                f"{repository} can be read by everybody, so nothing was uploaded: add --public, "
                f"choose another name, or make it private at {page}/settings"
            )
        added = [CommitOperationAdd(name, str(file)) for name, file in files.items()]
        api.create_commit(repository, added, commit_message=message)
    return f"{page} (can be read by {'those it is shared with' if is_private else 'everybody'})"


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
        text = _explain(cause or error, repository).replace(token, "***")
        raise UserError(text) from None


def _explain(error: BaseException, repository: str) -> str:
    hub = f"the Hub at {constants.ENDPOINT}"
    if not isinstance(error, HTTPError):
        return f"{hub} does not accept this, or answers in an unknown way: {_in_a_line(str(error))}"
    if not isinstance(error, HfHubHTTPError):
        return (
            f"no usable answer from {hub} ({type(error).__name__}): check the network and "
            "HF_ENDPOINT, and run again"
        )
    status = error.response.status_code
    said = _in_a_line(error.server_message or "")
    answered = f"{hub} answers HTTP {status}{said and f': {said}'}"
    if status == 401:
        return f"{answered}; the token is not valid: {_how_to_get_a_token()}"
    if status in (403, 404):
        return (
            f"{answered}; the token may not write to {repository}: use a name of your own, or "
            f"another token: {_how_to_get_a_token()}"
        )
    if status == 429 or status >= 500:
        return f"{answered}; run again later"
    return answered


def _how_to_get_a_token() -> str:
    return (
        f"set HF_TOKEN to one with the right to write, from {constants.ENDPOINT}/settings/tokens, "
        "or run `hf auth login`"
    )


def _in_a_line(text: str) -> str:
    return " ".join(text.split())[:_SHOWN]
