"""`ser predict`: recordings -> emotions, as a table, JSON or CSV."""

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tqdm import tqdm

from ser.core.errors import UserError
from ser.core.recording import Recording
from ser.core.rejection import Rejected
from ser.decoding.formats import READ, find_recordings
from ser.use.answers import FORMATS, Answer
from ser.use.commands.arguments import a_path
from ser.use.explanation import require_spectrogram
from ser.use.loading import load
from ser.use.recogniser import Recogniser, pieces
from ser.use.windows import Windows

if TYPE_CHECKING:
    from ser.use.album import Album

STDIN = "-"


@dataclass(frozen=True)
class Source:
    """A recording to be predicted.

    Attributes:
        name: as it is shown.
        path: where it lies.
    """

    name: str
    path: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help=f"a recording ({READ}), a folder of them (found by content, or by name), or - for "
        "standard input",
    )
    parser.add_argument(
        "--model", type=a_path, default=Path("data/model"), help="folder or .onnx (data/model)"
    )
    parser.add_argument("--fold", type=int, help="ask the net of this fold alone, not all of them")
    form = parser.add_mutually_exclusive_group()
    form.set_defaults(form="table")
    form.add_argument(
        "--json", dest="form", action="store_const", const="json",
        help="one JSON array, instead of a table",
    )  # fmt: skip
    form.add_argument(
        "--csv", dest="form", action="store_const", const="csv",
        help="a row per recording, and per window of long ones",
    )  # fmt: skip
    parser.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        help="cut what is longer into windows of this length (without it: what is longer than "
        "any clip of the training, into windows as long as its median clip)",
    )
    parser.add_argument(
        "--hop", type=float, metavar="SECONDS", help="from window to window (half a window)"
    )
    parser.add_argument(
        "--explain",
        type=a_path,
        metavar="DIR",
        help="also draw where in the mel spectrogram the model looked: a picture per recording, of "
        "long ones per window in which an emotion is told",
    )
    parser.add_argument(
        "--one-speaker",
        action="store_true",
        help="all recordings are of one speaker: adapts to the voice, for models trained with "
        "model.normalisation speaker",
    )


def run(options: argparse.Namespace) -> int:
    """Predict every recording; the status is 1 if no emotion can be told of some."""
    recogniser = load(options.model, options.fold)
    windows = recogniser.windows(options.window, options.hop)
    album = options.explain and open_album(recogniser, windows, options.explain)
    with contextlib.ExitStack() as stack:
        sources = [source for given in options.files for source in find(given, stack)]
        if options.one_speaker:
            recogniser.adapt(read_all(sources, windows))
        unknown = 0
        with FORMATS[options.form](sys.stdout, recogniser.emotions) as write:
            # A line for every file is progress enough, where it can be seen.
            hidden = sys.stdout.isatty() or len(sources) == 1 or None
            for source in tqdm(sources, "predict", unit="file", disable=hidden):
                answer = predict(recogniser, source, options.window, options.hop)
                unknown += answer.emotion is None
                write(answer)
                sys.stdout.flush()  # whoever reads need not wait for the next
                if album and answer.prediction:
                    album.add(source.name, source.path, answer.prediction)
    if album:
        print(f"{options.explain}: where it looked, pictures: {album.pictures}", file=sys.stderr)
    if unknown:
        print(f"{unknown} of {len(sources)} without an emotion: see above", file=sys.stderr)
    return int(unknown > 0)


def open_album(recogniser: Recogniser, windows: Windows, folder: Path) -> "Album":
    """Prepare for pictures of explanations.

    Raises:
        UserError: the model cannot be explained, or it is no folder.
    """
    require_spectrogram(recogniser)
    # Drawing takes a second to import.
    from ser.use.album import Album

    return Album(recogniser, windows, folder)


def predict(
    recogniser: Recogniser, source: Source, window: float | None, hop: float | None
) -> Answer:
    """Predict one recording; if that cannot be done, the answer says why."""
    try:
        prediction = recogniser.predict_file(source.path, window, hop)
    except Rejected as verdict:
        detail = str(verdict).replace(str(source.path), source.name)
        return Answer(source.name, None, verdict.reason, detail)
    return Answer(source.name, prediction)


def read_all(sources: Sequence[Source], windows: Windows) -> Iterator[Recording]:
    """Read all recordings that can be read, the long ones window by window."""
    for source in sources:
        with contextlib.suppress(Rejected):
            yield from pieces(source.path, windows)


def find(given: str, stack: contextlib.ExitStack) -> list[Source]:
    """Find the recordings that an argument names, those of a folder sorted.

    Standard input and pipes become files, for as long as the stack is open: the decoders jump in
    them.

    Raises:
        UserError: there is no such file, or no recording in the folder.
    """
    path = Path(given)
    if given == STDIN:
        if sys.stdin is None:
            raise UserError("standard input is closed")
        return [Source(STDIN, _copy(sys.stdin.buffer, stack))]
    if not given or not path.exists():
        raise UserError(f"{given or repr(given)}: there is no such file or folder")
    if path.is_fifo():
        with path.open("rb") as pipe:
            return [Source(given, _copy(pipe, stack))]
    if not path.is_dir():
        return [Source(given, path)]
    recordings, others = find_recordings(path)
    if not recordings:
        raise UserError(f"{given}: no recordings among its {others} files ({READ})")
    if others:
        are = "is no recording" if others == 1 else "are no recordings"
        print(
            f"{given}: {others} more {are} by name or content, or a linked folder", file=sys.stderr
        )
    return [Source(str(file), file) for file in recordings]


def _copy(stream: BinaryIO, stack: contextlib.ExitStack) -> Path:
    copy = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "recording"
    with copy.open("wb") as file:
        shutil.copyfileobj(stream, file)
    return copy
