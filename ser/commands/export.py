"""`ser export --onnx`: a model folder -> one file that runs without torch."""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ser.errors import UserError
from ser.formats import READ, find_recordings
from ser.loading import load
from ser.recogniser import Recogniser, pieces
from ser.recording import Recording
from ser.rejection import Rejected
from ser.windows import Windows

TOLERANCE = 1e-4  # of a probability
_CLIPS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--onnx",
        type=Path,
        metavar="FILE",
        nargs="?",
        const=Path("model.onnx"),
        required=True,
        help="the file to write (model.onnx)",
    )
    parser.add_argument(
        "--model", type=Path, default=Path("data/model"), help="folder of the model (data/model)"
    )
    parser.add_argument(
        "clips",
        type=Path,
        metavar="CLIP",
        nargs="*",
        help="recordings, or folders of them, that both must answer alike (some of those beside "
        "the model, in raw/, or synthesised ones)",
    )


def run(options: argparse.Namespace) -> int:
    """Export the model; the file takes its name only if it answers as PyTorch does.

    Raises:
        UserError: it does not; see also `ser.onnx_export.export`.
    """
    if options.onnx.suffix != ".onnx":
        raise UserError(f"{options.onnx}: the name of the file must end in .onnx")
    # torch takes a second to import: not before the arguments are known to be right.
    try:
        from ser.onnx_export import export, takes_waveforms
    except ModuleNotFoundError as error:
        raise UserError(
            f"the export needs {error.name}: pip install -c requirements.lock -e ."
        ) from None

    options.onnx.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.onnx.parent) as folder:
        made = Path(folder) / "made.onnx"
        export(options.model, made)
        clips, whose = choose(options.clips, options.model.parent / "raw", Path(folder))
        exported = load(made)
        checked, furthest = compare(load(options.model), exported, clips)
        if not checked:
            raise UserError(f"none of the {len(clips)} {whose} can be used: name others")
        if not furthest <= TOLERANCE:
            raise UserError(
                f"ONNX and PyTorch differ by {furthest:.2g} on {whose}, at most {TOLERANCE:g} is "
                f"right: {options.onnx} was not written"
            )
        size = made.stat().st_size / 1e6
        made.replace(options.onnx)
    takes = "waveforms" if takes_waveforms(exported.description) else "features, made by `ser`"
    print(
        f"{options.onnx}: {size:.1f} MB, takes {takes}; on {checked} {whose} at their own lengths "
        f"its probabilities differ from PyTorch's by at most {furthest:.1g}"
    )
    return 0


def choose(given: Sequence[Path], raw: Path, folder: Path) -> tuple[list[Path], str]:
    """Choose the recordings to check with: those given, else some of the project's, else made up.

    Args:
        given: files and folders.
        raw: the project's recordings, if there are any.
        folder: where recordings are written if they must be made.

    Returns:
        (files, what to call them).

    Raises:
        UserError: one that is given is not there, or there is no recording among them.
    """
    for place in given:
        if not place.exists():
            raise UserError(f"{place}: there is no such file or folder")
    places = given or ([raw] if raw.is_dir() else [])
    files = [file for place in places for file in _recordings(place)]
    if files:
        spread = np.linspace(0, len(files) - 1, min(_CLIPS, len(files))).round().astype(int)
        return ([files[i] for i in spread], "clips") if not given else (files, "clips")
    if given:
        raise UserError(f"no recordings in {', '.join(map(str, given))} ({READ})")
    from ser.corpora import demo

    demo.write(folder / "demo")
    return sorted((folder / "demo").rglob("*.wav"))[:_CLIPS], "synthesised clips"


def _recordings(place: Path) -> list[Path]:
    return find_recordings(place)[0] if place.is_dir() else [place]


def compare(torch: Recogniser, onnx: Recogniser, clips: Sequence[Path]) -> tuple[int, float]:
    """Let both answer for every clip whole, the first window of a long one.

    Models that adapt to a voice take all clips for one speaker's.

    Returns:
        (clips that could be used, the largest difference of a probability).
    """
    windows = torch.windows()
    for recogniser in (torch, onnx):
        if recogniser.needs_a_voice:
            recogniser.adapt(_readable(clips, windows))
    differences = []
    for recording in _readable(clips, windows):
        try:
            ours, theirs = (
                recogniser.of_folds(recording.samples, recording.sample_rate)
                for recogniser in (torch, onnx)
            )
        except Rejected:
            continue
        differences.append(np.abs(ours - theirs).max())
    return len(differences), float(max(differences, default=0.0))


def _readable(clips: Sequence[Path], windows: Windows) -> Iterator[Recording]:
    for clip in clips:
        with contextlib.suppress(Rejected):
            yield next(pieces(clip, windows))
