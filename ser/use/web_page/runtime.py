"""onnxruntime-web, from its npm package: what runs a model in a browser."""

import base64
import hashlib
import importlib.metadata
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from ser.core.errors import UserError
from ser.sources.archives import unpack
from ser.sources.web import Advice, cache_folder, download

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
# As the registry states it (dist.integrity), of SHA-512.
_INTEGRITY = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
_CHECKSUM = base64.b64decode(_INTEGRITY).hex()
# The smallest build: WebAssembly alone, on the CPU. Servers know the kind of files named so.
_FILES = {
    "package/dist/ort.wasm.bundle.min.mjs": "ort.js",
    "package/dist/ort-wasm-simd-threaded.wasm": "ort.wasm",
}
# The npm package holds no licence of its own; PyPI's of the same project does.
_LICENCES = ("LICENSE", "ThirdPartyNotices.txt")


def fetch(registry: str) -> Path:
    """Download the package into the user's cache folder, unless it is there.

    Args:
        registry: address of a registry of npm packages.

    Raises:
        UserError: see `ser.sources.web.download`.
    """
    print(
        f"{PACKAGE} {VERSION} (33 MB) comes from {urlsplit(registry).hostname}, and is kept in "
        f"{cache_folder()}",
        flush=True,
    )
    advice = Advice(
        hosts="--registry",
        missing="name a --registry that has it",
        changed="name another --registry",
        offline="fetch the file by hand and give it as --runtime",
    )
    url = f"{registry.rstrip('/')}/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
    return download(url, f"sha512:{_CHECKSUM}", [], advice)


def check(package: Path) -> None:
    """Compare a package with the checksum that is known.

    Raises:
        UserError: it is another file.
    """
    with package.open("rb") as file:
        found = hashlib.file_digest(file, "sha512").hexdigest()
    if found != _CHECKSUM:
        raise UserError(
            f"{package} is not {PACKAGE} {VERSION} as npm has it (sha512-{_INTEGRITY}): get it by "
            f"`npm pack {PACKAGE}@{VERSION}`"
        )


def write(package: Path, folder: Path) -> None:
    """Write the files that a page needs, and their licences.

    Args:
        package: whose checksum is right.
        folder: of the page.
    """
    with tempfile.TemporaryDirectory(dir=folder) as unpacked:
        unpack(package, Path(unpacked), lambda _members, _source: list(_FILES))
        for path, name in _FILES.items():
            (Path(unpacked) / path).replace(folder / name)
    installed = importlib.metadata.distribution("onnxruntime")
    for name in _LICENCES:
        text = installed.locate_file(f"onnxruntime/{name}")
        shutil.copyfile(str(text), folder / f"onnxruntime-{name}")
