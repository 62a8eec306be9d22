"""One file from the web, verified by a known checksum, with the package pooch."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pooch
import requests
import tenacity
from tqdm import tqdm

from ser.core.errors import UserError
from ser.sources.limits import Limits, TooMuchError, TooSlowError, Transfer, supervise

_TRIES = 3
_TIMEOUT = (8, 30)  # seconds, to connect and between two blocks
_BLOCK = 2**14  # bytes: few enough that a slow download is seen to go on
_REDIRECTION = 2**16  # bytes of the page that comes with one
_ABANDONED = 3600  # seconds since anything was written


@dataclass(frozen=True)
class Advice:
    """What a user can do if a download fails.

    Attributes:
        hosts: the setting that lists the hosts it may come from.
        missing: what to do if the file does not exist.
        changed: what to do if it is another file.
        offline: what to do without a network.
    """

    hosts: str
    missing: str
    changed: str
    offline: str


class _BusyError(Exception):
    """No answer, or an error that another try may cure."""


def cache_folder() -> Path:
    """Return the folder where downloads are cached."""
    return Path(pooch.os_cache("ser"))


def download(
    url: str,
    checksum: str,
    redirect_hosts: Sequence[str],
    advice: Advice,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
) -> Path:
    """Download a file into the user's cache folder, unless it is there with the right checksum.

    Args:
        url: address of the file.
        checksum: <algorithm>:<hexadecimal digits>.
        redirect_hosts: other hosts that the download may be redirected to.
        advice: for the errors.
        limits: how much the server may send, and how slowly.

    Returns:
        Path of the file.

    Raises:
        UserError: it cannot be downloaded, has another checksum, comes from another host, or is too
            large or too slow.
    """
    allowed = {urlsplit(url).hostname, *redirect_hosts}

    def refuse_other_hosts(response: requests.Response, **_: Any) -> None:  # noqa: ANN401
        # A compressed file stays compressed, even if the server calls that an encoding.
        response.raw.headers.pop("content-encoding", None)
        if not response.is_redirect:
            return
        try:
            there = urlsplit(urljoin(response.url, response.headers["location"]))
        except ValueError:
            raise UserError(
                f"{url} is redirected to something that is not an address: refused"
            ) from None
        if allowed.isdisjoint({there.hostname, there.netloc}):
            raise UserError(
                f"{url} is redirected to {there.netloc}, which {advice.hosts} does not name: "
                "refused"
            )
        # Else requests reads the whole page, however long.
        if len(response.raw.read(_REDIRECTION + 1, decode_content=False)) > _REDIRECTION:
            raise UserError(
                f"{url} is redirected with a page of more than {_REDIRECTION:,} bytes: refused"
            )

    def fetch(address: str, target: str, _pooch: object) -> None:
        transfer = Transfer(limits.archive)

        def receive() -> None:
            with (
                requests.get(
                    address,
                    stream=True,
                    timeout=_TIMEOUT,
                    hooks={"response": refuse_other_hosts},
                    headers={"Accept-Encoding": "identity"},
                ) as response,
                # Pooch has made it, and has removed it again if the download was given up.
                Path(target).open("r+b") as file,
                tqdm(
                    desc=Path(urlsplit(url).path).name, unit="B", unit_scale=True, disable=None
                ) as bar,
            ):
                response.raise_for_status()
                bar.reset(int(response.headers.get("content-length", 0)))
                for block in transfer.count(response.iter_content(_BLOCK)):
                    file.write(block)
                    bar.update(len(block))

        try:
            supervise(receive, lambda: transfer.received, limits)
        finally:
            transfer.give_up()

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_BusyError),
        stop=tenacity.stop_after_attempt(_TRIES),
        wait=tenacity.wait_exponential(0.5),
        reraise=True,
    )
    try:
        return retrying(_retrieve, url, checksum, fetch, advice)
    except (_BusyError, TooSlowError) as error:
        raise UserError(
            f"no usable answer from {url} ({error}): run again; without a network, {advice.offline}"
        ) from None
    except TooMuchError as error:
        raise UserError(f"{url} sends {error}: refused; {advice.offline}") from None


def _remove_leftovers(folder: Path) -> None:
    """Remove unfinished downloads of a pooch that was killed."""
    for path in folder.glob("tmp*"):
        if time.time() - path.stat().st_mtime > _ABANDONED:
            path.unlink(missing_ok=True)


def _retrieve(
    url: str, checksum: str, fetch: Callable[[str, str, object], None], advice: Advice
) -> Path:
    folder = cache_folder()
    _remove_leftovers(folder)
    try:
        return Path(pooch.retrieve(url, checksum, path=folder, downloader=fetch))
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status == 429 or status >= 500:
            raise _BusyError(f"HTTP {status}") from None
        raise UserError(f"{url} cannot be downloaded: HTTP {status}; {advice.missing}") from None
    except requests.RequestException as error:
        raise _BusyError(type(error).__name__) from None
    except ValueError:
        # pooch has already removed it.
        raise UserError(
            f"{url} is not the file with the checksum {checksum}: {advice.changed}"
        ) from None
