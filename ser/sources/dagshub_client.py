"""Requests to DagsHub's REST API about one repository, repeated if that may help.

The package `dagshub` knows the host and the addresses. It makes no requests here: without a token
it starts a login, and it neither verifies nor resumes downloads.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

import httpx
import tenacity
from dagshub.common import config
from dagshub.common.api.repo import RepoAPI
from pydantic import TypeAdapter, ValidationError

from ser.core.errors import UserError

T = TypeVar("T")

_TRIES = 5
_TIMEOUT = httpx.Timeout(15, connect=8)  # seconds
_FIRST_TRIES = 3  # so that a computer without a network gets the error soon
_FIRST_CONTACT = 15  # seconds, all tries and the name look-up included
_LONGEST_WAIT = 30  # seconds, whatever Retry-After says
_BACK_OFF = tenacity.wait_exponential(0.25, max=8) + tenacity.wait_random(0, 0.25)  # seconds
_REDIRECTS = 5
_LOGIN = re.compile(r"/(login|oauth2?)(/|$)", re.IGNORECASE)
_OFFLINE = (
    "without a network, run `make demo`, or give pull.sources in params.yaml a `path:` source, "
    "a folder or zip of recordings on this computer"
)


class TransientError(Exception):
    """No answer, or an error that another try may cure."""

    def __init__(self, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class NotFoundError(Exception):
    """HTTP 404."""


class Client:
    """Requests about one repository. DAGSHUB_USER_TOKEN is sent if it is set."""

    def __init__(self, repo: str, redirect_hosts: Sequence[str]) -> None:
        # An explicit auth prevents the package from starting a login; this one adds nothing.
        self.api = RepoAPI(repo, host=config.host, auth=httpx.Auth())
        self.stopped = Event()  # once it is set, no request is tried again
        self._redirect_hosts = redirect_hosts
        self._token = _token()
        headers = {**config.requests_headers, "Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"  # httpx keeps it from other hosts
        self._http = httpx.Client(
            headers=headers,
            timeout=_TIMEOUT,
            follow_redirects=True,
            max_redirects=_REDIRECTS,
            event_hooks={"response": [self._check]},
        )

    def close(self) -> None:
        """End all tries and all connections."""
        self.stopped.set()
        self._http.close()

    def first_contact(self, form: TypeAdapter[T]) -> T:
        """Get the repository itself; gives up sooner than the other requests.

        Raises:
            UserError, NotFoundError: as in `ask`.
        """
        url = self.api.repo_api_url
        try:
            return _within(_FIRST_CONTACT, lambda: self.ask(url, form, _FIRST_TRIES))
        except TimeoutError:
            raise UserError(
                f"no usable answer from {self.api.host} within {_FIRST_CONTACT} seconds: {_OFFLINE}"
            ) from None

    def ask(self, url: str, form: TypeAdapter[T], tries: int = _TRIES, **params: str) -> T:
        """Get JSON of the given form.

        Raises:
            UserError: no answer, one that needs a token, or one of another form.
            NotFoundError: the address does not exist.
        """

        def attempt() -> bytes:
            with self._answer(url, params) as response:
                return response.read()

        try:
            return form.validate_json(self._try(attempt, tries))
        except TransientError as error:
            raise UserError(f"no usable answer from {url} ({error}): {_OFFLINE}") from None
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise UserError(f"{url} gave an unexpected answer: {problem}") from None

    def save(self, path: str, commit: str, target: Path) -> None:
        """Download a file of the repository.

        Raises:
            UserError: the answer needs a token.
            NotFoundError: the file does not exist.
            TransientError: no answer, or only a part of one.
        """
        url = self.api.raw_api_url(path, commit)

        def attempt() -> None:
            # A body shorter than its Content-Length is an httpx.RequestError.
            with self._answer(url) as response, target.open("wb") as stream:
                stream.writelines(response.iter_bytes())

        self._try(attempt, _TRIES)

    def _try(self, attempt: Callable[[], T], tries: int) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(tries) | tenacity.stop_when_event_set(self.stopped),
            wait=_wait,
            sleep=tenacity.sleep_using_event(self.stopped),
            reraise=True,
        )
        return retrying(attempt)

    @contextmanager
    def _answer(self, url: str, params: dict[str, str] | None = None) -> Iterator[httpx.Response]:
        """Send one request and follow its redirections, without reading the body yet."""
        try:
            with self._http.stream("GET", url, params=params or None) as response:
                yield response
        except httpx.TooManyRedirects:
            raise UserError(f"{url} redirects more than {_REDIRECTS} times") from None
        except httpx.RequestError as error:
            raise TransientError(f"{type(error).__name__}: {error}") from None
        except httpx.InvalidURL as error:
            raise UserError(f"{url} or where it redirects to is not an address: {error}") from None

    def _check(self, response: httpx.Response) -> None:
        """Check that a response is content or an allowed redirection; httpx calls this for each."""
        url, status = response.url, response.status_code
        if response.has_redirect_location:
            self._check_redirection(url, url.join(response.headers["location"]))
        elif status in (401, 403):
            raise self._login_needed(f"{url} answers HTTP {status}")
        elif status == 404:
            raise NotFoundError("HTTP 404")
        elif status == 429 or status >= 500:
            asked = response.headers.get("retry-after", "")
            raise TransientError(f"HTTP {status}", float(asked) if asked.isdecimal() else 0.0)
        elif status != 200:
            raise UserError(f"{url} answers HTTP {status}")
        elif response.headers.get("content-type", "").startswith("text/html"):
            raise self._login_needed(f"{url} answers with a web page")

    def _check_redirection(self, here: httpx.URL, there: httpx.URL) -> None:
        if _LOGIN.search(there.path):
            raise self._login_needed(f"{here} redirects to a login page")
        host, address = there.host, there.netloc.decode()
        allowed = {httpx.URL(self.api.host).host, *self._redirect_hosts}
        if allowed.isdisjoint({host, address}):
            raise UserError(
                f"{here} redirects to another host, {address}: if you trust it, add it to "
                "pull.redirect_hosts in params.yaml"
            )

    def _login_needed(self, what: str) -> UserError:
        if self._token:
            return UserError(f"{what}: the token in DAGSHUB_USER_TOKEN does not give access to it")
        return UserError(
            f"{what}: set the environment variable DAGSHUB_USER_TOKEN to a token from "
            f"{self.api.host}/user/settings/tokens"
        )


def _token() -> str:
    token = os.environ.get("DAGSHUB_USER_TOKEN", "").strip()
    # A header that cannot be sent would raise an exception that shows the token.
    if not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
        raise UserError(
            "DAGSHUB_USER_TOKEN is not a token: it has blanks or unprintable characters"
        )
    return token


def _wait(state: tenacity.RetryCallState) -> float:
    """Return the seconds until the next try: exponential, but no sooner than the server asks."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, TransientError) else 0.0
    return max(_BACK_OFF(state), min(asked, _LONGEST_WAIT))


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Call with a time limit; socket timeouts cover neither name look-ups nor a slow trickle."""
    future: Future[T] = Future()

    def answer() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=answer, daemon=True).start()
    return future.result(timeout=seconds)
