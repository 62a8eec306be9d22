"""`ser export`: write a model folder as one file that runs without torch, or as a web page."""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ser.core.errors import UserError
from ser.core.recording import Recording
from ser.core.rejection import Rejected
from ser.core.web_address import check_web_address
from ser.decoding.suffixes import READ
from ser.inference.comparison import TOLERANCE, largest_difference, some_of
from ser.use.commands.arguments import add_model_argument, non_empty_path
from ser.use.loading import load, load_in_torch
from ser.use.reading import read_windows
from ser.use.recogniser import Recogniser
from ser.use.recording_files import find_recordings
from ser.use.windows import Windows

REGISTRY = "https://registry.npmjs.org"

_SYNTHESISED = 20  # clips


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument(
        "--onnx",
        type=non_empty_path,
        metavar="FILE",
        nargs="?",
        const=Path("model.onnx"),
        help="the file to write (default: model.onnx)",
    )
    form.add_argument(
        "--web",
        type=non_empty_path,
        metavar="DIR",
        help="the folder to write a page to that recognises in the browser, for any web server",
    )
    parser.add_argument(
        "--registry",
        type=_address,
        metavar="URL",
        default=registry(),
        help="for --web: the npm registry to download onnxruntime-web from "
        f"(default: npm_config_registry, else {REGISTRY})",
    )
    parser.add_argument(
        "--runtime",
        type=non_empty_path,
        metavar="TGZ",
        help="for --web: onnxruntime-web's package as a file, in place of a registry",
    )
    add_model_argument(parser, "folder of the model")
    parser.add_argument(
        "clips",
        type=non_empty_path,
        metavar="CLIP",
        nargs="*",
        help="recordings or folders on which PyTorch and ONNX are compared (default: clips in raw/ "
        "beside the model, else synthetic ones)",
    )


def registry() -> str:
    """Return the address of the npm registry: npm's setting, else npm's default."""
    return os.environ.get("npm_config_registry", REGISTRY)  # noqa: SIM112 - npm's spelling


def run(options: argparse.Namespace) -> int:
    """Export the model, and move it to its place only if its answers agree with PyTorch's.

    Raises:
        UserError: they do not; nothing can be written there; or see `ser.use.onnx_export.export`.
    """
    place = options.web or _parent_of_file(options.onnx)
    nearest = _nearest_folder(place)
    for clip in options.clips:
        if not clip.exists():
            raise UserError(f"{clip}: there is no such file or folder")
    # Checked first: otherwise the error would name what the model needs, not what the export needs.
    import ser.use.onnx_export  # noqa: F401

    recogniser = load_in_torch(options.model)
    with _temporary_folder(options.onnx or options.web, nearest) as folder:
        write = _write_file if options.onnx else _write_page
        print(write(options, recogniser, folder))
    return 0


def _parent_of_file(file: Path) -> Path:
    """Return the folder of the file to write.

    Raises:
        UserError: the file's suffix is not .onnx, or it is a folder.
    """
    if file.suffix != ".onnx":
        raise UserError(f"{file}: the name of the file must end in .onnx")
    if file.is_dir():
        raise UserError(f"{file} is a folder: name a file to write")
    return file.parent


def _nearest_folder(place: Path) -> Path:
    """Return a folder, or the nearest existing one above it if it is still to be made.

    Raises:
        UserError: that is a file.
    """
    nearest = next(path for path in (place, *place.parents) if path.exists())
    if not nearest.is_dir():
        raise UserError(f"{nearest} is a file: a folder is expected")
    return nearest


@contextlib.contextmanager
def _temporary_folder(target: Path, nearest: Path) -> Iterator[Path]:
    """Make an empty folder in which to write and check the export; remove it afterwards.

    Args:
        target: the file or folder that is exported, for the errors.
        nearest: the folder to make it in, on the same disk as the target.

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
    """Write the ONNX file; return a message about it."""
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
    """Write the page; return a message about it."""
    from ser.use.onnx_export import takes_waveforms
    from ser.use.web_page import page, runtime

    if not takes_waveforms(recogniser.description):
        raise UserError(
            f"{options.model} cannot run on a page, which computes mel spectrograms only: train a "
            "model with features.kinds [logmel], model.normalisation train, clip or corpus and "
            "clean.noise_reduction none"
        )
    if options.runtime:
        runtime.check_package(options.runtime)
    package = options.runtime or runtime.fetch(options.registry)
    made = folder / "page"
    made.mkdir()
    page.write_page(recogniser, package, made)
    checked = _export(options, recogniser, made / page.MODEL, options.web)
    size = sum(file.stat().st_size for file in made.iterdir()) / 1e6
    files = {file: options.web / file.name for file in made.iterdir()}
    for place in files.values():
        if place.is_dir():
            raise UserError(f"{place} is a folder: the page has a file of this name")
    options.web.mkdir(parents=True, exist_ok=True)
    for file, place in files.items():  # other files there stay
        file.replace(place)
    return (
        f"{options.web}: {size:.1f} MB; {checked}; to try it: "
        f"python -m http.server --bind 127.0.0.1 --directory {options.web}"
    )


def _export(options: argparse.Namespace, recogniser: Recogniser, made: Path, target: Path) -> str:
    """Write the model's ONNX file and compare it with PyTorch; return a message about that.

    Args:
        options: the model's folder and the clips to compare on.
        recogniser: the same model in PyTorch.
        made: the file to write.
        target: the file or folder that is exported, for the errors.

    Raises:
        UserError: the answers differ, or none of the clips can be used.
    """
    from ser.use.onnx_export import export

    export(options.model, made)
    with tempfile.TemporaryDirectory() as folder:
        clips, whose = choose_clips(options.clips, options.model.parent / "raw", Path(folder))
        checked, furthest = compare_answers(recogniser, load(made), clips)
    if not checked:
        raise UserError(f"none of the {len(clips)} {whose} can be used: give others")
    if not furthest <= TOLERANCE:
        raise UserError(
            f"ONNX and PyTorch differ by {furthest:.2g} on {whose}, more than the {TOLERANCE:g} "
            f"allowed: {target} was not written"
        )
    return (
        f"on {checked} {whose} at their own lengths its probabilities differ from PyTorch's by at "
        f"most {furthest:.1g}"
    )


def choose_clips(given: Sequence[Path], raw: Path, folder: Path) -> tuple[list[Path], str]:
    """Return recordings to compare on: those given, else the project's, else synthetic ones.

    Args:
        given: files and folders.
        raw: the folder of the project's recordings, which need not exist.
        folder: to write synthetic recordings to.

    Returns:
        (files, a word for them in messages).

    Raises:
        UserError: none of the given ones is a recording.
    """
    places = given or ([raw] if raw.is_dir() else [])
    files = [file for place in places for file in _recordings(place)]
    if files:
        return files if given else some_of(files), "clips"
    if given:
        raise UserError(f"no recordings in {', '.join(map(str, given))} ({READ})")
    from ser.sources import demo

    demo.write_demo(folder / "demo")
    return sorted((folder / "demo").rglob("*.wav"))[:_SYNTHESISED], "synthesised clips"


def _recordings(place: Path) -> list[Path]:
    return find_recordings(place)[0] if place.is_dir() else [place]


def compare_answers(
    torch: Recogniser, onnx: Recogniser, clips: Sequence[Path]
) -> tuple[int, float]:
    """Compare the answers of both models on whole clips, and on the first window of long ones.

    Models that adapt to a voice treat all clips as one speaker's.

    Returns:
        (number of clips that could be used, the largest difference of a probability or 0).
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
                    recogniser.fold_answers(recording.samples, recording.sample_rate)
                    for recogniser in (torch, onnx)
                ]
            )
        except Rejected:
            continue
    return len(answers), largest_difference(answers)


def _readable(clips: Sequence[Path], windows: Windows) -> Iterator[Recording]:
    for clip in clips:
        with contextlib.suppress(Rejected):
            yield next(read_windows(clip, windows))


def _address(text: str) -> str:
    try:
        check_web_address(text, "~/.netrc")
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
