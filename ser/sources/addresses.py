"""Where a corpus comes from: DagsHub, Kaggle, the web, a folder or archive, the synthesis."""

import filecmp
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from ser.core.errors import UserError
from ser.sources import archives, dagshub, demo
from ser.sources.dagshub import Verify
from ser.sources.files import (
    Check,
    FindCopy,
    Pulled,
    Select,
    atomic_write,
    safe_target,
    write_origin,
)

Kind = Literal["dagshub", "kaggle", "https", "http", "path", "builtin"]

_FORMS = (
    "dagshub:<owner>/<repository>, dagshub:<owner>/<repository>@<branch or commit>, "
    "kaggle:<owner>/<dataset>, kaggle:<owner>/<dataset>/versions/<number>, "
    "https://<host>/<archive>#md5=<checksum> (or sha1, sha256, sha512), "
    "path:<folder, zip or tar>, or builtin:"
)
_REPO = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_REVISION = re.compile(r"(?!.*\.\.)[^\s/][^\s]*")
_DATASET = re.compile(r"[\w-]+/[\w-]+(/versions/[1-9]\d*)?", re.ASCII)
# <user>:<password>@, even if a character of the password ends that part of the URL.
_CREDENTIALS = re.compile(r"//[^/]*@|:/{1,2}[^/]*:(?!\d+/).*@")
_SECRET = re.compile(
    r"(^|[&;])[^=&;]*(signature|sig|token|key|secret|passw|credential)[^=&;]*=", re.IGNORECASE
)
_CHECKSUM = re.compile(
    r"(?:(md5)[=:](?=\w{32}$)|(sha1)[=:](?=\w{40}$)|(sha256)[=:](?=\w{64}$)|(sha512)[=:](?=\w{128}$))"
    r"([0-9a-f]+)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True)
class Source:
    """A parsed source string.

    Attributes:
        kind: its first part.
        place: repository, dataset, URL or path.
        revision: dagshub: branch or commit; https: the checksum, <algorithm>:<digits>.
    """

    kind: Kind
    place: str
    revision: str | None = None


def parse_source(text: str) -> Source:
    """Parse a source string.

    Raises:
        UserError: it has none of the known forms.

    >>> parse_source("dagshub:owner/repository@main")
    Source(kind='dagshub', place='owner/repository', revision='main')
    """
    text = text.strip()
    kind, _, place = text.partition(":")
    if kind != "path" and _CREDENTIALS.search(text):
        raise UserError(
            f"a source of pull.sources, {kind}:..., holds a name or password before an @: no "
            "secrets in params.yaml; fetch the file by hand and use a `path:` source"
        )
    if kind == "dagshub":
        place, at, revision = place.partition("@")
        if _REPO.fullmatch(place) and (not at or _REVISION.fullmatch(revision)):
            return Source("dagshub", place, revision or None)
    elif kind == "kaggle" and _DATASET.fullmatch(place):
        return Source("kaggle", place)
    elif kind in ("https", "http"):
        return _parse_url(text)
    elif kind == "path" and place:
        return Source("path", place)
    elif kind == "builtin" and not place:
        return Source("builtin", "")
    problem = "is not complete or not well-formed" if kind in get_args(Kind) else "is unknown"
    raise UserError(f"source {text!r} in pull.sources {problem}: expected {_FORMS}")


def _parse_url(text: str) -> Source:
    url, _, fragment = text.partition("#")
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if _SECRET.search(parts.query):
        raise UserError(
            f"a source of pull.sources at {parts.hostname} holds what looks like a secret in its "
            "query: no secrets in params.yaml; fetch the file by hand and use a `path:` source"
        )
    if not parts.hostname or not parts.path.strip("/"):
        raise UserError(f"source {text!r} in pull.sources does not name a file: expected {_FORMS}")
    checksum = _CHECKSUM.fullmatch(fragment)
    if checksum is None:
        raise UserError(
            f"source {text!r} in pull.sources has no checksum, but downloads must be verified: "
            "add the one that its publisher states, <url>#md5=<32 digits> or "
            "#sha256=<64 digits>"
        )
    algorithm = next(filter(None, checksum.groups()[:-1]))
    return Source(
        "https" if parts.scheme == "https" else "http",
        url,
        f"{algorithm}:{checksum.groups()[-1]}".lower(),
    )


def pull(
    source: Source,
    folder: Path,
    select: Select,
    verify: Verify,
    redirect_hosts: Sequence[str],
    find_copy: FindCopy,
) -> Pulled:
    """Copy the wanted files of a source into a corpus's folder, keeping their paths.

    Other files in that folder stay: see `prune`.

    Args:
        source: what `parse_source` returned.
        folder: the corpus's own folder, next to those of other corpora.
        select: chooses the files that belong to the corpus.
        verify: see `dagshub.fetch`.
        redirect_hosts: other hosts that a download may be redirected to.
        find_copy: finds a local copy of a file by its MD5.

    Raises:
        UserError: the source is missing, damaged, unsafe or not this corpus, or the folder cannot
            be written.
    """
    if folder.is_symlink():
        raise UserError(f"{folder} is a link: remove it, and use a `path:` source instead")
    try:
        if source.kind == "dagshub":
            return dagshub.fetch(
                source.place, source.revision, folder, select, verify, redirect_hosts, find_copy
            )

        def select_and_write_origin(seen: Collection[str], name: str) -> list[str]:
            wanted = select(seen, name)
            # Before the first file of another source replaces one.
            write_origin(folder, f"{source.kind}\n", ())
            return wanted

        return _pull_files(source, folder, select_and_write_origin, redirect_hosts)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror or error}") from None


def _pull_files(
    source: Source, folder: Path, select: Select, redirect_hosts: Sequence[str]
) -> Pulled:
    if source.kind == "path":
        return _pull_path(Path(source.place).expanduser(), folder, select)
    if source.kind == "kaggle":
        from ser.sources import kaggle  # slow to import, and rarely needed

        dataset, version = kaggle.download(source.place)
        pulled = _copy(dataset, folder, select, f"kaggle:{source.place}")
        return Pulled(f"versions/{version}", pulled.files, pulled.others)
    if source.kind in ("https", "http"):
        from ser.sources import web

        advice = web.Advice(
            hosts="pull.redirect_hosts in params.yaml",
            missing="correct pull.sources",
            changed="if its publisher has replaced it, see what changed and correct the checksum "
            "in pull.sources",
            offline="fetch the file by hand and use a `path:` source",
        )
        archive = web.download(source.place, source.revision or "", redirect_hosts, advice)
        return _unpack(archive, folder, select, "archive")
    with tempfile.TemporaryDirectory() as made:
        demo.write_demo(Path(made))
        return _copy(Path(made), folder, select, "builtin:")


def prune(folder: Path, keep: Collection[str]) -> int:
    """Remove the files of a folder that are not in `keep`, and the folders that this empties.

    Links are removed, never followed.

    Returns:
        Number of files removed.
    """
    removed = 0
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files + folders:
            path = Path(parent, name)
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(folder).as_posix() not in keep:
                path.unlink()
                removed += 1
    return removed


def _pull_path(path: Path, folder: Path, select: Select) -> Pulled:
    here, raw = path.resolve(), folder.parent.resolve()
    if here.is_relative_to(raw) or raw.is_relative_to(here):
        raise UserError(
            f"path:{path} and {folder.parent}, which is filled from it, must not contain each "
            "other: move the recordings elsewhere"
        )
    if path.is_dir():
        return _copy(path, folder, select, str(path))
    if path.is_file():
        return _unpack(path, folder, select, "unverified")
    raise UserError(
        f"path:{path} does not exist (looked for {here}): expected a folder, a zip or a tar; "
        "experiments that run in a folder of their own need absolute paths"
    )


def _copy(source: Path, folder: Path, select: Select, origin: str) -> Pulled:
    seen: list[str] = []
    for parent, folders, files in os.walk(source):
        for name in sorted(folders):
            _refuse_link(Path(parent, name))
        seen += [Path(parent, name).relative_to(source).as_posix() for name in files]
    wanted = select(seen, origin)
    targets = {path: safe_target(folder, path, str(source)) for path in wanted}
    for path in targets:
        _refuse_link(source / path)
        if not (source / path).is_file():
            raise UserError(f"{source / path} is neither a file nor a folder: remove it")
    for path, target in targets.items():
        if target.is_file() and filecmp.cmp(source / path, target, shallow=False):
            continue
        with atomic_write(target) as part:
            shutil.copyfile(source / path, part)
    return Pulled(None, dict.fromkeys(wanted, "unverified"), len(seen) - len(wanted))


def _refuse_link(path: Path) -> None:
    """Check that a part of a corpus is not a link, which may lead to other files of the user."""
    if path.is_symlink():
        raise UserError(
            f"{path} is a link, and links within a corpus are not followed: replace it with what "
            "it links to (`cp -RL` copies a folder so), or remove it"
        )


def _unpack(archive: Path, folder: Path, select: Select, check: Check) -> Pulled:
    paths, others = archives.unpack(archive, folder, select)
    return Pulled(None, dict.fromkeys(paths, check), others)
