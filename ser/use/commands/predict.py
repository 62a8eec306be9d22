"""`ser predict`: write the emotions in recordings as a table, JSON or CSV."""

import argparse
import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tqdm import tqdm

from ser.core.dimensions import meanings_of
from ser.core.errors import UserError
from ser.core.recording import Recording
from ser.core.rejection import NO_RECORDINGS, Rejected
from ser.decoding.suffixes import READ
from ser.use.answers import FORMATS, Answer
from ser.use.commands.arguments import add_model_argument, non_empty_path, share
from ser.use.explanation import require_spectrogram
from ser.use.loading import load
from ser.use.reading import read_windows
from ser.use.recogniser import Recogniser
from ser.use.recording_files import find_recordings
from ser.use.windows import Windows

if TYPE_CHECKING:
    from ser.use.album import Album

STDIN = "-"


@dataclass(frozen=True)
class NamedFile:
    """A recording to predict.

    Attributes:
        name: the name to show.
        path: the file to read.
    """

    name: str
    path: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help=f"a recording ({READ}), a folder of recordings (found by content or by name), or - "
        "for standard input",
    )
    add_model_argument(parser, "folder or .onnx file")
    parser.add_argument("--fold", type=int, help="use only the net of this fold (default: all)")
    form = parser.add_mutually_exclusive_group()
    form.set_defaults(form="table")
    form.add_argument(
        "--json", dest="form", action="store_const", const="json",
        help="write one JSON array instead of a table",
    )  # fmt: skip
    form.add_argument(
        "--csv", dest="form", action="store_const", const="csv",
        help="write a row per recording, and per window of long ones",
    )  # fmt: skip
    parser.add_argument(
        "--window",
        type=float,
        metavar="SECONDS",
        help="cut longer recordings into windows of this length (default: cut recordings longer "
        "than any training clip into windows of the median clip's length)",
    )
    parser.add_argument(
        "--hop",
        type=float,
        metavar="SECONDS",
        help="from window to window (default: half a window)",
    )
    parser.add_argument(
        "--min-confidence",
        type=share,
        metavar="P",
        default=0.0,
        help="write `uncertain` in place of an emotion whose probability is below this, from 0 to "
        "1 (default: 0)",
    )
    parser.add_argument(
        "--explain",
        type=non_empty_path,
        metavar="DIR",
        help="also draw where in the mel spectrogram the model looked: one picture per recording, "
        "for long ones one per window with an emotion",
    )
    voice = parser.add_mutually_exclusive_group()
    voice.add_argument(
        "--voice",
        type=non_empty_path,
        metavar="FOLDER",
        help="adapt to the voice of the recordings in this folder first: of one speaker, with any "
        "emotions",
    )
    voice.add_argument(
        "--one-speaker",
        action="store_true",
        help="all recordings are of one speaker: adapt to the voice by themselves first",
    )


def run(options: argparse.Namespace) -> int:
    """Predict every recording; return exit status 1 if any of them cannot be classified.

    Raises:
        UserError: nothing that was named is a recording or has any; or see `ser.use.loading.load`,
            `Recogniser.windows`, `Recogniser.adapt` and `open_album`.
    """
    recogniser = load(options.model, options.fold)
    windows = recogniser.windows(options.window, options.hop)
    album = options.explain and open_album(recogniser, windows, options.explain)
    with contextlib.ExitStack() as stack:
        sources = find_all(options.files, stack)
        if options.one_speaker:
            recogniser.adapt(read_usable(sources, windows))
        elif options.voice:
            adapt_to(recogniser, options.voice, windows)
        answered = unknown = 0
        with (
            _telling_how_far(lambda: f"{answered} of {len(sources)} recordings are answered"),
            FORMATS[options.form](
                sys.stdout, recogniser.emotions, recogniser.description.dimensions
            ) as write,
        ):
            # On a terminal, the lines of the files already show the progress.
            hidden = sys.stdout.isatty() or len(sources) == 1 or None
            for source in tqdm(sources, "predict", unit="file", disable=hidden):
                if isinstance(source, Answer):
                    answer = source
                else:
                    answer = predict_source(
                        recogniser, source, options.window, options.hop, options.min_confidence
                    )
                unknown += answer.prediction is None
                write(answer)
                answered += 1
                sys.stdout.flush()  # the reader need not wait for the next one
                if album and isinstance(source, NamedFile) and answer.prediction:
                    album.add(source.name, source.path, answer.prediction)
    if meanings := meanings_of(recogniser.description.dimensions):
        print(meanings, file=sys.stderr)
    if album:
        print(f"{options.explain}: {album.pictures} pictures of where it looked", file=sys.stderr)
    if unknown:
        print(f"{unknown} of {len(sources)} without an emotion: see above", file=sys.stderr)
    return int(unknown > 0)


@contextlib.contextmanager
def _telling_how_far(done: Callable[[], str]) -> Iterator[None]:
    """Add to Ctrl-C what was done before it."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(done()) from None


def open_album(recogniser: Recogniser, windows: Windows, folder: Path) -> "Album":
    """Open an album for pictures of explanations.

    Raises:
        UserError: the model cannot be explained, or the folder is a file.
    """
    require_spectrogram(recogniser)
    # Importing the drawing libraries takes a second.
    from ser.use.album import Album

    return Album(recogniser, windows, folder)


def adapt_to(recogniser: Recogniser, folder: Path, windows: Windows) -> None:
    """Adapt to the voice of the recordings in a folder, and say by how many.

    Raises:
        UserError: it has none that is usable, or the model does not adapt.
    """
    if not folder.is_dir():
        raise UserError(f"--voice {folder}: there is no such folder")
    with contextlib.ExitStack() as stack:
        try:
            sources = find_sources(str(folder), stack)
            used = recogniser.adapt(_read_voice(sources, windows))
        except (Rejected, UserError) as error:
            raise UserError(f"--voice {folder}: {error}") from None
    counted = "1 recording or window" if used == 1 else f"{used} recordings or windows"
    print(f"adapted to the voice in {folder} by {counted} with speech", file=sys.stderr)


def _read_voice(sources: Sequence[NamedFile], windows: Windows) -> Iterator[Recording]:
    """Read the recordings of a voice, and name those that cannot be read on standard error."""
    for source in sources:
        try:
            yield from read_windows(source.path, windows)
        except Rejected as verdict:
            print(f"not used: {source.name}: {verdict}", file=sys.stderr)


def predict_source(
    recogniser: Recogniser,
    source: NamedFile,
    window: float | None,
    hop: float | None,
    min_confidence: float,
) -> Answer:
    """Predict one recording; the answer has the reason if it cannot be classified."""
    try:
        prediction = recogniser.predict_file(source.path, window, hop)
    except Rejected as verdict:
        detail = str(verdict).replace(str(source.path), source.name)
        return Answer(source.name, None, verdict.reason, detail)
    return Answer(source.name, prediction, min_confidence=min_confidence)


def read_usable(sources: Sequence[NamedFile | Answer], windows: Windows) -> Iterator[Recording]:
    """Read all recordings, the long ones window by window; skip unreadable ones."""
    for source in sources:
        if isinstance(source, NamedFile):
            with contextlib.suppress(Rejected):
                yield from read_windows(source.path, windows)


def find_all(arguments: Sequence[str], stack: contextlib.ExitStack) -> list[NamedFile | Answer]:
    """Find the recordings that the arguments name, in their order; see `find_sources`.

    Returns:
        recordings, and in place of an argument without any the answer why.

    Raises:
        UserError: no argument names any.
    """
    found: list[NamedFile | Answer] = []
    for given in arguments:
        try:
            found += find_sources(given, stack)
        except Rejected as verdict:
            found.append(Answer(given, None, verdict.reason, str(verdict)))
    answers = [source for source in found if isinstance(source, Answer)]
    if len(answers) == len(found):
        raise UserError(
            "; ".join(f"{answer.file or repr('')}: {answer.detail}" for answer in answers)
        )
    return found


def find_sources(given: str, stack: contextlib.ExitStack) -> list[NamedFile]:
    """Find the recordings that an argument names; those of a folder are sorted.

    Standard input and pipes are copied to files, because the decoders seek. The files are deleted
    when the stack is closed.

    Raises:
        Rejected: missing_file, or no_recordings in the folder.
    """
    path = Path(given)
    if given == STDIN:
        if sys.stdin is None:
            raise Rejected("missing_file", "standard input is closed")
        return [NamedFile(STDIN, _copy(sys.stdin.buffer, stack))]
    try:
        mode = os.stat(given).st_mode  # noqa: PTH116 - Path("") would be the current folder
    except (FileNotFoundError, NotADirectoryError):
        raise Rejected("missing_file", "there is no such file or folder") from None
    except OSError:
        return [NamedFile(given, path)]  # rejected with the reason when it is opened
    if stat.S_ISFIFO(mode):
        with path.open("rb") as pipe:
            return [NamedFile(given, _copy(pipe, stack))]
    if not stat.S_ISDIR(mode):
        return [NamedFile(given, path)]
    recordings, others = find_recordings(path)
    if not recordings:
        raise Rejected(NO_RECORDINGS, f"no recordings among its {others} files ({READ})")
    if others:
        print(
            f"{given}: {others} more skipped: not recordings by name or content, or linked folders",
            file=sys.stderr,
        )
    return [NamedFile(str(file), file) for file in recordings]


def _copy(stream: BinaryIO, stack: contextlib.ExitStack) -> Path:
    copy = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "recording"
    with copy.open("wb") as file:
        shutil.copyfileobj(stream, file)
    return copy
