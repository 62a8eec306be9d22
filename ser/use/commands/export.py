"""`ser export`: a model folder -> one file that runs without torch, or a page that holds it."""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from ser.core.errors import UserError
from ser.core.recording import Recording
from ser.core.rejection import Rejected
from ser.decoding.formats import READ, find_recordings
from ser.use.commands.arguments import a_path
from ser.use.loading import load
from ser.use.recogniser import Recogniser, pieces
from ser.use.windows import Windows

REGISTRY = "https://registry.npmjs.org"

TOLERANCE = 1e-4  # of a probability
_CLIPS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument(
        "--onnx",
        type=a_path,
        metavar="FILE",
        nargs="?",
        const=Path("model.onnx"),
        help="the file to write (model.onnx)",
    )
    form.add_argument(
        "--web",
        type=a_path,
        metavar="DIR",
        help="the folder to write a page into that recognises in the browser, for any web server",
    )
    parser.add_argument(
        "--registry",
        type=_address,
        metavar="URL",
        default=registry(),
        help="of --web: the registry of npm packages that is asked for onnxruntime-web "
        f"(npm_config_registry, else {REGISTRY})",
    )
    parser.add_argument(
        "--runtime",
        type=a_path,
        metavar="TGZ",
        help="of --web: onnxruntime-web's package as a file: no registry is asked",
    )
    parser.add_argument(
        "--model", type=a_path, default=Path("data/model"), help="folder of the model (data/model)"
    )
    parser.add_argument(
        "clips",
        type=a_path,
        metavar="CLIP",
        nargs="*",
        help="recordings, or folders of them, that both must answer alike (some of those beside "
        "the model, in raw/, or synthesised ones)",
    )


def registry() -> str:
    """Name the registry of npm packages: npm's own setting, else npm's own registry."""
    return os.environ.get("npm_config_registry", REGISTRY)  # noqa: SIM112 - npm's spelling


def run(options: argparse.Namespace) -> int:
    """Export the model; nothing takes its name unless it answers as PyTorch does.

    Raises:
        UserError: it does not; it cannot be written there; see also `ser.use.onnx_export.export`.
    """
    place = options.web or _parent_of_file(options.onnx)
    nearest = _nearest_folder(place)
    for clip in options.clips:
        if not clip.exists():
            raise UserError(f"{clip}: there is no such file or folder")
    # First of all: who has not what the export needs would be sent after what the model needs.
    import ser.use.onnx_export  # noqa: F401

    recogniser = load(options.model)
    with _making(options.onnx or options.web, nearest) as folder:
        write = _write_file if options.onnx else _write_page
        print(write(options, recogniser, folder))
    return 0


def _parent_of_file(file: Path) -> Path:
    """Give the folder of the file to write.

    Raises:
        UserError: it has another suffix, or is a folder.
    """
    if file.suffix != ".onnx":
        raise UserError(f"{file}: the name of the file must end in .onnx")
    if file.is_dir():
        raise UserError(f"{file} is a folder: name a file to write")
    return file.parent


def _nearest_folder(place: Path) -> Path:
    """Give a folder, or where it is to be made the nearest above it.

    Raises:
        UserError: that is a file.
    """
    nearest = next(path for path in (place, *place.parents) if path.exists())
    if not nearest.is_dir():
        raise UserError(f"{nearest} is a file: a folder is expected")
    return nearest


@contextlib.contextmanager
def _making(target: Path, nearest: Path) -> Iterator[Path]:
    """Make an empty folder, for as long as what is exported is made and checked.

    Args:
        target: what is exported, for the errors.
        nearest: the folder that it is made in, on the same disk as the target.

    Raises:
        UserError: nothing can be written there.
    """
    try:
        made = tempfile.TemporaryDirectory(dir=nearest)
    except OSError as error:
        raise UserError(f"{target}: {error.strerror}") from None
    with made as folder:
        try:
            yield Path(folder)
        except OSError as error:
            if not str(error.filename).startswith(folder):
                raise
            raise UserError(f"{target}: {error.strerror}") from None


def _write_file(options: argparse.Namespace, recogniser: Recogniser, folder: Path) -> str:
    """Write the ONNX file; give what there is to say of it."""
    from ser.use.onnx_export import takes_waveforms

    made = folder / "made.onnx"
    checked = _export(options, recogniser, made, options.onnx)
    size = made.stat().st_size / 1e6
    options.onnx.parent.mkdir(parents=True, exist_ok=True)
    made.replace(options.onnx)
    takes_all = takes_waveforms(recogniser.description)
    takes = "waveforms" if takes_all else "features, made by `ser`"
    return f"{options.onnx}: {size:.1f} MB, takes {takes}; {checked}"


def _write_page(options: argparse.Namespace, recogniser: Recogniser, folder: Path) -> str:
    """Write the page; give what there is to say of it."""
    from ser.use.onnx_export import takes_waveforms
    from ser.use.web_page import page, runtime

    if not takes_waveforms(recogniser.description):
        raise UserError(
            f"{options.model} is no model for a page, which has a mel spectrogram alone: train one "
            "with features.kinds [logmel], model.normalisation train or clip and "
            "clean.noise_reduction none"
        )
    if options.runtime:
        runtime.check(options.runtime)
    package = options.runtime or runtime.fetch(options.registry)
    made = folder / "page"
    made.mkdir()
    page.write(recogniser, package, made)
    checked = _export(options, recogniser, made / page.MODEL, options.web)
    size = sum(file.stat().st_size for file in made.iterdir()) / 1e6
    files = {file: options.web / file.name for file in made.iterdir()}
    for place in files.values():
        if place.is_dir():
            raise UserError(f"{place} is a folder: the page has a file of this name")
    options.web.mkdir(parents=True, exist_ok=True)
    for file, place in files.items():  # what else lies there stays
        file.replace(place)
    return (
        f"{options.web}: {size:.1f} MB; {checked}; to try it: "
        f"python -m http.server --bind 127.0.0.1 --directory {options.web}"
    )


def _export(options: argparse.Namespace, recogniser: Recogniser, made: Path, target: Path) -> str:
    """Write the model's ONNX file and hold it against PyTorch; give what that found.

    Args:
        options: the model's folder, and what to check with.
        recogniser: the same model by PyTorch.
        made: the file to write.
        target: what it is for, for the errors.

    Raises:
        UserError: it answers otherwise, or nothing can be checked with.
    """
    from ser.use.onnx_export import export

    export(options.model, made)
    with tempfile.TemporaryDirectory() as folder:
        clips, whose = choose(options.clips, options.model.parent / "raw", Path(folder))
        checked, furthest = compare(recogniser, load(made), clips)
    if not checked:
        raise UserError(f"none of the {len(clips)} {whose} can be used: name others")
    if not furthest <= TOLERANCE:
        raise UserError(
            f"ONNX and PyTorch differ by {furthest:.2g} on {whose}, at most {TOLERANCE:g} is "
            f"right: {target} was not written"
        )
    return (
        f"on {checked} {whose} at their own lengths its probabilities differ from PyTorch's by at "
        f"most {furthest:.1g}"
    )


def choose(given: Sequence[Path], raw: Path, folder: Path) -> tuple[list[Path], str]:
    """Choose the recordings to check with: those given, else some of the project's, else made up.

    Args:
        given: files and folders.
        raw: the project's recordings, if there are any.
        folder: where recordings are written if they must be made.

    Returns:
        (files, what to call them).

    Raises:
        UserError: there is no recording among those given.
    """
    places = given or ([raw] if raw.is_dir() else [])
    files = [file for place in places for file in _recordings(place)]
    if files:
        spread = np.linspace(0, len(files) - 1, min(_CLIPS, len(files))).round().astype(int)
        return ([files[i] for i in spread], "clips") if not given else (files, "clips")
    if given:
        raise UserError(f"no recordings in {', '.join(map(str, given))} ({READ})")
    from ser.sources import demo

    demo.write(folder / "demo")
    return sorted((folder / "demo").rglob("*.wav"))[:_CLIPS], "synthesised clips"


def _recordings(place: Path) -> list[Path]:
    return find_recordings(place)[0] if place.is_dir() else [place]


def compare(torch: Recogniser, onnx: Recogniser, clips: Sequence[Path]) -> tuple[int, float]:
    """Let both answer for every clip whole, the first window of a long one.

    Models that adapt to a voice take all clips for one speaker's.

    Returns:
        (clips that could be used, the largest difference of a probability; 0 without clips).
    """
    windows = torch.windows()
    for recogniser in (torch, onnx):
        if recogniser.needs_a_voice:
            recogniser.adapt(_readable(clips, windows))
    answers = []
    for recording in _readable(clips, windows):
        try:
            answers.append(
                [
                    recogniser.of_folds(recording.samples, recording.sample_rate)
                    for recogniser in (torch, onnx)
                ]
            )
        except Rejected:
            continue
    return len(answers), furthest_apart(answers)


def furthest_apart(answers: Sequence[Sequence[NDArray[np.float64]]]) -> float:
    """Give the largest difference between two programs' answers, NaN if one is no number.

    Args:
        answers: of each clip, the probabilities [folds, emotions] by the one and by the other.
    """
    ours, theirs = np.moveaxis(np.array(answers), 1, 0) if answers else np.zeros((2, 0))
    return float(np.abs(ours - theirs).max(initial=0))  # Python's max would pass over NaN


def _readable(clips: Sequence[Path], windows: Windows) -> Iterator[Recording]:
    for clip in clips:
        with contextlib.suppress(Rejected):
            yield next(pieces(clip, windows))


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r}: an address such as {REGISTRY} is expected")
    if parts.username or parts.password:
        raise argparse.ArgumentTypeError("credentials go into ~/.netrc, not into an address")
    return text
