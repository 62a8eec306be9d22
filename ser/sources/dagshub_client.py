"""Requests to DagsHub's REST API about one repository, repeated if that may help.

The package `dagshub` knows the host and the addresses. It makes no requests here: without a token
it starts a login, and it neither verifies nor resumes downloads.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TypeVar

import httpx
import tenacity
from dagshub.common import config
from dagshub.common.api.repo import RepoAPI
from pydantic import TypeAdapter, ValidationError

from ser.core.errors import UserError
from ser.sources.limits import Limits, TooMuchError, TooSlowError, Transfer, supervise

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

    def __init__(self, repo: str, redirect_hosts: Sequence[str], limits: Limits) -> None:
        # An explicit auth prevents the package from starting a login; this one adds nothing.
        self.api = RepoAPI(repo, host=config.host, auth=httpx.Auth())
        self.stopped = Event()  # once it is set, no request is tried again
        self._redirect_hosts = redirect_hosts
        self._limits = limits
        self._token = _token()
        headers = {**config.requests_headers, "Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"  # httpx keeps it from other hosts
        self._http = httpx.Client(
            headers=headers,
            timeout=_TIMEOUT,
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
        # However little arrives, until all of it has.
        in_time = replace(self._limits, seconds=_FIRST_CONTACT)
        try:
            return supervise(
                lambda: self.ask(url, form, _FIRST_TRIES), lambda: 0, in_time, self.stopped
            )
        except TooSlowError:
            raise UserError(
                f"no usable answer from {self.api.host} within {_FIRST_CONTACT} seconds: {_OFFLINE}"
            ) from None

    def ask(self, url: str, form: TypeAdapter[T], tries: int = _TRIES, **params: str) -> T:
        """Get JSON of the given form.

        Raises:
            UserError: no answer, one that needs a token, is too slow or too large, or is of another
                form.
            NotFoundError: the address does not exist.
        """
        try:
            answer = self._try(
                lambda: self._receive(url, params, self._limits.listing, b"".join), tries
            )
            return form.validate_json(answer)
        except (TransientError, TooSlowError) as error:
            raise UserError(f"no usable answer from {url} ({error}): {_OFFLINE}") from None
        except TooMuchError as error:
            raise UserError(f"{url} answers with {error}: refused") from None
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise UserError(f"{url} gave an unexpected answer: {problem}") from None

    def save(self, path: str, commit: str, target: Path, most: int) -> None:
        """Download a file of the repository that may have `most` bytes.

        Raises:
            UserError: the answer needs a token.
            NotFoundError: the file does not exist.
            TransientError: no answer, or only a part of one.
            TooMuchError: it is larger.
            TooSlowError: it arrives too slowly.
        """

        def write(blocks: Iterator[bytes]) -> None:
            with target.open("wb") as stream:
                stream.writelines(blocks)

        url = self.api.raw_api_url(path, commit)
        self._try(lambda: self._receive(url, {}, most, write), _TRIES)

    def _receive(
        self, url: str, params: dict[str, str], most: int, receive: Callable[[Iterator[bytes]], T]
    ) -> T:
        """Send one request and receive the body of its answer, as it is sent."""
        transfer = Transfer(most)

        def attempt() -> T:
            # A body shorter than its Content-Length is an httpx.RequestError.
            with self._answer(url, params) as response:
                transfer.check()
                return receive(transfer.count(response.iter_raw()))

        try:
            return supervise(attempt, lambda: transfer.received, self._limits, self.stopped)
        finally:
            transfer.give_up()

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
    def _answer(self, url: str, params: dict[str, str]) -> Iterator[httpx.Response]:
        """Send one request and follow its redirections, without reading a body yet."""
        try:
            request = self._http.build_request("GET", url, params=params or None)
            # httpx, following them itself, would read the bodies of redirections, however long.
            for _ in range(_REDIRECTS + 1):
                with closing(self._http.send(request, stream=True)) as response:
                    if response.next_request is None:
                        yield response
                        return
                    request = response.next_request
        except httpx.RequestError as error:
            raise TransientError(f"{type(error).__name__}: {error}") from None
        except httpx.InvalidURL as error:
            raise UserError(f"{url} or where it redirects to is not an address: {error}") from None
        raise UserError(f"{url} redirects more than {_REDIRECTS} times")

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
        elif (encoding := response.headers.get("content-encoding", "identity")) != "identity":
            # It would have to be unpacked before its size is known.
            raise UserError(
                f"{url} answers in the encoding {encoding!r}, although none was asked for: refused"
            )

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
