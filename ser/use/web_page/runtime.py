"""Get onnxruntime-web, which runs a model in a browser, from its npm package."""

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
# SHA-512 in base64, as the registry states it (dist.integrity).
_INTEGRITY = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
_CHECKSUM = base64.b64decode(_INTEGRITY).hex()
# The smallest build: WebAssembly on the CPU. All servers know the MIME types of the new names.
_FILES = {
    "package/dist/ort.wasm.bundle.min.mjs": "ort.js",
    "package/dist/ort-wasm-simd-threaded.wasm": "ort.wasm",
}
# The npm package has no licence file; PyPI's package of the same project has one.
_LICENCES = ("LICENSE", "ThirdPartyNotices.txt")


def fetch(registry: str) -> Path:
    """Download the package to the user's cache folder if it is not there yet.

    Args:
        registry: address of a registry of npm packages.

    Raises:
        UserError: see `ser.sources.web.download`.
    """
    print(
        f"{PACKAGE} {VERSION} (33 MB) is downloaded from {urlsplit(registry).hostname} and kept "
        f"in {cache_folder()}",
        flush=True,
    )
    advice = Advice(
        hosts="--registry",
        missing="use a --registry that has it",
        changed="use another --registry",
        offline="download the file by hand and pass it as --runtime",
    )
    url = f"{registry.rstrip('/')}/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
    return download(url, f"sha512:{_CHECKSUM}", [], advice)


def check_package(package: Path) -> None:
    """Check that a package has the expected checksum.

    Raises:
        UserError: it has another.
    """
    with package.open("rb") as file:
        found = hashlib.file_digest(file, "sha512").hexdigest()
    if found != _CHECKSUM:
        raise UserError(
            f"{package} is not npm's {PACKAGE} {VERSION} (sha512-{_INTEGRITY}): download that with "
            f"`npm pack {PACKAGE}@{VERSION}`"
        )


def write_runtime(package: Path, folder: Path) -> None:
    """Write the files that a page needs, and their licences.

    Args:
        package: with the right checksum.
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
