"""A dataset from Kaggle, by the package kagglehub, which caches, resumes and authenticates."""

import os
import tarfile
import zipfile
import zlib
from pathlib import Path

import kagglehub
import requests
from kagglehub.config import get_cache_folder, get_kaggle_credentials
from kagglehub.exceptions import DataCorruptionError, KaggleApiHTTPError

from ser.core.errors import UserError
from ser.sources.archives import refuse_growth
from ser.sources.limits import Limits, TooSlowError, supervise

_NOT_ALLOWED = (401, 403)
_NOT_FOUND = 404
_VARIABLES = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")
_LONGEST = 255  # characters: kagglesdk also tries the token as a file name
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, DataCorruptionError)


# kagglehub writes only whole MiB, so that less is not seen.
_LIMITS = Limits(seconds=600, least=2**20)


def download(handle: str, limits: Limits = _LIMITS) -> tuple[Path, str]:
    """Download a dataset into kagglehub's cache, unless it is there already.

    Args:
        handle: <owner>/<dataset>, or <owner>/<dataset>/versions/<number>.
        limits: how much may be sent, and how slowly.

    Returns:
        (folder of its files, its version).

    Raises:
        UserError: it cannot be downloaded, is too large or too slow; the text never shows
            credentials, nor kagglehub's own errors about them.
    """
    has_credentials = _check_credentials()
    cache = Path(get_cache_folder(), "datasets", *handle.split("/")[:2])
    before = _unpacked(cache)
    try:
        folder = Path(
            supervise(
                lambda: kagglehub.dataset_download(handle),
                lambda: _measure(handle, cache, before, limits),
                limits,
            )
        )
    except KaggleApiHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise UserError(_refusal(handle, status, has_credentials)) from None
    except _DAMAGED:
        raise UserError(
            f"kaggle:{handle} arrived damaged and was not used: run again, or download it by hand "
            "and use a `path:` source"
        ) from None
    except TooSlowError as error:
        raise UserError(
            f"kaggle:{handle}: {error}. Run again to continue, or download the dataset by hand and "
            "use a `path:` source"
        ) from None
    except (requests.RequestException, ValueError, TypeError, LookupError) as error:
        raise UserError(
            f"kaggle:{handle}: no usable answer from Kaggle ({type(error).__name__}). Run again; "
            "without a network, download the dataset by hand and use a `path:` source"
        ) from None
    return folder, folder.name


def _measure(handle: str, cache: Path, before: int, limits: Limits) -> int:
    """Return the bytes that kagglehub has written so far, beyond those unpacked before.

    Raises:
        UserError: they are too many.
    """
    unpacked = _unpacked(cache) - before
    total = unpacked
    for archive in cache.glob("*.archive"):
        packed = _size(archive)
        if packed > limits.archive:
            raise UserError(
                f"kaggle:{handle} is larger than {limits.archive:,} bytes: refused. Remove "
                f"{archive}; if you trust the dataset, download it by hand and use a `path:` source"
            )
        refuse_growth(archive, packed, unpacked)
        total += packed
    return total


def _unpacked(cache: Path) -> int:
    return sum(map(_size, cache.glob("versions/**/*")))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # kagglehub has just removed it
        return 0


def _check_credentials() -> bool:
    """Return whether kagglehub finds credentials, after checking those it would use.

    Raises:
        UserError: they cannot be read or cannot be sent; kagglehub's own exceptions would show
            them.
    """
    for variable in _VARIABLES:
        value = os.environ.get(variable, "")
        if not (value.isascii() and value.isprintable() and len(value) <= _LONGEST):
            raise UserError(
                f"{variable} is not a token: it is too long or has line breaks or unprintable "
                "characters"
            )
    try:
        return get_kaggle_credentials() is not None
    except (ValueError, TypeError, OSError):
        file = Path(os.environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle").expanduser() / "kaggle.json"
        raise UserError(
            f"Kaggle's credentials cannot be read: {file}, or access_token beside it, is not what "
            "kaggle.com/settings gave; correct or remove it"
        ) from None


def _refusal(handle: str, status: int, has_credentials: bool) -> str:
    if status in _NOT_ALLOWED and has_credentials:
        return (
            f"kaggle:{handle}: the token in KAGGLE_API_TOKEN, or what else kagglehub found, does "
            f"not give access to it (HTTP {status})"
        )
    if status in _NOT_ALLOWED:
        return (
            f"kaggle:{handle} needs credentials (HTTP {status}): set KAGGLE_API_TOKEN, or put the "
            "token from kaggle.com/settings where kagglehub looks for it, ~/.kaggle/access_token"
        )
    if status == _NOT_FOUND:
        return f"kaggle:{handle} does not exist (HTTP 404): correct pull.sources in params.yaml"
    return f"kaggle:{handle}: Kaggle answered HTTP {status}: run again later"
