"""The audio files of a DagsHub repository, fetched over its REST interface.

The client package knows the host and the addresses; the requests are made here, because the
client starts a login when it has no token, and neither verifies nor resumes what it downloads.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event, Thread
from typing import Any, Literal, TypeVar

import httpx
from dagshub.common import config
from dagshub.common.api.repo import RepoAPI
from pydantic import BaseModel, TypeAdapter, ValidationError, field_validator
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)
from tqdm import tqdm

from ser.errors import UserError

Verify = Literal["hash", "size"]
Check = Literal["md5", "git_hash", "size", "unverified"]
Result = TypeVar("Result")

# Which commit a folder was filled from. Without it, files that the listing gives neither size nor
# hash for could not be told from those of a former source.
MARK = ".source"

_THREADS = 8
_TRIES = 5
_TIMEOUT = httpx.Timeout(15, connect=8)  # seconds
_FIRST_CONTACT = 15  # seconds, all tries and the name look-up included
_LONGEST_WAIT = 30  # seconds, whatever Retry-After says
_BACK_OFF = wait_exponential(multiplier=0.25, max=8) + wait_random(0, 0.25)  # seconds
_REDIRECTS = 5
_SHOWN = 20
_LOGIN = re.compile(r"/(login|oauth2?)(/|$)", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_GIT_BLOB = re.compile(r"[0-9a-f]{40}")
_OFFLINE = (
    "without a network, run `make demo`, or give pull.sources in params.yaml a `path:` source, "
    "a folder or zip of recordings on this computer"
)


class _TransientError(Exception):
    """A failure that another try may mend."""

    def __init__(self, text: str, retry_after: float = 0.0, final: bool = False) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.final = final


class _MismatchError(_TransientError):
    """A file that arrived whole and is not the listed one."""


class _NotFoundError(Exception):
    """HTTP 404."""


@dataclass(frozen=True)
class Pulled:
    """What a source brought: its commit if it has one, and what each file was verified by."""

    commit: str | None
    files: dict[str, Check]


class _Entry(BaseModel):
    """One line of a folder's listing; None or '' where the server says nothing."""

    path: str
    type: str
    versioning: str | None = None
    size: int | None = None
    hash: str = ""

    @field_validator("path")
    @classmethod
    def _plain_path(cls, value: str) -> str:
        return PurePosixPath(value).as_posix()

    @field_validator("size", mode="before")
    @classmethod
    def _known_size(cls, value: object) -> int | None:
        # The server counts sizes only on request, and may answer 0 for "not counted".
        return value if isinstance(value, int) and value > 0 else None

    @field_validator("hash", mode="before")
    @classmethod
    def _known_hash(cls, value: object) -> str:
        return value.lower() if isinstance(value, str) else ""

    def check(self, verify: Verify) -> Check:
        """What a copy of this file can be verified by."""
        if verify == "hash" and _MD5.fullmatch(self.hash):
            return "md5"
        if verify == "hash" and _GIT_BLOB.fullmatch(self.hash):
            return "git_hash"
        return "size" if self.size else "unverified"

    def mismatch(self, local: Path, verify: Verify) -> str | None:
        """How a local file differs from this one, None where it does not."""
        size = local.stat().st_size
        if self.size and size != self.size:
            return f"{size} bytes, expected {self.size}"
        check = self.check(verify)
        if check in ("md5", "git_hash"):
            digest = _digest(local, check)
            if digest != self.hash:
                return f"{check} {digest}, expected {self.hash}"
        return None


_Listing = TypeAdapter(list[_Entry])


def _digest(path: Path, check: Check) -> str:
    if check == "md5":
        hasher = hashlib.md5(usedforsecurity=False)
    else:
        header = f"blob {path.stat().st_size}\0".encode()
        hasher = hashlib.sha1(header, usedforsecurity=False)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hasher).hexdigest()


def is_audio(path: str) -> bool:
    """Whether a path names one of the files that a corpus consists of."""
    return path.lower().endswith(".wav")


def require_audio(audio: Sequence[str], seen: Sequence[str], source: str) -> None:
    """Refuse a source without audio files.

    Raises:
        UserError: saying what is there instead.
    """
    if not audio:
        examples = f", for example {', '.join(sorted(seen)[:3])}" if seen else ""
        raise UserError(f"{source} has no audio files (*.wav): {len(seen)} files seen{examples}")


def refuse_to_leave(path: str, source: str) -> None:
    """Refuse a path that leaves the folder it is relative to.

    Raises:
        UserError: naming the path.
    """
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        raise UserError(f"{source} names a file {path!r} outside of its own folders: refused")


def inside(folder: Path, path: str, source: str) -> Path:
    """Where a file of a source goes, keeping its path inside the source.

    Raises:
        UserError: it would leave the folder.
    """
    refuse_to_leave(path, source)
    target = folder / path
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{target.parent} is a link that leaves {folder}: remove it")
    return target


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give the name to write a file under; it gets its final one only when nothing failed.

    The file is replaced, never written into: DVC may have linked it to its cache.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _wait(state: RetryCallState) -> float:
    """Seconds until the next try: exponential, with jitter, and no sooner than the server asks."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, _TransientError) else 0.0
    return max(_BACK_OFF(state), min(asked, _LONGEST_WAIT))


def _worth_another_try(error: BaseException) -> bool:
    return isinstance(error, _TransientError) and not error.final


def _within(seconds: float, call: Callable[[], Result]) -> Result:
    """Call with a limit in time, which no timeout of a socket gives a name look-up or a drip."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future.result(timeout=seconds)


def _token() -> str:
    token = os.environ.get("DAGSHUB_USER_TOKEN", "").strip()
    # A header that cannot be sent would end in an exception that shows it.
    if not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
        raise UserError("DAGSHUB_USER_TOKEN is no token: it has blanks or unprintable characters")
    return token


class _Client:
    """Requests to DagsHub about one repository."""

    def __init__(self, repo: str, redirect_hosts: Sequence[str]) -> None:
        # An explicit auth keeps the package from starting a login; this one adds nothing.
        self.api = RepoAPI(repo, host=config.host, auth=httpx.Auth())
        self.stopped = Event()
        self._redirect_hosts = redirect_hosts
        token = _token()
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            headers={**config.requests_headers, "Accept-Encoding": "identity"},
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=_THREADS),
        )
        self.try_often = Retrying(
            retry=retry_if_exception(_worth_another_try),
            stop=stop_after_attempt(_TRIES) | stop_when_event_set(self.stopped),
            wait=_wait,
            sleep=sleep_using_event(self.stopped),
            reraise=True,
        )

    def close(self) -> None:
        """End all waiting for another try, and all connections."""
        self.stopped.set()
        self._http.close()

    def json(self, url: str, **params: str) -> Any:  # noqa: ANN401 - any JSON value
        """Ask, again if need be.

        Raises:
            UserError: no answer, one that needs a token, or none that could be understood.
            _NotFoundError: there is no such thing.
        """

        def ask() -> Any:  # noqa: ANN401
            with self._answer(str(httpx.URL(url, params=params or None))) as response:
                response.read()
                try:
                    return response.json()
                except ValueError:
                    raise UserError(f"{url} did not answer with JSON") from None

        try:
            return self.try_often(ask)
        except _TransientError as error:
            raise UserError(f"no usable answer from {url} ({error}): {_OFFLINE}") from None

    def save(self, path: str, commit: str, part: Path) -> None:
        """Download a file, once.

        Raises:
            UserError: the answer needs a token.
            _NotFoundError: there is no such file.
            _TransientError: no answer, or only the beginning of one.
        """
        url = self.api.raw_api_url(path, commit)
        with self._answer(url) as response, part.open("wb") as stream:
            for chunk in response.iter_bytes():
                stream.write(chunk)

    @contextmanager
    def _answer(self, url: str) -> Iterator[httpx.Response]:
        """Send one request and follow its redirections; the body is not read yet."""
        home = httpx.URL(self.api.host)
        try:
            here = httpx.URL(url)
            for _ in range(_REDIRECTS):
                at_home = (here.scheme, here.netloc) == (home.scheme, home.netloc)
                headers = self._authorization if at_home else {}
                with self._http.stream("GET", here, headers=headers) as response:
                    if not response.has_redirect_location:
                        self._require_content(response)
                        # A body shorter than its Content-Length is an httpx.RequestError.
                        yield response
                        return
                    here = self._redirection(response, home)
        except httpx.RequestError as error:
            raise _TransientError(f"{type(error).__name__}: {error}") from None
        except httpx.InvalidURL as error:
            raise UserError(f"{url} or where it redirects to is no address: {error}") from None
        raise UserError(f"{url} redirects more than {_REDIRECTS} times")

    def _redirection(self, response: httpx.Response, home: httpx.URL) -> httpx.URL:
        there = response.url.join(response.headers["location"])
        if _LOGIN.search(there.path):
            raise self._login_needed(f"{response.url} redirects to a login page")
        hosts = {there.host, there.netloc.decode()}
        if there.host != home.host and not hosts.intersection(self._redirect_hosts):
            raise UserError(
                f"{response.url} redirects to another host, {there.netloc.decode()}: if you trust "
                "it, add it to pull.redirect_hosts in params.yaml"
            )
        return there

    def _require_content(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in (401, 403):
            raise self._login_needed(f"{response.url} answers HTTP {status}")
        if status == 404:
            raise _NotFoundError(f"{response.url} answers HTTP 404")
        if status == 429 or status >= 500:
            asked = response.headers.get("retry-after", "")
            raise _TransientError(f"HTTP {status}", float(asked) if asked.isdecimal() else 0.0)
        if status != 200:
            raise UserError(f"{response.url} answers HTTP {status}")
        if response.headers.get("content-type", "").startswith("text/html"):
            raise self._login_needed(f"{response.url} answers with a web page")

    def _login_needed(self, what: str) -> UserError:
        if self._authorization:
            return UserError(f"{what}: the token in DAGSHUB_USER_TOKEN does not give access to it")
        return UserError(
            f"{what}: set the environment variable DAGSHUB_USER_TOKEN to a token from "
            f"{self.api.host}/user/settings/tokens"
        )


def fetch(
    repo: str, revision: str | None, folder: Path, verify: Verify, redirect_hosts: Sequence[str]
) -> Pulled:
    """Bring the audio files of a repository into a folder, as of one commit.

    Files that are there already and are right are kept. DAGSHUB_USER_TOKEN is sent if it is set.

    Args:
        repo: owner/name.
        revision: branch or commit, None for the tip of the default branch.
        folder: where the files go; their paths in the repository are kept.
        verify: whether files must have the listed hash, or only the listed size.
        redirect_hosts: other hosts that a download may be redirected to.

    Raises:
        UserError: what was missing, wrong or not allowed, and what to do.
    """
    with closing(_Client(repo, redirect_hosts)) as client:
        commit = _commit(client, revision)
        files = _list(client, commit)
        targets = {file.path: inside(folder, file.path, client.api.repo_url) for file in files}
        _distrust_other_sources(folder, f"{client.api.repo_url}@{commit}\n", files, verify)
        _download(client, commit, files, targets, verify)
    return Pulled(commit, {file.path: file.check(verify) for file in files})


def _commit(client: _Client, revision: str | None) -> str:
    """The id of the commit that a revision means now."""
    api = client.api
    try:
        info = _within(_FIRST_CONTACT, lambda: client.json(api.repo_api_url))
    except TimeoutError:
        raise UserError(
            f"no usable answer from {api.host} within {_FIRST_CONTACT} seconds: {_OFFLINE}"
        ) from None
    except _NotFoundError:
        raise UserError(
            f"{api.repo_url} does not exist, or is private: correct pull.sources in params.yaml, "
            "or set DAGSHUB_USER_TOKEN to the token of somebody who may read it"
        ) from None
    branch = revision or (info.get("default_branch") if isinstance(info, dict) else None)
    if not isinstance(branch, str) or not branch:
        raise UserError(f"{api.repo_url} has no default branch: is it empty?")
    for url in (api.branch_url(branch), api.commit_url(branch)):
        try:
            answer = client.json(url)
        except _NotFoundError:
            continue
        if isinstance(answer, dict) and isinstance(answer.get("commit"), dict):
            answer = answer["commit"]
        commit = answer.get("id") if isinstance(answer, dict) else None
        if isinstance(commit, str) and _COMMIT.fullmatch(commit):
            return commit
        raise UserError(f"{url} answers without the id of a commit")
    raise UserError(f"{branch!r} is neither a branch nor a commit of {api.repo_url}")


def _list(client: _Client, commit: str) -> list[_Entry]:
    """Every audio file of the repository, sorted by path; connected buckets are left out."""
    source = client.api.repo_url
    files: dict[str, _Entry] = {}
    folders, listed = [""], set()
    while folders:
        folder = folders.pop()
        listed.add(folder)
        url = client.api.content_api_url(folder, commit)
        try:
            answer = client.json(url, include_size="true")
            entries = _Listing.validate_python(answer if isinstance(answer, list) else [answer])
        except _NotFoundError:
            raise UserError(f"{source} lists a folder {folder!r} and does not have it") from None
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise UserError(f"{url} answers with no listing of files: {problem}") from None
        for entry in entries:
            refuse_to_leave(entry.path, source)
            if entry.versioning == "bucket":
                continue
            if entry.type == "file":
                files[entry.path] = entry
            elif entry.type == "dir" and entry.path not in listed:
                folders.append(entry.path)
    audio = sorted(filter(is_audio, files))
    require_audio(audio, list(files), source)
    return [files[path] for path in audio]


def _distrust_other_sources(
    folder: Path, origin: str, files: Sequence[_Entry], verify: Verify
) -> None:
    """Remove what cannot be told from the files of the source that filled the folder before."""
    mark = folder / MARK
    if mark.is_file() and mark.read_text(encoding="utf-8") == origin:
        return
    for file in files:
        if file.check(verify) in ("size", "unverified"):
            (folder / file.path).unlink(missing_ok=True)
    with whole(mark) as part:
        part.write_text(origin, encoding="utf-8")


def _download(
    client: _Client,
    commit: str,
    files: Sequence[_Entry],
    targets: dict[str, Path],
    verify: Verify,
) -> None:
    """Download what is not there yet, and tell of everything that failed at once."""
    missing: dict[str, str] = {}
    invalid: dict[str, str] = {}
    silent = 0
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        tqdm(total=len(files), desc=client.api.full_name, unit="file", disable=None) as bar,
    ):
        futures = {
            pool.submit(_download_one, client, commit, file, targets[file.path], verify): file.path
            for file in files
        }
        try:
            for future in as_completed(futures):
                path = futures[future]
                try:
                    future.result()
                except _NotFoundError:
                    missing[path] = "HTTP 404"
                except _MismatchError as error:
                    invalid[path] = str(error)
                except _TransientError as error:
                    missing[path] = str(error)
                    silent += 1
                    if silent == _THREADS:
                        raise UserError(
                            f"{client.api.host} no longer answers ({error}): the files that have "
                            "arrived are kept, run again to go on"
                        ) from None
                bar.update()
        except BaseException:
            client.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if missing or invalid:
        raise UserError(_failures(client.api.repo_url, len(files), missing, invalid))


def _download_one(client: _Client, commit: str, file: _Entry, target: Path, verify: Verify) -> None:
    if target.is_file() and file.mismatch(target, verify) is None:
        return
    seen: set[str] = set()

    def attempt() -> None:
        with whole(target) as part:
            client.save(file.path, commit, part)
            mismatch = file.mismatch(part, verify)
            if mismatch is not None:
                # The same wrong bytes twice are what the server has, no accident of the way.
                final = mismatch in seen
                seen.add(mismatch)
                raise _MismatchError(mismatch, final=final)

    client.try_often(attempt)


def _failures(source: str, n: int, missing: dict[str, str], invalid: dict[str, str]) -> str:
    lines = [f"{source}: {len(missing) + len(invalid)} of {n} files could not be had"]
    for name, files in (("missing", missing), ("invalid", invalid)):
        if files:
            lines.append(f"{len(files)} {name}:")
            lines += [f"  {path}: {files[path]}" for path in sorted(files)[:_SHOWN]]
            if len(files) > _SHOWN:
                lines.append(f"  and {len(files) - _SHOWN} more")
    if missing:
        lines.append("the other files are kept: run again to fetch only these")
    if invalid:
        lines.append(
            "if the hashes that DagsHub lists are wrong and the files are not, set "
            "`pull.verify: size` in params.yaml; if the sizes are wrong too, download the files "
            "by hand and use a `path:` source"
        )
    return "\n".join(lines)
