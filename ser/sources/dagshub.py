"""The audio files of a DagsHub repository at one commit, verified against its listing."""

import hashlib
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AliasChoices, AliasPath, BaseModel, Field, TypeAdapter
from pydantic.functional_validators import AfterValidator, BeforeValidator
from tqdm import tqdm

from ser.core.errors import UserError
from ser.sources.dagshub_client import Client, NotFoundError, TransientError
from ser.sources.files import (
    Check,
    FindCopy,
    Pulled,
    Select,
    atomic_write,
    require_relative,
    safe_target,
    write_origin,
)
from ser.sources.limits import Limits, TooMuchError, TooSlowError

Verify = Literal["hash", "size"]

_THREADS = 8
_SHOWN = 20
_BY_HAND = "download the files by hand and use a `path:` source"


class _MismatchError(Exception):
    """A file that arrived completely but is not the listed one."""


class _Repository(BaseModel):
    default_branch: str | None = None


class _Commit(BaseModel):
    """A commit, alone or as part of a branch."""

    id: str = Field(
        validation_alias=AliasChoices(AliasPath("commit", "id"), "id"),
        pattern="^[0-9a-fA-F]{7,64}$",
    )


class _Entry(BaseModel):
    """One line of a folder's listing."""

    path: Annotated[str, AfterValidator(lambda path: PurePosixPath(path).as_posix())]
    type: str
    versioning: str | None = None
    # The server states sizes only on request, and may answer 0 for "unknown".
    size: Annotated[int, BeforeValidator(lambda n: n if isinstance(n, int) and n > 0 else 0)] = 0
    hash: Annotated[str, BeforeValidator(lambda h: h.lower() if isinstance(h, str) else "")] = ""

    @property
    def check(self) -> Check:
        """How a copy of this file can be verified."""
        if re.fullmatch("[0-9a-f]{32}", self.hash):
            return "md5"
        if re.fullmatch("[0-9a-f]{40}", self.hash):
            return "git_hash"
        return "size" if self.size else "unverified"

    def mismatch(self, local: Path) -> str | None:
        """Return how a local file differs from the listed one; None if it does not."""
        size = local.stat().st_size
        if self.size and size != self.size:
            return f"{size} bytes, expected {self.size}"
        if self.check == "md5":
            hasher = hashlib.md5(usedforsecurity=False)
        elif self.check == "git_hash":
            hasher = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        else:
            return None
        with local.open("rb") as content:
            digest = hashlib.file_digest(content, lambda: hasher).hexdigest()
        return None if digest == self.hash else f"{self.check} {digest}, expected {self.hash}"


def fetch(
    repo: str,
    revision: str | None,
    folder: Path,
    select: Select,
    verify: Verify,
    redirect_hosts: Sequence[str],
    find_copy: FindCopy,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
) -> Pulled:
    """Download the audio files of a repository at one commit into a folder.

    Files that exist already and are correct are kept; local copies are used.

    Args:
        repo: owner/name.
        revision: branch or commit; None: the latest commit of the default branch.
        folder: where the files go; their paths in the repository are kept.
        select: chooses the files that are wanted.
        verify: whether files must have the listed hash, or only the listed size, if there is one.
        redirect_hosts: other hosts that a download may be redirected to.
        find_copy: finds a local copy of a file by its MD5.
        limits: how much the server may send, and how slowly.

    Raises:
        UserError: something is missing, wrong or not allowed; the text says what to do.
    """
    with closing(Client(repo, redirect_hosts, limits)) as client:
        commit = _commit(client, revision)
        listed = _list(client, commit, limits)
        files = [listed[path] for path in select(listed, client.api.repo_url)]
        if verify == "size":
            files = [file.model_copy(update={"hash": ""}) for file in files]
        _require_facts(client.api.repo_url, files, verify, limits)
        targets = {safe_target(folder, file.path, client.api.repo_url): file for file in files}
        unsure = [t for t, file in targets.items() if file.check in ("size", "unverified")]
        write_origin(folder, f"{client.api.repo_url}@{commit}\n", unsure)
        _download(client, commit, targets, find_copy, limits)
    return Pulled(commit, {file.path: file.check for file in files}, len(listed) - len(files))


def _commit(client: Client, revision: str | None) -> str:
    """Return the id of the commit that a revision means now."""
    api = client.api
    try:
        repository = client.first_contact(TypeAdapter(_Repository))
    except NotFoundError:
        raise UserError(
            f"{api.repo_url} does not exist, or is private: correct pull.sources in params.yaml, "
            "or set DAGSHUB_USER_TOKEN to a token with access to it"
        ) from None
    branch = revision or repository.default_branch
    if not branch:
        raise UserError(f"{api.repo_url} has no default branch: is it empty?")
    for url in (api.branch_url(branch), api.commit_url(branch)):
        try:
            return client.ask(url, TypeAdapter(_Commit)).id
        except NotFoundError:
            continue
    raise UserError(f"{branch!r} is neither a branch nor a commit of {api.repo_url}")


def _list(client: Client, commit: str, limits: Limits) -> dict[str, _Entry]:
    """Return path -> entry of all files in the repository, without connected buckets."""
    source = client.api.repo_url
    # Bounded while it is parsed: an entry takes far more memory than its text.
    listing = TypeAdapter(Annotated[list[_Entry], Field(max_length=limits.entries)])
    files: dict[str, _Entry] = {}
    seen = 0
    folders = [""]
    known = set(folders)
    for folder in folders:  # grows while it is iterated
        url = client.api.content_api_url(folder, commit)
        try:
            entries = client.ask(url, listing, include_size="true")
        except NotFoundError:
            raise UserError(f"{source} lists a folder {folder!r} that does not exist") from None
        seen += len(entries)
        if seen > limits.entries:
            raise _too_large(source, f"more than {limits.entries:,} files and folders")
        for entry in entries:
            require_relative(entry.path, source)
            if entry.versioning == "bucket":
                continue
            if entry.type == "file":
                files[entry.path] = entry
            elif entry.type == "dir" and entry.path not in known:
                if entry.path.count("/") >= limits.depth:
                    raise _too_large(source, f"folders that are more than {limits.depth} deep")
                if len(folders) > limits.folders:
                    raise _too_large(source, f"more than {limits.folders:,} folders")
                folders.append(entry.path)
                known.add(entry.path)
    return files


def _too_large(source: str, what: str) -> UserError:
    return UserError(f"{source} lists {what}: refused; {_BY_HAND}")


def _require_facts(source: str, files: Sequence[_Entry], verify: Verify, limits: Limits) -> None:
    """Check that files can be verified as they should be, and are not too large."""
    bare = [file.path for file in files if file.check not in ("md5", "git_hash")]
    if verify == "hash" and bare:
        raise UserError(
            f"{source} lists {len(bare)} of {len(files)} files without a hash, such as {bare[0]}, "
            "so that they cannot be verified: set `pull.verify: size` in params.yaml if they are "
            f"to be used nevertheless, or {_BY_HAND}"
        )
    for file in files:
        if file.size > limits.file:
            raise _too_large(source, f"{file.path} with {file.size:,} bytes, over {limits.file:,}")


def _download(
    client: Client,
    commit: str,
    targets: dict[Path, _Entry],
    find_copy: FindCopy,
    limits: Limits,
) -> None:
    """Download what is missing; raise one error for all the files that failed."""
    missing: dict[str, str] = {}
    invalid: dict[str, str] = {}
    silent = 0
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        tqdm(total=len(targets), desc=client.api.full_name, unit="file", disable=None) as bar,
    ):
        try:
            futures = {}
            for (target, file), there in zip(
                targets.items(), pool.map(_is_there, targets.items()), strict=True
            ):
                if there:
                    bar.update()
                    continue
                # Here, because a program that looks for it is ended with this thread.
                copy = find_copy(file.hash) if file.check == "md5" else None
                most = file.size or limits.file
                future = pool.submit(_download_one, client, commit, file, target, copy, most)
                futures[future] = file.path
            for future in as_completed(futures):
                path = futures[future]
                try:
                    future.result()
                except _MismatchError as error:
                    invalid[path] = str(error)
                except (NotFoundError, TransientError, TooSlowError) as error:
                    missing[path] = str(error)
                    silent += not isinstance(error, NotFoundError)
                    if silent == _THREADS:
                        raise UserError(
                            f"{client.api.host} no longer answers ({error}): the files that have "
                            "arrived are kept, run again to continue"
                        ) from None
                bar.update()
        except BaseException:
            client.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if missing or invalid:
        raise UserError(_failures(client.api.repo_url, len(targets), missing, invalid))


def _is_there(place: tuple[Path, _Entry]) -> bool:
    target, file = place
    return target.is_file() and file.mismatch(target) is None


def _download_one(
    client: Client, commit: str, file: _Entry, target: Path, copy: Path | None, most: int
) -> None:
    with atomic_write(target) as part:
        if copy is not None:
            shutil.copyfile(copy, part)
            if file.mismatch(part) is None:
                return
        mismatch: str | None = None
        for _ in range(2):  # a transfer error does not happen twice
            try:
                client.save(file.path, commit, part, most)
            except TooMuchError as error:
                mismatch = f"more than the listed {file.size} bytes" if file.size else str(error)
            else:
                mismatch = file.mismatch(part)
            if mismatch is None:
                return
        raise _MismatchError(mismatch)


def _failures(source: str, n: int, missing: dict[str, str], invalid: dict[str, str]) -> str:
    lines = [f"{source}: {len(missing) + len(invalid)} of {n} files could not be downloaded"]
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
            f"`pull.verify: size` in params.yaml; if the sizes are wrong too, {_BY_HAND}"
        )
    return "\n".join(lines)
