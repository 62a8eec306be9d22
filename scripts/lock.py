"""Pin what the project needs, with hashes: write requirements.lock and requirements/.

Versions that are pinned already stay; remove a line to have the newest one. The pins are for all
Pythons from 3.11 on and all systems that the packages are made for, with the hashes of all files
that PyPI has. PyPI's torch for Linux needs CUDA's libraries, which are in a file of their own; the
build for CPUs alone comes from other indexes, and has its hashes added as far as pip finds it.
"""

import hashlib
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts import cli
from scripts.workspace import ROOT
from ser.core.errors import UserError

LOCK = ROOT / "requirements.lock"
APP, BUILD, CUDA, TORCH_CPU, CONSTRAINTS = (
    ROOT / "requirements" / name
    for name in ("app.lock", "build.lock", "cuda.lock", "torch-cpu.lock", "constraints.txt")
)
PYTHONS = ("3.11", "3.12", "3.13")
_CUDA = re.compile(r"(nvidia|cuda|triton)\b")
_HASHES = "# Install with: pip install --require-hashes --no-deps -r {name}. Made by `make lock`.\n"
_PLAIN = "# For pip install -c: the versions in requirements.lock. Made by `make lock`.\n"


def main() -> None:
    """Write the pins of everything that `make setup` installs.

    Raises:
        UserError: pip finds PyTorch's build for CPUs for no Python.
    """
    pins = _resolve("pyproject.toml", "--extra=dev", kept=(LOCK, CUDA))
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    release = torch.split()[0]
    wheels = _cpu_wheels(f"{release}+cpu")
    if not wheels:
        raise UserError(
            f"pip finds {release}+cpu on none of its indexes: name PyTorch's, "
            "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"
        )
    # Elsewhere pip passes over the pin, and PyPI's build is installed.
    pythons = " or ".join(f"python_version == '{python}'" for python in wheels)
    system = f"sys_platform == '{sys.platform}' and platform_machine == '{platform.machine()}'"
    pin = f"{release}+cpu ; {system} and ({pythons})"
    _write(TORCH_CPU, [_joined(pin, *wheels.values())])
    pins[pins.index(torch)] = _joined(torch.rstrip("\n"), *wheels.values())
    _write(LOCK, (pin for pin in pins if not _CUDA.match(pin)))
    _write(CUDA, (pin for pin in pins if _CUDA.match(pin)))
    within = "--constraint=requirements.lock"
    # What the container of the page needs of it.
    _write(APP, _resolve("pyproject.toml", "--extra=app", within, kept=(LOCK,)))
    with TemporaryDirectory() as folder:
        asked = Path(folder) / "build.in"
        asked.write_text("pip\nsetuptools\n", encoding="utf-8")
        _write(BUILD, _resolve(str(asked), within, kept=(BUILD,)))
    plain = (re.split(r" \\\n", pin)[0].rstrip() for pin in pins)
    CONSTRAINTS.write_text(_PLAIN + "".join(f"{pin}\n" for pin in plain), encoding="utf-8")


def _resolve(asked: str, *options: str, kept: Sequence[Path]) -> list[str]:
    """Return a pin with its hashes for each package, several lines each.

    Args:
        asked: file of what is wanted.
        options: of uv.
        kept: files of earlier pins, which are kept.
    """
    with TemporaryDirectory() as folder:
        found = Path(folder) / "found.lock"
        earlier = "".join(path.read_text("utf-8") for path in kept if path.exists())
        # Without their hashes, which uv would keep too.
        found.write_text(re.sub(r"( \\)?\n +--hash=\S+", "", earlier), encoding="utf-8")
        command = [
            *(sys.executable, "-m", "uv", "pip", "compile", asked, *options, "--universal"),
            *("--python-version", PYTHONS[0], "--generate-hashes", "--no-annotate", "--no-header"),
            *("--quiet", "--output-file", str(found)),
        ]
        subprocess.run(command, cwd=ROOT, check=True)
        return re.findall(r"^\S.*\n(?:[ \t].*\n)*", found.read_text("utf-8"), re.MULTILINE)


def _joined(*lines: str) -> str:
    return " \\\n".join(lines) + "\n"


def _cpu_wheels(release: str) -> dict[str, str]:
    """Return Python -> the hash of its wheel, as a line of a pin, where pip finds this release."""
    lines = {}
    for python in PYTHONS:
        with TemporaryDirectory() as folder:
            command = [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"),
                *(folder, "--only-binary=:all:", "--python-version", python, release),
            ]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"no {release} for Python {python}: PyPI's is installed there")
            for wheel in Path(folder).iterdir():
                digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
                lines[python] = f"    --hash=sha256:{digest}"
    return lines


def _write(path: Path, pins: Iterable[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    head = _HASHES.format(name=path.relative_to(ROOT))
    path.write_text(head + "".join(pins), encoding="utf-8")


if __name__ == "__main__":
    cli.run_script(main)
